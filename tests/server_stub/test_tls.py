"""A relay with a certificate, on both event loops, over the network."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server_stub import Server, Settings, serve
from server_stub.wire.connection import HANDSHAKE_TIMEOUT
from server_stub.wire.deadlines import SLOT
from server_stub.wire.listening import Capacity
from tests.certificates import CertificateFiles, issue, trusting
from tests.server_stub.support import CLIENT, SERVICEMAN, WHOLE_ORDER, joined

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return issue(tmp_path)


@pytest.fixture
def settings(tmp_path: Path, files: CertificateFiles) -> Settings:
    return Settings(
        port=0, database=f"sqlite:///{tmp_path}/orders.db", tls_cert=files.chain, tls_key=files.key
    )


@pytest.fixture
async def relay(settings: Settings) -> AsyncIterator[Server]:
    async with serve(settings) as relay:
        yield relay


@asynccontextmanager
async def opened(
    relay: Server, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection to a relay, or a TLS connection."""
    address = urlsplit(relay.uri)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """All that arrives until the relay closes; it may reset the connection."""
    data = bytearray()
    async with asyncio.timeout(30):
        try:
            while part := await reader.read(4096):
                data += part
        except ConnectionError:
            pass
    return bytes(data)


async def serial_number(relay: Server) -> str:
    """The serial number of the certificate that a new connection gets."""
    async with opened(relay, trusting()) as (_reader, writer):
        return writer.get_extra_info("peercert")["serialNumber"]


def let_time_pass(relay: Server) -> None:
    """Let the time in which a request must arrive pass for all connections."""
    loop = asyncio.get_running_loop()
    relay.timers.now = lambda: loop.time() + HANDSHAKE_TIMEOUT + SLOT


def write(file: str, text: str) -> None:
    Path(file).write_text(text)


async def test_a_whole_order_goes_over_tls(relay: Server) -> None:
    assert relay.uri.startswith("wss://127.0.0.1:")
    async with (
        joined(relay, CLIENT, tls=trusting()) as client,
        joined(relay, SERVICEMAN, tls=trusting()) as serviceman,
    ):
        for number, (user, status) in enumerate(WHOLE_ORDER, start=1):
            await (client if user is CLIENT else serviceman).send(f"m-{number}", status)
            for peer in (client, serviceman):
                (frame,) = await peer.statuses(1)
                assert frame["seq"] == number


async def test_a_long_replay_goes_over_tls(relay: Server) -> None:
    async with joined(relay, tls=trusting()) as client:
        for number in range(150):
            await client.send(f"m-{number}", order_id=f"o-{number}", message="x" * 4000)
        await client.statuses(150)
    async with joined(relay, tls=trusting(), query="&since=0") as client:
        assert [frame["seq"] for frame in await client.statuses(150)] == list(range(1, 151))


async def test_a_plain_response_ends_with_the_end_of_tls(relay: Server) -> None:
    async with opened(relay, trusting()) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: relay\r\n\r\n")
        answer = await read_all(reader)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\nok\n")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "a part of its hello"])
async def test_a_client_that_falls_silent_in_its_handshake_is_disconnected(
    relay: Server, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(relay) as (reader, writer):
        writer.write(sent)
        await serial_number(relay)  # that of the next client, so the relay has accepted the silent one
        let_time_pass(relay)
        assert await read_all(reader) == b""
    assert caplog.messages == []


async def test_a_client_that_falls_silent_after_its_handshake_is_disconnected(relay: Server) -> None:
    async with opened(relay, trusting()) as (reader, _writer):
        let_time_pass(relay)
        assert await read_all(reader) == b""


async def test_a_handshake_counts_as_a_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server_stub.server.capacity", lambda _limit: Capacity(1, 1))
    async with serve(settings) as relay, opened(relay), opened(relay) as (reader, _writer):
        assert await read_all(reader) == b""


async def test_a_shutdown_ends_handshakes(settings: Settings) -> None:
    async with serve(settings) as relay, opened(relay) as (reader, _writer):
        await serial_number(relay)
        async with asyncio.timeout(10):
            await relay.close()
        assert await read_all(reader) == b""


async def test_a_shutdown_closes_with_1001_over_tls(settings: Settings) -> None:
    async with serve(settings) as relay, joined(relay, tls=trusting()) as client:
        await relay.close()
        with pytest.raises(ConnectionClosed):
            await client.connection.recv()
        assert client.connection.close_code == 1001


async def test_plain_text_is_answered_in_plain_text(relay: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(InvalidStatus) as caught:
        await connect(relay.uri.replace("wss://", "ws://") + "?userId=c-1&type=client", proxy=None)
    assert caught.value.response.status_code == 400
    assert caught.value.response.body == b"this port speaks TLS; use wss:// or https://\n"
    assert "Traceback" not in caplog.text


async def test_tls_to_a_relay_without_a_certificate_fails_at_once(tmp_path: Path) -> None:
    async with serve(Settings(port=0, database=f"sqlite:///{tmp_path}/orders.db")) as relay:
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version|record.layer|too.long|http.request"):
            await connect(relay.uri.replace("ws://", "wss://"), proxy=None)


async def test_new_connections_get_the_certificate_that_was_reloaded_and_open_ones_stay(
    relay: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = await serial_number(relay)
    async with joined(relay, tls=trusting()) as client:
        issue(tmp_path)
        assert await serial_number(relay) == before
        relay.reload()
        assert await serial_number(relay) != before
        await client.send("m-1")
        await client.statuses(1)
    assert "reloaded the certificate and the keys, for new connections" in caplog.messages


async def test_a_handshake_that_has_begun_ends_with_the_certificate_that_it_began_with(
    relay: Server, tmp_path: Path
) -> None:
    address = urlsplit(relay.uri)
    async with opened(relay) as (reader, writer):
        await serial_number(relay)
        issue(tmp_path)
        relay.reload()
        await writer.start_tls(trusting(), server_hostname=address.hostname)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: relay\r\n\r\n")
        assert (await read_all(reader)).endswith(b"ok\n")


async def test_a_pair_that_does_not_fit_is_not_loaded(
    relay: Server, files: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    before = await serial_number(relay)
    write(files.key, "no key")
    relay.reload()
    (line,) = caplog.messages
    assert line.startswith("failed to reload, so the old certificate and keys stay in use: --tls-key ")
    assert await serial_number(relay) == before


@pytest.mark.parametrize("name", ["tls_cert", "tls_key"])
def test_a_certificate_and_its_key_are_given_together(name: str) -> None:
    with pytest.raises(ValueError, match="--tls-cert and --tls-key must be given together"):
        Settings.model_validate({name: "file.pem"})


async def test_the_log_says_who_may_connect(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serve(settings):
        assert caplog.messages == [
            "programs on this machine may connect, as any user, without a token, over TLS"
        ]


async def test_the_log_says_that_a_relay_is_insecure(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(settings.model_copy(update={"insecure": True, "host": "0.0.0.0"})):
        (line,) = caplog.messages
        assert line.startswith("--insecure is set: all that can reach this address may connect, as any user")
