"""The handshake table: each row, and which of two rows decides if a request violates both."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from tests.blackbox.client import target
from tests.blackbox.conftest import Connect, StartRelay, until
from tests.blackbox.wire import (
    SUBPROTOCOL,
    Address,
    HandshakeRefusedError,
    Line,
    Response,
    WebSocket,
    handshake_headers,
    http,
)
from tests.blackbox.words import fresh

ORIGIN = "https://app.example"


@dataclass(frozen=True)
class Request:
    """A valid handshake; a fault is a function that makes it invalid."""

    method: str = "GET"
    path: str = "/order"
    query: str = "userId=c-1&type=client"
    headers: dict[str, str | None] = field(default_factory=dict)
    version: str = "HTTP/1.1"

    def having(self, **headers: str | None) -> Request:
        return replace(self, headers={**self.headers, **headers})

    def made(self, address: Address) -> Response:
        headers = handshake_headers(**self.headers)
        return http(address, self.method, f"{self.path}?{self.query}", headers, version=self.version)


Fault = Callable[[Request], Request]

FAULTS: dict[str, tuple[int, Fault, set[int]]] = {
    # name: the row of the table, how to break it, the statuses that may answer it
    "another path": (1, lambda request: replace(request, path="/orders"), {404}),
    "not GET": (2, lambda request: replace(request, method="DELETE"), {405}),
    "no handshake": (3, lambda request: request.having(upgrade=None, connection=None), {426}),
    "a key that is none": (3, lambda request: request.having(sec_websocket_key="short"), {400}),
    "no key": (3, lambda request: request.having(sec_websocket_key=None), {400}),
    "another version of WebSocket": (
        3,
        lambda request: request.having(sec_websocket_version="8"),
        {400, 426},
    ),
    "HTTP/1.0": (3, lambda request: replace(request, version="HTTP/1.0"), {505}),
    "a foreign origin": (5, lambda request: request.having(origin="https://evil.example"), {403}),
    "a query without userId": (6, lambda request: replace(request, query="type=client"), {400}),
    "a query with a token": (6, lambda request: replace(request, query=f"{request.query}&token=t"), {400}),
    "a foreign subprotocol": (
        7,
        lambda request: request.having(sec_websocket_protocol="order-status.v9"),
        {400},
    ),
}
PAIRS = [
    (upper, lower)
    for upper, lower in itertools.combinations(FAULTS, 2)
    if FAULTS[upper][0] < FAULTS[lower][0]
]


def test_a_valid_handshake_is_answered_with_our_subprotocol_and_no_extension(relay: Address) -> None:
    response = Request().made(relay)
    assert response.status == 101
    assert response.headers["sec-websocket-protocol"] == SUBPROTOCOL
    assert "sec-websocket-extensions" not in response.headers


def test_an_offered_compression_is_not_negotiated(relay: Address) -> None:
    response = (
        Request().having(sec_websocket_extensions="permessage-deflate; client_max_window_bits").made(relay)
    )
    assert response.status == 101
    assert "sec-websocket-extensions" not in response.headers


def test_the_accept_header_is_that_of_the_rfc(relay: Address) -> None:
    response = Request().having(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==").made(relay)
    assert response.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("name", FAULTS)
def test_each_invalid_handshake_has_its_answer(relay: Address, name: str) -> None:
    _, fault, statuses = FAULTS[name]
    assert fault(Request()).made(relay).status in statuses


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
def test_of_two_faults_the_upper_row_decides_the_answer(relay: Address, upper: str, lower: str) -> None:
    (_, upper_fault, _), (_, lower_fault, _) = FAULTS[upper], FAULTS[lower]
    alone = upper_fault(Request()).made(relay)
    both = upper_fault(lower_fault(Request())).made(relay)
    assert (both.status, both.body) == (alone.status, alone.body)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
def test_any_other_method_than_get_is_405(relay: Address, method: str) -> None:
    line = Line(relay)
    line.write(f"{method} /order HTTP/1.1\r\nHost: relay.example\r\n\r\n".encode())
    start = line.read_until(b"\r\n")
    line.close()
    assert start.startswith(b"HTTP/1.1 405 ")


def test_a_request_with_a_body_is_rejected(relay: Address) -> None:
    line = Line(relay)
    line.write(b"POST /order HTTP/1.1\r\nHost: relay.example\r\nContent-Length: 4\r\n\r\nbody")
    answer = line.read_to_end()
    line.close()
    assert answer == b"" or answer.split(b" ")[1] in (b"405", b"400")


def test_a_target_that_is_too_large_is_414_or_431(relay: Address) -> None:
    assert Request(query="userId=c-1&type=client&" + "x" * 20_000).made(relay).status in (414, 431)


def test_a_header_that_is_too_large_is_431(relay: Address) -> None:
    assert Request().having(x_large="x" * 20_000).made(relay).status == 431


def test_too_many_headers_are_431(relay: Address) -> None:
    many = {f"x_many_{number}": "1" for number in range(300)}
    assert Request().having(**many).made(relay).status == 431


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"hello\r\n\r\n"])
def test_bytes_that_are_not_http_are_rejected_and_the_relay_keeps_running(
    relay: Address, noise: bytes
) -> None:
    line = Line(relay)
    line.write(noise)
    answer = line.read_to_end()
    line.close()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert http(relay, "GET", "/healthz").status == 200


def test_an_origin_must_be_exactly_one_of_those_allowed(start_relay: StartRelay) -> None:
    address = start_relay(allowed_origins=f"{ORIGIN},https://staff.example:8443").address
    for origin in (ORIGIN, "https://staff.example:8443"):
        assert Request().having(origin=origin).made(address).status == 101
    for origin in (
        "null",
        "http://app.example",
        f"{ORIGIN}/",
        f"{ORIGIN}.evil.example",
        "https://staff.example",
        "",
    ):
        assert Request().having(origin=origin).made(address).status == 403, origin


def test_an_absent_origin_passes(relay: Address) -> None:
    assert Request().having(origin=None).made(relay).status == 101


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("type=client", id="no userId"),
        pytest.param("userId=&type=client", id="an empty userId"),
        pytest.param(f"userId={'u' * 129}&type=client", id="a userId of 129 characters"),
        pytest.param("userId=c%001&type=client", id="a NUL in the userId"),
        pytest.param("userId=c%0a1&type=client", id="a line feed in the userId"),
        pytest.param("userId=c%7F&type=client", id="a DEL in the userId"),
        pytest.param("userId=c%C2%85&type=client", id="a C1 control character in the userId"),
        pytest.param("userId=c%FF&type=client", id="a userId that is not UTF-8"),
        pytest.param("userId=c%ED%A0%80&type=client", id="a surrogate in the userId"),
        pytest.param("userId=c-1&type=client&x=%FF", id="another parameter that is not UTF-8"),
        pytest.param("userId=c-1&type=client&x=\xff", id="a bare byte that is not UTF-8"),
        pytest.param("userId=c-1", id="no type"),
        pytest.param("userId=c-1&type=", id="an empty type"),
        pytest.param("userId=c-1&type=Client", id="a type in capitals"),
        pytest.param("userId=c-1&type=admin", id="another type"),
        pytest.param("userId=c-1&userId=c-1&type=client", id="userId twice"),
        pytest.param("userId=c-1&%75serId=c-2&type=client", id="userId twice, once escaped"),
        pytest.param("userId=c-1&type=client&type=client", id="type twice"),
        pytest.param("userId=c-1&type=client&since=0&since=0", id="since twice"),
        pytest.param("userId=c-1&type=client&x=1&x=2", id="an unknown parameter twice"),
        pytest.param("userId=c-1&type=client&x=&x=", id="an unknown empty parameter twice"),
        pytest.param("userId=c-1&type=client&token=t", id="a token"),
        pytest.param("userId=c-1&type=client&token=", id="an empty token"),
        pytest.param("userId=c-1&type=client&token", id="a token without a value"),
        *(
            pytest.param(f"userId=c-1&type=client&since={since}", id=f"since={since}")
            for since in [
                "",
                "-1",
                "+1",
                "%2B1",
                "1.0",
                "1e3",
                "abc",
                "0x1",
                "%201",
                "1_0",
                "%D9%A1",
                "1" * 20,
            ]
        ),
    ],
)
def test_an_invalid_query_is_400_with_a_one_line_reason(relay: Address, query: str) -> None:
    response = Request(query=query).made(relay)
    assert response.status == 400
    reason = response.body.removesuffix("\n")
    assert reason
    assert "\n" not in reason


def test_the_reason_names_the_invalid_parameter(relay: Address) -> None:
    assert "userId" in Request(query="type=client").made(relay).body
    assert "type" in Request(query="userId=c-1&type=admin").made(relay).body
    assert "since" in Request(query="userId=c-1&type=client&since=x").made(relay).body
    assert "token" in Request(query="userId=c-1&type=client&token=t").made(relay).body


@pytest.mark.parametrize(
    "user_id", ["u" * 128, "😀" * 128, "a b", "a+b", "a&b=c", "مرحبا", "e\u0301", "\u202e", " "]
)
def test_a_user_id_is_any_text_up_to_128_characters(connect: Connect, user_id: str) -> None:
    assert connect("client", user_id).welcome["userId"] == user_id


def test_a_plus_in_the_query_is_a_space(relay: Address) -> None:
    socket = WebSocket(relay, "/order?userId=c+1&type=client")
    assert '"userId":"c 1"' in socket.receive_text()
    socket.close()


def test_an_unknown_parameter_is_ignored(relay: Address) -> None:
    assert Request(query="userId=c-1&type=client&x=1&y=").made(relay).status == 101


def test_a_since_of_19_digits_is_read(connect: Connect) -> None:
    welcome = connect("client", since=int("9" * 19), epoch="0").welcome
    assert (welcome["after"], welcome["resumed"]) == (0, False)


def test_offering_no_subprotocol_is_accepted(relay: Address) -> None:
    response = Request().having(sec_websocket_protocol=None).made(relay)
    assert response.status == 101
    assert "sec-websocket-protocol" not in response.headers


def test_ours_is_selected_from_several_subprotocols(relay: Address) -> None:
    response = Request().having(sec_websocket_protocol=f"chat, {SUBPROTOCOL}, soap").made(relay)
    assert response.headers["sec-websocket-protocol"] == SUBPROTOCOL


def test_one_connection_over_the_limit_is_503_until_another_closes(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay(max_connections=2)
    first, _ = connect("client", to=relay.address), connect("client", to=relay.address)
    response = Request().made(relay.address)
    assert response.status == 503
    assert int(response.headers["retry-after"]) > 0
    first.close()
    assert until(lambda: Request().made(relay.address).status == 101)


def test_the_connection_limit_is_checked_after_the_http_rows_and_before_the_others(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay(max_connections=1)
    connect("client", to=relay.address)
    for name, (row, fault, statuses) in FAULTS.items():
        assert fault(Request()).made(relay.address).status in (statuses if row < 4 else {503}), name


def test_health_is_answered_even_if_the_relay_is_full(start_relay: StartRelay, connect: Connect) -> None:
    relay = start_relay(max_connections=1)
    connect("client", to=relay.address)
    assert http(relay.address, "GET", "/healthz").status == 200
    assert http(relay.address, "GET", "/readyz").status == 200


def test_a_rejected_handshake_ends_its_connection(relay: Address) -> None:
    line = Line(relay)
    line.write(b"GET /nowhere HTTP/1.1\r\nHost: relay.example\r\n\r\n")
    assert line.read_to_end().startswith(b"HTTP/1.1 404 ")
    line.close()


def test_a_rejected_user_can_reconnect_correctly_at_once(relay: Address, connect: Connect) -> None:
    user_id = fresh("c")
    with pytest.raises(HandshakeRefusedError):
        WebSocket(relay, target(userId=user_id, type="client", since="x"))
    assert connect("client", user_id).welcome["userId"] == user_id
