"""Opening one WebSocket to a server on loopback: the request, redirects, time limits, TLS and proxies."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from socket_bloc.link import loss_of, open_channel
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
