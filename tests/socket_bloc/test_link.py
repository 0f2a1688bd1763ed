"""One WebSocket to the relay: what is asked for, what is refused, and what each end of it means."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidMessage, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from socket_bloc.link import Token, ask_token, check_uri, loss_of, open_channel
from socket_bloc.session.disconnect import Closed, HttpRefused, Loss, Unreachable, Untrusted

# Made for these tests alone: signed by itself, for 127.0.0.1 and no other name, until the year 2120.
KEY_AND_CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4OcaR9olHGGkHwqe
hv4jWly1nku2/vyivnIAaV5G0FWhRANCAARnBNCWKnuABGR974oYMzWBoudzLG6N
O/iUTdJ5q2AirX3IymYqWjmsbSm/VmUhXxpiZjGCAwU1f/xVZLFMFOZC
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBuDCCAV2gAwIBAgIUJcTs2C+j5mM1KSBD/KsNyXozXbYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx
MDAwMDAwWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARnBNCWKnuABGR974oYMzWBoudzLG6NO/iUTdJ5q2AirX3IymYqWjms
bSm/VmUhXxpiZjGCAwU1f/xVZLFMFOZCo4GKMIGHMA8GA1UdEwEB/wQFMAMBAf8w
DgYDVR0PAQH/BAQDAgKEMBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBT3
PIBNqX18pNwvzIMojnkrA8pMKTAfBgNVHSMEGDAWgBT3PIBNqX18pNwvzIMojnkr
A8pMKTAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYCIQCR99gi1PVi
ouc250G4eMrVUsIRhpAmrSy5nQMEvRPIQAIhAMXpwbZ6IrrIiTa/rPpmycv92QRI
LEGVvMNmm/pQOTHl
-----END CERTIFICATE-----
"""

QUERY = {"userId": "c-17", "type": "client"}


# The URI


@pytest.mark.parametrize(
    "uri",
    ["ws://127.0.0.1:8765/order", "wss://relay.example/order", "ws://[::1]:8765", "WSS://relay.example"],
)
def test_the_uri_of_a_relay_is_given_back(uri: str) -> None:
    assert check_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "relay.example/order",
        "http://relay.example/order",
        "ws:///order",
        "ws://relay.example/order#top",
        "ws://relay.example/order?userId=c-18",
        "ws://relay.example/order?",
        "ws://user:password@relay.example/order",
        "ws://user@relay.example/order",
        "ws://relay.example:port/order",
        "ws://relay.example:99999/order",
        "ws://[::1/order",
        "ws://relay.example/my order",
    ],
)
def test_what_is_no_uri_of_a_relay_is_refused_by_name(uri: str) -> None:
    with pytest.raises(ValueError, match=r"^uri: "):
        check_uri(uri)


def test_a_refused_uri_is_not_repeated_with_its_password() -> None:
    with pytest.raises(ValueError, match="uri") as caught:
        check_uri("https://user:password@relay.example/order")
    assert "password" not in str(caught.value)


# The token


async def asked() -> str:
    return "abc.def"


@pytest.mark.parametrize("token", ["abc.def", lambda: "abc.def", asked], ids=["string", "function", "async"])
async def test_a_token_is_a_string_or_comes_from_a_function(token: Token) -> None:
    assert await ask_token(token) == "abc.def"


async def test_there_may_be_no_token() -> None:
    assert await ask_token(None) is None


async def test_a_function_is_asked_for_the_token_each_time() -> None:
    tokens = iter(["first", "second"])
    assert [await ask_token(lambda: next(tokens)) for _ in range(2)] == ["first", "second"]


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: b", "a\n", "a\0", "caf\xe9", "\u2028", " a"])
async def test_a_token_that_would_break_a_header_is_refused_and_not_repeated(token: str) -> None:
    for source in (token, lambda: token):
        with pytest.raises(ValueError, match=r"^token: it must be printable ASCII without spaces$"):
            await ask_token(source)


@pytest.mark.parametrize("token", [b"abc", 5])
async def test_what_is_no_string_is_no_token(token: object) -> None:
    with pytest.raises(ValueError, match=r"^token: "):
        await ask_token(lambda: token)  # type: ignore[arg-type, return-value]


async def test_what_the_token_function_raises_is_raised() -> None:
    async def fails() -> str:
        raise LookupError("no keys")

    with pytest.raises(LookupError, match="no keys"):
        await ask_token(fails)


