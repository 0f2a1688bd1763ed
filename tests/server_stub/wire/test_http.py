from __future__ import annotations

import pytest

from server_stub.wire.http import HttpError, check_target, plain_response, refuse_malformed, unavailable


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/order/", 404),
        ("GET", "/Order", 404),
        ("GET", "/%6frder", 404),
        ("GET", "//order", 404),
        ("GET", "http://relay/order", 404),
        ("POST", "/nowhere", 404),
        ("POST", "/order", 405),
        ("HEAD", "/healthz", 405),
        ("get", "/order", 405),
    ],
)
def test_the_path_is_checked_before_the_method(method: str, target: str, status: int) -> None:
    with pytest.raises(HttpError) as caught:
        check_target(method, target)
    assert caught.value.status == status
    assert (caught.value.headers.get("Allow") == "GET") == (status == 405)


@pytest.mark.parametrize("target", ["/order", "/order?userId=c", "/healthz", "/readyz?x", "/metrics"])
def test_the_path_is_what_precedes_the_query(target: str) -> None:
    assert check_target("GET", target) == target.partition("?")[0]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /order HTTP/1.1\r\n", 400),
        (b"GET /order HTTP/1.0\r\n", 505),
        (b"GET /order FTP/1.0\r\n", 400),
        (b"GET /order\r\n", 400),
        (b"hello", 400),
        (b"", 400),
    ],
)
def test_the_response_to_a_malformed_request_depends_on_its_first_line(head: bytes, status: int) -> None:
    assert refuse_malformed(head).status == status


def test_a_plain_response_is_complete_and_ends_the_connection() -> None:
    response = plain_response(unavailable("grüße").status, "grüße\n")
    assert response.headers["Content-Length"] == "8"
    assert response.headers["Connection"] == "close"
    assert response.serialize().startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert unavailable("soon").response.headers["Retry-After"] == "1"
