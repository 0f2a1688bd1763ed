"""The responses to plain HTTP requests on the port of the relay."""

from __future__ import annotations

import re

import pytest

from tests.blackbox.client import Order
from tests.blackbox.wire import Address, Line, http

PATHS = ["/healthz", "/readyz", "/metrics"]
_SAMPLE = re.compile(
    r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_]\w*="[^"]*"(,[a-zA-Z_]\w*="[^"]*")*\})? [-+.\deE]+|\+Inf'
)


@pytest.mark.parametrize("path", PATHS)
def test_each_path_answers_get(relay: Address, path: str) -> None:
    assert http(relay, "GET", path).status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_each_path_answers_another_method_with_405(relay: Address, path: str, method: str) -> None:
    line = Line(relay)
    line.write(f"{method} {path} HTTP/1.1\r\nHost: relay.example\r\n\r\n".encode())
    assert line.read_until(b"\r\n").startswith(b"HTTP/1.1 405 ")
    line.close()


def test_the_metrics_are_prometheus_text(relay: Address) -> None:
    response = http(relay, "GET", "/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    samples = [line for line in response.body.splitlines() if line and not line.startswith("#")]
    assert samples
    assert [sample for sample in samples if not _SAMPLE.fullmatch(sample)] == []


def test_the_metrics_follow_the_work_and_name_no_user(relay: Address, order: Order) -> None:
    before = http(relay, "GET", "/metrics").body
    order.play("PLACED", "ACCEPTED")
    after = http(relay, "GET", "/metrics").body
    assert after != before
    for name in (order.client.user_id, order.serviceman.user_id, order.id):
        assert name not in after


def test_a_path_must_match_exactly(relay: Address) -> None:
    for path in ("/", "/healthz/", "/Healthz", "//healthz", "/order/", "/order/../healthz"):
        assert http(relay, "GET", path).status == 404