# What an exception means


def refusal(status: int, body: bytes = b"", phrase: str = "", **headers: str) -> InvalidStatus:
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return InvalidStatus(Response(status, phrase, fields, body))


@pytest.mark.parametrize(
    ("error", "loss"),
    [
        (ConnectionClosedOK(Close(1000, ""), Close(1000, ""), True), Closed(1000)),
        (ConnectionClosedError(Close(4500, "no such user"), None), Closed(4500, "no such user")),
        (ConnectionClosedError(Close(4001, "a\x1b[31m\r\nb"), None), Closed(4001, "a [31m  b")),
        (ConnectionClosedError(None, None), Closed(1006, "without a word")),
        (ConnectionClosedError(None, Close(1011, "ping timeout")), Closed(1006, "without a word")),
        (refusal(403, b"not you\nnor your friends\n", "Forbidden"), HttpRefused(403, "not you")),
        (refusal(403, b"", "Forbidden"), HttpRefused(403, "Forbidden")),
        (refusal(400, b"\xff\x07" + b"x" * 500, "Bad"), HttpRefused(400, "\ufffd " + "x" * 198)),
        (refusal(503, b"full", Retry_After="7"), HttpRefused(503, "full", 7.0)),
        (TimeoutError("timed out during opening handshake"), Unreachable("no answer within 10 s")),
        (ConnectionRefusedError(111, "Connect call failed"), Unreachable("[Errno 111] Connect call failed")),
        (InvalidMessage("did not receive a valid HTTP response"),
         Unreachable("did not receive a valid HTTP response")),
        (EOFError(), Unreachable("EOFError")),
        (OSError("a\r\nb"), Unreachable("a  b")),
    ],
)  # fmt: skip
def test_each_exception_is_a_loss_of_its_kind(error: Exception, loss: Loss) -> None:
    assert loss_of(error) == loss


