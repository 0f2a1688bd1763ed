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
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from server_stub import Settings
from server_stub import serve as serve_relay
from socket_bloc.link import classify, open_channel
from socket_bloc.session.disconnect import (
    Closed,
    Disconnect,
    HttpRefused,
    InvalidCertificate,
    NotTls,
    Unreachable,
)
from tests.certificates import AUTHORITY, CertificateFiles, days_from_now, issue, trusting

QUERY = {"userId": "c-17", "type": "client"}


class Server:
    """A WebSocket server on loopback that records each request, and may refuse it with an HTTP response."""

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


async def disconnect_from(opening: Awaitable[object]) -> Disconnect:
    """Await what fails, and classify its exception."""
    try:
        await opening
    except Exception as error:
        return classify(error)
    pytest.fail("nothing was raised")


async def test_the_handshake_has_the_query_the_subprotocol_and_the_token(server: Server) -> None:
    query = {"userId": "c 17&ü", "type": "client", "since": "17", "epoch": "5f0c"}
    channel = await open_channel(server.uri(), query, "abc.def")
    (request,) = server.requests
    assert request.path == "/order?userId=c+17%26%C3%BC&type=client&since=17&epoch=5f0c"
    assert request.headers["Authorization"] == "Bearer abc.def"
    assert request.headers["Sec-WebSocket-Protocol"] == "order-status.v1"
    assert "Sec-WebSocket-Extensions" not in request.headers
    assert channel.subprotocol == "order-status.v1"
    await channel.close()


async def test_without_a_token_there_is_no_authorization_header(server: Server) -> None:
    channel = await open_channel(server.uri(), QUERY, None)
    assert "Authorization" not in server.requests[0].headers
    await channel.close()


async def test_a_closed_connection_is_classified_by_its_close_code(server: Server) -> None:
    channel = await open_channel(server.uri(), QUERY, None)
    await channel.close(4400, "enough")
    assert await disconnect_from(channel.recv()) == Closed(4400, "enough")


async def test_a_dead_connection_is_detected_within_35_s(server: Server) -> None:
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


async def test_the_reason_of_a_refusal_is_the_first_line_of_its_body(server: Server) -> None:
    server.refuse(503, "we are full\ntry later\n", **{"Retry-After": "7"})
    assert await disconnect_from(open_channel(server.uri(), QUERY, None)) == HttpRefused(
        503, "we are full", 7.0
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(server: Server, status: int) -> None:
    server.refuse(status, "over there", Location=server.uri())
    assert await disconnect_from(open_channel(server.uri(), QUERY, "abc.def")) == HttpRefused(
        status, "over there"
    )
    assert len(server.requests) == 1


async def test_a_port_without_a_listener_is_unreachable() -> None:
    async with running() as gone:
        pass
    assert isinstance(await disconnect_from(open_channel(gone.uri(), QUERY, None)), Unreachable)


async def test_a_handshake_without_an_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket_bloc.link.OPEN_TIMEOUT", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"ws://127.0.0.1:{silent.getsockname()[1]}/order"
        disconnect = await disconnect_from(open_channel(uri, QUERY, None))
    assert disconnect == Unreachable("no answer within 0 s")


# TLS


@asynccontextmanager
async def running_with(files: CertificateFiles) -> AsyncGenerator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    async with running(context) as server:
        yield server


@pytest.fixture
async def tls_server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_with(issue(tmp_path, "localhost")) as server:
        yield server


async def reason_of(server: Server, context: ssl.SSLContext | None, host: str = "localhost") -> str:
    """Why the certificate of a server is refused."""
    disconnect = await disconnect_from(open_channel(server.uri("wss", host), QUERY, "abc.def", context))
    assert isinstance(disconnect, InvalidCertificate)
    assert "certificate" in str(disconnect)
    assert server.requests == []
    return disconnect.reason


async def test_a_certificate_of_an_unknown_authority_is_refused(tls_server: Server) -> None:
    for context in (None, trusting(trustme.CA())):
        reason = await reason_of(tls_server, context)
        assert reason.startswith("unable to get local issuer certificate; ")
        assert "ssl=" in reason
        assert "--ca-file" in reason


async def test_a_certificate_that_is_signed_by_itself_is_refused(tmp_path: Path) -> None:
    authority = trustme.CA()
    files = issue(tmp_path, authority=authority)
    authority.cert_pem.write_to_path(files.chain)
    authority.private_key_pem.write_to_path(files.key)
    async with running_with(files) as server:
        assert (await reason_of(server, None)).startswith("self-signed certificate; ")


@pytest.mark.parametrize(
    ("issued_for", "host"),
    [("localhost", "127.0.0.1"), ("127.0.0.1", "localhost"), ("relay.example", "localhost")],
)
async def test_a_certificate_for_another_host_is_refused(tmp_path: Path, issued_for: str, host: str) -> None:
    async with running_with(issue(tmp_path, issued_for)) as server:
        reason = await reason_of(server, trusting(), host)
        assert host in reason
        assert reason.endswith("; use a host name that it is for")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [(-2, -1, "certificate has expired; renew it"), (1, 2, "certificate is not yet valid; check the clock")],
)
async def test_a_certificate_that_is_not_valid_now_is_refused(
    tmp_path: Path, before: int, after: int, message: str
) -> None:
    files = issue(tmp_path, not_before=days_from_now(before), not_after=days_from_now(after))
    async with running_with(files) as server:
        assert (await reason_of(server, trusting())).startswith(message)


