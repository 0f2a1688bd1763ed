from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, SEND_EOF
from websockets.uri import parse_uri

from server_stub.wire.protocol import MAX_REQUEST, RelayProtocol, RequestReader, text_frame
from tests.server_stub.support import client_frame, handshake_request


def _read(*chunks: bytes) -> tuple[Request | Response | None, RelayProtocol]:
    protocol = RelayProtocol()
    reader = RequestReader(protocol)
    for chunk in chunks:
        answer = reader.read(chunk)
        if answer is not None:
            return answer, protocol
    return None, protocol


def _status(protocol: RelayProtocol) -> int:
    """The status of the response that the protocol is about to send, before it ends."""
    answer, end = protocol.data_to_send()
    assert end == SEND_EOF
    return int(answer.split(b" ")[1])


@given(st.data())
def test_a_request_is_read_however_it_is_split(data: st.DataObject) -> None:
    text = handshake_request("/order?userId=c-1")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1))))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    request, _protocol = _read(*chunks)
    assert isinstance(request, Request)
    assert request.path == "/order?userId=c-1"
    assert request.headers["Upgrade"] == "websocket"


@given(st.integers(0, 20))
def test_what_follows_a_request_does_not_reach_the_parser_of_frames(cut: int) -> None:
    ping = client_frame(0x9, b"early")
    text = handshake_request() + ping
    protocol = RelayProtocol()
    reader = RequestReader(protocol)
    for chunk in (text[: len(text) - cut], text[len(text) - cut :]):
        if reader.read(chunk) is not None:
            break
    assert protocol.data_to_send() == []
    assert ping.startswith(reader.rest)


def test_a_request_is_not_kept_once_it_is_answered() -> None:
    request, protocol = _read(handshake_request())
    assert isinstance(request, Request)
    kept = weakref.ref(request)
    protocol.send_response(protocol.accept(request))
    del request
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /order HTTP/2.0\r\n\r\n", 505),
        (b"GET /nowhere HTTP/2.0\r\n\r\n", 404),
        (b"POST /order HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"POST /nowhere HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 404),
        (b"GET /order HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /order HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /order HTTP/1.1\n\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        pytest.param(b"GET /order?" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414, id="target"),
        pytest.param(b"GET /order HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431, id="header"),
        pytest.param(b"GET /order HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, id="headers"),
    ],
)
def test_a_malformed_request_is_answered_too(head: bytes, status: int) -> None:
    answer, protocol = _read(head)
    assert answer is None
    assert _status(protocol) == status


@pytest.mark.parametrize("hello", [b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\r\n\r\n"])
def test_a_client_that_speaks_tls_is_told_at_once_that_this_port_does_not(hello: bytes) -> None:
    answer, _protocol = _read(hello)
    assert isinstance(answer, Response)
    assert answer.status_code == 400
    assert answer.body == b"this port does not speak TLS; use ws:// or http://\n"


def test_an_endless_request_is_too_large() -> None:
    line = b"X: " + b"x" * 1000 + b"\r\n"
    answer, _protocol = _read(b"GET /order HTTP/1.1\r\n", *[line] * (MAX_REQUEST // len(line) + 1))
    assert isinstance(answer, Response)
    assert answer.status_code == 431


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["order-status.v1"], "order-status.v1"),
        (["x", "order-status.v1"], "order-status.v1"),
        (["x"], None),
    ],
)
def test_our_subprotocol_is_selected_if_it_is_offered(offered: list[str], chosen: str | None) -> None:
    headers = {"Sec_WebSocket_Protocol": ", ".join(offered)} if offered else {}
    request, protocol = _read(handshake_request(**headers))
    assert isinstance(request, Request)
    response = protocol.accept(request)
    assert response.status_code == 101
    assert response.headers.get("Sec-WebSocket-Protocol") == chosen


def test_compression_is_not_offered() -> None:
    request, protocol = _read(handshake_request(Sec_WebSocket_Extensions="permessage-deflate"))
    assert isinstance(request, Request)
    assert "Sec-WebSocket-Extensions" not in protocol.accept(request).headers


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_a_client_reads_a_text_of_any_length(length: int) -> None:
    client = ClientProtocol(parse_uri("ws://relay/order"), state=OPEN)
    text = b"x" * length
    client.receive_data(text_frame(text))
    (frame,) = client.events_received()
    assert isinstance(frame, Frame)
    assert frame.data == text
    assert frame.fin


def _open() -> RelayProtocol:
    request, protocol = _read(handshake_request())
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    return protocol


def test_the_first_to_close_gives_the_close_code() -> None:
    ours = _open()
    ours.send_close(1001, "")
    ours.receive_data(client_frame(0x8, b"\x03\xe8"))
    assert (ours.closed_first, ours.first_close_code) == (True, 1001)

    theirs = _open()
    theirs.receive_data(client_frame(0x8, b"\x03\xe8"))
    assert (theirs.closed_first, theirs.first_close_code) == (False, 1000)

    empty = _open()
    empty.receive_data(client_frame(0x8, b""))
    assert (empty.closed_first, empty.first_close_code) == (False, 1005)

    neither = _open()
    neither.receive_eof()
    assert (neither.closed_first, neither.first_close_code) == (False, 1006)


def test_a_control_frame_fits_between_fragments_that_leave_no_byte_to_spare() -> None:
    protocol = _open()
    protocol.receive_data(client_frame(0x1, b"x" * 65536, fin=False))
    protocol.receive_data(client_frame(0x9, b"y" * 125))
    protocol.receive_data(client_frame(0x0, b""))
    assert len(protocol.events_received()) == 3
    assert protocol.state is OPEN


def test_a_frame_whose_header_claims_too_much_is_rejected() -> None:
    protocol = _open()
    protocol.receive_data(b"\x81\xff" + (2**62).to_bytes(8, "big"))
    assert protocol.first_close_code == 1009
