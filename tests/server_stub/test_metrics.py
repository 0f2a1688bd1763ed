"""What is counted, and how it is written for Prometheus."""

from __future__ import annotations

import re

from server_stub.exposition import metrics_response, render
from server_stub.metrics import Metrics
from server_stub.records import Entry
from socket_bloc.frames import SendFrame
from socket_bloc.order_status import Rejection, RejectionCode
from tests.server_stub.support import CLIENT, SERVICEMAN, send_frame


def _values(metrics: Metrics) -> dict[str, float]:
    """The samples of the relay, without those of the process."""
    lines = [line for line in render(metrics).splitlines() if line.startswith("relay_")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_relay_that_has_seen_nothing_counts_nothing() -> None:
    assert set(_values(Metrics()).values()) == {0.0}


def test_every_notification_is_counted() -> None:
    metrics = Metrics()
    entry = Entry(CLIENT, SERVICEMAN, 1, 1, "o-1", "m-1", 1001, "PLACED", "", 0)
    for user in (CLIENT, SERVICEMAN, CLIENT):
        metrics.connected(user)
    metrics.received(CLIENT, SendFrame.from_json(send_frame()))
    metrics.committed(entry)
    metrics.pushed(CLIENT, 1)
    metrics.pushed(SERVICEMAN, 1)
    metrics.rejected(CLIENT, None, Rejection(RejectionCode.MALFORMED, "frame", ""))
    metrics.batch_ended(3, 0.25, False)
    metrics.batch_ended(1, 0.5, True)
    metrics.disconnected(CLIENT, 1006)
    counted = {name: value for name, value in _values(metrics).items() if "_bucket{" not in name}
    assert counted == {
        'relay_connections{type="client"}': 1,
        'relay_connections{type="serviceman"}': 1,
        'relay_disconnections_total{code="1006"}': 1,
        "relay_sends_total": 1,
        'relay_committed_total{status="PLACED"}': 1,
        'relay_rejected_total{code="malformed"}': 1,
        "relay_pushed_total": 2,
        'relay_batches_total{result="committed"}': 1,
        'relay_batches_total{result="failed"}': 1,
        "relay_batch_seconds_total": 0.75,
        "relay_commit_seconds_count": 2,
        "relay_commit_seconds_sum": 0.75,
        "relay_batch_size_count": 2,
        "relay_batch_size_sum": 4,
    }


def test_close_codes_that_clients_make_up_share_a_label() -> None:
    metrics = Metrics()
    for code in (1000, 1006, 3000, 3999, 4000, 4001, 4242, 4999):
        metrics.disconnected(CLIENT, code)
    assert metrics.closed == {"1000": 1, "1006": 1, "3xxx": 2, "4000": 1, "4001": 1, "4xxx": 2}


def test_a_histogram_counts_up_to_each_bound_the_bound_included() -> None:
    metrics = Metrics()
    for size, seconds in ((1, 0.001), (2, 0.002), (3, 0.3), (600, 7.0)):
        metrics.batch_ended(size, seconds, False)
    values = _values(metrics)
    sizes = {bound: values[f'relay_batch_size_bucket{{le="{bound}"}}'] for bound in ("1.0", "2.0", "4.0")}
    assert sizes == {"1.0": 1, "2.0": 2, "4.0": 3}
    assert values['relay_batch_size_bucket{le="512.0"}'] == 3
    assert values['relay_batch_size_bucket{le="+Inf"}'] == 4
    assert values['relay_commit_seconds_bucket{le="0.001"}'] == 1
    assert values['relay_commit_seconds_bucket{le="5.0"}'] == 3
    assert values['relay_commit_seconds_bucket{le="+Inf"}'] == 4


def test_the_process_is_measured_as_well() -> None:
    assert re.search(r"^process_resident_memory_bytes [1-9]", render(Metrics()), re.MULTILINE)


def test_a_scrape_is_answered_with_the_content_type_of_its_text_format() -> None:
    response = metrics_response(Metrics())
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_every_metric_has_its_help_and_its_type() -> None:
    text = render(Metrics())
    assert text.endswith("\n")
    helped = re.findall(r"^# HELP (\w+) \S", text, re.MULTILINE)
    assert helped == re.findall(r"^# TYPE (\w+) (?:counter|gauge|histogram)$", text, re.MULTILINE)
    names = {re.sub(r"_(bucket|count|sum)$", "", name.partition("{")[0]) for name in _values(Metrics())}
    assert names <= set(helped)
