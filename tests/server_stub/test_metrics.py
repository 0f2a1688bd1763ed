from __future__ import annotations

import re

from server_stub.metrics import Metrics
from server_stub.records import Entry
from socket_bloc.frames import SendFrame
from socket_bloc.order_status import Rejection, RejectionCode
from tests.server_stub.support import CLIENT, SERVICEMAN, send_frame


def _values(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.render().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_relay_that_has_seen_nothing_counts_nothing() -> None:
    assert set(_values(Metrics()).values()) == {0.0}


def test_what_is_told_is_counted() -> None:
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
    assert _values(metrics) == {
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
    }


def test_every_metric_has_its_help_and_its_type() -> None:
    text = Metrics().render()
    assert text.endswith("\n")
    helped = re.findall(r"^# HELP (\w+) \S", text, re.MULTILINE)
    assert helped == re.findall(r"^# TYPE (\w+) (?:counter|gauge)$", text, re.MULTILINE)
    assert {name.partition("{")[0] for name in _values(Metrics())} <= set(helped)
