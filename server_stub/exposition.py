"""The metrics as Prometheus reads them: counters as metric families, in the text format.

Imported at the first request for `/metrics`: a relay that is not scraped saves the 1.6 MB and 20 ms of
importing `prometheus-client`, and runs without it being installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from math import inf

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from websockets.http11 import Response

from server_stub.metrics import Histogram, Metrics
from server_stub.wire.http import plain_response

__all__ = ["metrics_response", "render"]


def metrics_response(metrics: Metrics) -> Response:
    """Return the answer to a scrape."""
    return plain_response(HTTPStatus.OK, render(metrics), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def render(metrics: Metrics) -> str:
    """Return the metrics of a relay, and those of its process, in the text format."""
    registry = CollectorRegistry()
    registry.register(_RelayCollector(metrics))
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode()


class _RelayCollector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        metrics = self._metrics
        connections = GaugeMetricFamily("relay_connections", "Open connections.", labels=["type"])
        for role, count in metrics.connections.items():
            connections.add_metric([role], count)
        yield connections
        yield _counters("relay_disconnections", "Ended connections, by close code.", "code", metrics.closed)
        yield CounterMetricFamily("relay_sends", "Well-formed send frames.", metrics.sends)
        yield _counters("relay_committed", "Committed statuses.", "status", metrics.committed_by_name)
        yield _counters("relay_rejected", "Rejected frames, by code.", "code", metrics.rejected_by_code)
        yield CounterMetricFamily("relay_pushed", "Statuses written to a connection.", metrics.pushes)
        results = {
            "committed": metrics.batch_size.count - metrics.failed_batches,
            "failed": metrics.failed_batches,
        }
        yield _counters("relay_batches", "Transactions, by result.", "result", results)
        seconds = metrics.commit_seconds
        yield CounterMetricFamily("relay_batch_seconds", "Seconds that transactions took.", seconds.sum)
        yield _histogram("relay_commit_seconds", "Seconds that a transaction took.", seconds)
        yield _histogram("relay_batch_size", "Submissions in a transaction.", metrics.batch_size)


def _counters(name: str, text: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    buckets = [("+Inf" if bound == inf else str(bound), count) for bound, count in histogram.cumulative()]
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.sum)