async def test_a_certificate_that_the_context_trusts_is_accepted(tls_server: Server) -> None:
    channel = await open_channel(tls_server.uri("wss", "localhost"), QUERY, None, trusting())
    await channel.close()
    assert len(tls_server.requests) == 1


async def test_without_a_context_what_this_machine_trusts_is_accepted(
    tls_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorities = tmp_path / "authorities.pem"
    AUTHORITY.cert_pem.write_to_path(str(authorities))
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    channel = await open_channel(tls_server.uri("wss", "localhost"), QUERY, None)
    await channel.close()
    assert len(tls_server.requests) == 1


async def test_a_relay_that_does_not_speak_tls_is_recognised(tmp_path: Path) -> None:
    settings = Settings(port=0, database=f"sqlite:///{tmp_path}/orders.db")
    async with serve_relay(settings) as relay:
        uri = relay.uri.replace("ws://", "wss://")
        assert await disconnect_from(open_channel(uri, QUERY, None)) == NotTls()


async def test_a_relay_that_speaks_tls_only_says_so(tmp_path: Path) -> None:
    files = issue(tmp_path)
    settings = Settings(
        port=0, database=f"sqlite:///{tmp_path}/orders.db", tls_cert=files.chain, tls_key=files.key
    )
    async with serve_relay(settings) as relay:
        uri = relay.uri.replace("wss://", "ws://")
        assert await disconnect_from(open_channel(uri, QUERY, None)) == HttpRefused(
            400, "this port speaks TLS; use wss:// or https://"
        )


async def test_any_other_fault_of_tls_may_pass(tls_server: Server) -> None:
    context = trusting()
    context.set_alpn_protocols(["http/1.1"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")  # which no server with a certificate speaks
    disconnect = await disconnect_from(open_channel(tls_server.uri("wss", "localhost"), QUERY, None, context))
    assert isinstance(disconnect, Unreachable)
    assert disconnect.reason.startswith("TLS failed: ")


# A proxy


@pytest.fixture
async def proxy_requests(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[bytes]]:
    """The request lines that reach the proxy from the environment, which refuses them all."""
    request_lines: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request_lines.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY", "WSS_PROXY"):
            for spelling in (name, name.lower()):
                monkeypatch.setenv(spelling, f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SOCKS_PROXY", "socks_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield request_lines


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
async def test_loopback_bypasses_the_proxy(proxy_requests: list[bytes], host: str) -> None:
    async with running() as gone:
        pass
    assert isinstance(await disconnect_from(open_channel(gone.uri(host=host), QUERY, None)), Unreachable)
    assert proxy_requests == []


@pytest.mark.parametrize("host", ["relay.example", "192.0.2.1"])
async def test_any_other_host_is_reached_through_the_proxy_of_the_environment(
    proxy_requests: list[bytes], host: str
) -> None:
    disconnect = await disconnect_from(open_channel(f"ws://{host}:8765/order", QUERY, None))
    assert isinstance(disconnect, Unreachable)
    assert proxy_requests == [f"CONNECT {host}:8765 HTTP/1.1".encode()]