def retry_after(value: str) -> float:
    loss = loss_of(refusal(503, b"full", Retry_After=value))
    assert isinstance(loss, HttpRefused)
    return loss.retry_after


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0), ("120", 120), ("", 0), ("soon", 0), ("-5", 0), ("1.5", 0)]
)
def test_retry_after_is_in_seconds(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    assert 3590 < retry_after(format_datetime(soon, usegmt=True)) <= 3600
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert retry_after("Sun, 06 Nov 2094 08:49:37 -0000") == 0  # of no zone


@pytest.mark.parametrize(
    "value", ["9" * 20, "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["20 nines", "400 nines", "date"]
)
def test_a_retry_after_beyond_the_calendar_is_still_a_time_to_wait(value: str) -> None:
    assert datetime.now(UTC) + timedelta(seconds=retry_after(value) + 30) > datetime.now(UTC)


# Against a real server


class Server:
    """A WebSocket server on loopback that notes each request, and may answer with an HTTP response."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.port = 0
        self.answer: Callable[[ServerConnection], Response] | None = None

    def uri(self, scheme: str = "ws", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}/order"

    def process(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return self.answer(connection) if self.answer else None

    def refuse(self, status: int, text: str, **headers: str) -> None:
        def answer(connection: ServerConnection) -> Response:
            response = connection.respond(status, text)
            response.headers.update(headers)
            return response

        self.answer = answer


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    server = Server()

    async def handle(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(
        handle,
        "127.0.0.1",
        0,
        ssl=tls,
        subprotocols=[Subprotocol("order-status.v1")],
        process_request=server.process,
    ) as listening:
        server.port = next(iter(listening.sockets)).getsockname()[1]
        yield server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with running() as server:
        yield server


async def loss_from(opening: Awaitable[object]) -> Loss:
    """What it means that the connection could not be opened."""
    try:
        await opening
    except Exception as error:
        return loss_of(error)
    pytest.fail("nothing was raised")


async def test_a_connection_asks_with_its_query_its_subprotocol_and_its_token(server: Server) -> None:
    query = {"userId": "c 17&ü", "type": "client", "since": "17", "epoch": "5f0c"}
    channel = await open_channel(server.uri(), query, "abc.def")
    (request,) = server.requests
    assert request.path == "/order?userId=c+17%26%C3%BC&type=client&since=17&epoch=5f0c"
    assert request.headers["Authorization"] == "Bearer abc.def"
    assert request.headers["Sec-WebSocket-Protocol"] == "order-status.v1"
    assert "Sec-WebSocket-Extensions" not in request.headers
    assert channel.subprotocol == "order-status.v1"
    await channel.close()


async def test_without_a_token_no_authorization_is_sent(server: Server) -> None:
    channel = await open_channel(server.uri(), QUERY, None)
    assert "Authorization" not in server.requests[0].headers
    await channel.close()


async def test_the_end_of_a_connection_is_known_by_its_code(server: Server) -> None:
    channel = await open_channel(server.uri(), QUERY, None)
    await channel.close(4400, "enough")
    assert await loss_from(channel.recv()) == Closed(4400, "enough")


async def test_a_connection_that_is_silent_is_noticed_in_35_s(server: Server) -> None:
    channel = await open_channel(server.uri(), QUERY, None)
    assert (channel.ping_interval, channel.ping_timeout, channel.close_timeout) == (20, 15, 0.5)
    await channel.close()


async def test_neither_the_token_nor_a_frame_reaches_a_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "websockets.server")
    channel = await open_channel(server.uri(), QUERY, "my.secret")
    await channel.send("my secret")
    await channel.close()
    assert channel.logger.name == "socket_bloc.websocket"
    assert "secret" not in caplog.text


async def test_a_refusal_is_told_by_the_first_line_of_its_body(server: Server) -> None:
    server.refuse(503, "we are full\ntry later\n", **{"Retry-After": "7"})
    assert await loss_from(open_channel(server.uri(), QUERY, None)) == HttpRefused(503, "we are full", 7.0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(server: Server, status: int) -> None:
    server.refuse(status, "over there", Location=server.uri())
    assert await loss_from(open_channel(server.uri(), QUERY, "abc.def")) == HttpRefused(status, "over there")
    assert len(server.requests) == 1


async def test_where_nobody_listens_nobody_is_reached() -> None:
    async with running() as gone:
        pass
    assert isinstance(await loss_from(open_channel(gone.uri(), QUERY, None)), Unreachable)


async def test_one_who_never_answers_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket_bloc.link.OPEN_TIMEOUT", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"ws://127.0.0.1:{silent.getsockname()[1]}/order"
        loss = await loss_from(open_channel(uri, QUERY, None))
    assert loss == Unreachable("no answer within 0 s")


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pem"
    path.write_text(KEY_AND_CERTIFICATE)
    return path


@pytest.fixture
async def tls_server(certificate: Path) -> AsyncIterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with running(context) as server:
        yield server


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tls_server: Server) -> None:
    loss = await loss_from(open_channel(tls_server.uri("wss"), QUERY, "abc.def"))
    assert isinstance(loss, Untrusted)
    assert "signed" in loss.reason
    assert tls_server.requests == []


async def test_a_certificate_of_another_name_is_not_trusted(
    tls_server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    loss = await loss_from(open_channel(tls_server.uri("wss", "localhost"), QUERY, "abc.def"))
    assert isinstance(loss, Untrusted)
    assert "localhost" in loss.reason
    assert tls_server.requests == []


async def test_a_certificate_that_is_known_here_is_trusted(
    tls_server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    channel = await open_channel(tls_server.uri("wss"), QUERY, None)
    await channel.close()
    assert len(tls_server.requests) == 1


# A proxy


@pytest.fixture
async def asked_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[bytes]]:
    """The request lines that reached the proxy of the environment, which refuses them all."""
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY", "WSS_PROXY"):
            for spelling in (name, name.lower()):
                monkeypatch.setenv(spelling, f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SOCKS_PROXY", "socks_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield asked


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
async def test_to_loopback_no_proxy_is_asked(asked_of_the_proxy: list[bytes], host: str) -> None:
    async with running() as gone:
        pass
    assert isinstance(await loss_from(open_channel(gone.uri(host=host), QUERY, None)), Unreachable)
    assert asked_of_the_proxy == []


@pytest.mark.parametrize("host", ["relay.example", "192.0.2.1"])
async def test_to_anywhere_else_the_proxy_of_the_environment_is_asked(
    asked_of_the_proxy: list[bytes], host: str
) -> None:
    loss = await loss_from(open_channel(f"ws://{host}:8765/order", QUERY, None))
    assert isinstance(loss, Unreachable)
    assert asked_of_the_proxy == [f"CONNECT {host}:8765 HTTP/1.1".encode()]
