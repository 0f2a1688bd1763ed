from __future__ import annotations

import logging
import ssl
import weakref
from contextlib import suppress
from typing import Any, cast

import pytest
from websockets.http11 import Request

from server_stub.wire.connection import HANDSHAKE_TIMEOUT, Connection
from server_stub.wire.deadlines import SLOT, TimerWheel
from server_stub.wire.tls import load_certificate
from server_stub.wire.tls_transport import TlsTransport
from server_stub.wire.work import WorkQueue
from tests.certificates import issue, trusting
from tests.server_stub.support import Clock, FakeTransport, ManualLoop, client_frame, handshake_request

TEXT = 0x1
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return load_certificate(*issue(tmp_path_factory.mktemp("certificate")))


class Side:
    """The relay's side of one connection over TLS, and a client at its other end."""

    def __init__(self, context: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.clock = Clock()
        self.timers = TimerWheel(self.clock)
        self.loop = ManualLoop()
        self.work = WorkQueue(cast(Any, self.loop), self.clock)
        self.events: list[object] = []
        self.connection = Connection(self)
        self.tls = TlsTransport(self.connection, context)
        self.transport = FakeTransport()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.tls.connection_made(self.transport)

    # The owner, and the handler.

    def connected(self, connection: Connection) -> None:
        self.events.append("connected")

    def requested(self, connection: Connection, request: Request) -> None:
        connection.accept(connection.handshake(request), self)

    def disconnected(self, connection: Connection) -> None:
        self.events.append("disconnected")

    def opened(self) -> None:
        self.events.append("opened")

    def received(self, text: str) -> None:
        self.events.append(text)

    def received_other(self) -> None: ...

    def drained(self) -> None:
        self.events.append("drained")

    def lost(self, close_code: int) -> None:
        self.events.append(close_code)

    # The client.

    def shake_hands(self) -> None:
        """Complete the handshake."""
        for _ in range(3):
            with suppress(ssl.SSLWantReadError):
                self.client.do_handshake()
            self.pump()

    def open(self) -> None:
        """Open the WebSocket."""
        self.shake_hands()
        self.send(handshake_request())
        assert self.read().startswith(b"HTTP/1.1 101 ")

    def send(self, data: bytes) -> None:
        """Encrypt and transmit."""
        while data:
            data = data[self.client.write(data) :]
        self.pump()

    def pump(self) -> None:
        """Pass on what the client has encrypted, and what it gets."""
        if self.outgoing.pending:
            self.tls.data_received(self.outgoing.read())
            self.loop.run()
        self.incoming.write(self.transport.take())

    def read(self) -> bytes:
        """Decrypt all that has arrived; b"" if the relay has closed its side."""
        self.incoming.write(self.transport.take())
        data = bytearray()
        with suppress(ssl.SSLWantReadError):
            while part := self.client.read(16_384):
                data += part
        return bytes(data)


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def side(request: pytest.FixtureRequest, context: ssl.SSLContext) -> Side:
    client = trusting()
    client.maximum_version = request.param
    return Side(context, client)


def test_a_client_is_connected_before_it_has_sent_anything(side: Side) -> None:
    assert side.events == ["connected"]


def test_a_client_that_does_not_finish_its_handshake_is_disconnected(side: Side) -> None:
    with suppress(ssl.SSLWantReadError):
        side.client.do_handshake()
    side.pump()
    assert side.transport.take() == b""
    side.clock.seconds += HANDSHAKE_TIMEOUT + SLOT
    side.timers.advance()
    assert side.transport.is_aborted


def test_texts_go_both_ways(side: Side) -> None:
    side.open()
    side.send(client_frame(TEXT, b"placed"))
    assert side.events == ["connected", "opened", "placed"]
    side.connection.send(b"committed")
    assert side.read() == b"\x81\x09committed"


def test_what_is_longer_than_a_record_goes_both_ways(side: Side) -> None:
    side.open()
    text = "x" * 60_000
    side.send(client_frame(TEXT, text.encode()))
    assert side.events[-1] == text
    side.connection.send(text.encode())
    assert side.read().endswith(text.encode())


def test_records_may_arrive_byte_by_byte(side: Side) -> None:
    side.open()
    side.client.write(client_frame(TEXT, b"placed"))
    for byte in side.outgoing.read():
        side.tls.data_received(bytes([byte]))
    assert side.events[-1] == "placed"


def test_several_records_may_arrive_at_once(side: Side) -> None:
    side.open()
    side.client.write(client_frame(TEXT, b"1"))
    side.client.write(client_frame(TEXT, b"2"))
    side.pump()
    assert side.events[-2:] == ["1", "2"]


def test_a_request_may_arrive_with_the_end_of_the_handshake(context: ssl.SSLContext) -> None:
    side = Side(context, trusting())
    with suppress(ssl.SSLWantReadError):
        side.client.do_handshake()
    side.pump()
    side.client.do_handshake()
    side.send(handshake_request())
    assert side.events[-1] == "opened"


def test_flow_control_is_that_of_the_tcp_transport(side: Side) -> None:
    side.open()
    side.transport.waiting = 7
    assert side.tls.get_write_buffer_size() == 7
    side.tls.pause_writing()
    assert not side.connection.is_writable
    assert not side.transport.is_reading_now
    side.tls.resume_writing()
    assert side.transport.is_reading_now
    assert side.events[-1] == "drained"


def test_the_client_closes(side: Side) -> None:
    side.open()
    with suppress(ssl.SSLWantReadError):
        side.client.unwrap()
    side.pump()
    assert side.transport.has_written_eof
    assert side.transport.is_closed
    side.tls.connection_lost(None)
    assert side.events[-2:] == [1006, "disconnected"]


def test_the_client_closes_tcp_alone(side: Side) -> None:
    side.open()
    side.tls.eof_received()
    assert side.transport.has_written_eof


def test_the_relay_closes_first_and_still_reads(side: Side) -> None:
    side.open()
    side.tls.write_eof()
    assert side.transport.has_written_eof
    assert side.read() == b""
    side.send(client_frame(TEXT, b"late"))
    assert side.events[-1] == "late"
    side.transport.has_written_eof = False  # the connection does not know of this one
    side.client.unwrap()
    side.pump()
    assert side.transport.is_closed


def test_a_client_may_leave_in_its_handshake_without_a_line_in_the_log(
    side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with suppress(ssl.SSLWantReadError):
        side.client.do_handshake()
    side.pump()
    side.tls.eof_received()
    side.tls.connection_lost(None)
    assert side.events == ["connected", "disconnected"]
    assert caplog.messages == []


@pytest.mark.parametrize(
    "text", [handshake_request(), b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-client\r\n", b"\x80\x2e\x01", b"P"]
)
def test_what_is_not_tls_is_answered_in_plain_text(
    side: Side, caplog: pytest.LogCaptureFixture, text: bytes
) -> None:
    caplog.set_level(logging.INFO)
    side.tls.data_received(text)
    head, _, body = side.transport.take().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b"this port speaks TLS; use wss:// or https://\n"
    assert side.transport.has_written_eof
    assert len(caplog.messages) == 1
    side.tls.data_received(text)
    assert side.transport.take() == b""
    assert side.events == ["connected"]
    side.clock.seconds += HANDSHAKE_TIMEOUT + SLOT
    side.timers.advance()
    assert side.transport.is_aborted


@pytest.mark.parametrize(
    "hello",
    [b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"x" * 100],
    ids=["nonsense", "too long"],
)
def test_a_handshake_that_makes_no_sense_is_closed_with_one_line(
    side: Side, caplog: pytest.LogCaptureFixture, hello: bytes
) -> None:
    caplog.set_level(logging.INFO)
    side.tls.data_received(hello)
    assert side.transport.take()[0] == 0x15  # an alert
    assert side.transport.is_closed
    (line,) = caplog.messages
    assert line.startswith("closed an unknown address: TLS failed, ")
    side.tls.data_received(hello)
    assert side.transport.take() == b""


def test_an_old_version_of_tls_is_refused(context: ssl.SSLContext, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client = trusting()
    client.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    side = Side(context, client)
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        side.shake_hands()
    assert caplog.messages == ["closed an unknown address: TLS failed, unsupported protocol"]


def test_a_client_that_does_not_trust_the_certificate_is_closed_with_one_line(
    context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    side = Side(context, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with pytest.raises(ssl.SSLCertVerificationError):
        side.shake_hands()
    side.pump()
    assert side.transport.is_closed
    assert caplog.messages == ["closed an unknown address: TLS failed, tlsv1 alert unknown ca"]


def test_a_forged_record_ends_the_connection(side: Side, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    side.open()
    side.client.write(client_frame(TEXT, b"placed"))
    record = bytearray(side.outgoing.read())
    record[-1] ^= 1
    side.tls.data_received(bytes(record))
    assert "placed" not in side.events
    assert side.transport.is_closed
    assert len(caplog.messages) == 1
    side.transport.take()
    side.connection.send(b"committed")
    assert side.transport.take() == b""
    assert len(caplog.messages) == 1


def test_what_cannot_be_encrypted_ends_the_connection(side: Side) -> None:
    side.open()
    side.tls.write_eof()
    side.transport.take()
    side.tls.write(b"more")
    assert side.transport.take() == b""
    assert side.transport.is_closed


def test_what_is_written_to_a_closed_connection_is_dropped(side: Side) -> None:
    side.open()
    side.tls.connection_lost(None)
    side.tls.write(b"late")
    assert side.transport.take() == b""


def test_a_closed_connection_frees_its_tls_at_once(context: ssl.SSLContext) -> None:
    side = Side(context, trusting())
    side.open()
    encryption = weakref.ref(side.tls._tls)
    side.tls.connection_lost(None)
    assert encryption() is None
