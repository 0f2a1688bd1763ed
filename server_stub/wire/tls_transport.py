"""TLS between the TCP transport of a client and its connection. The certificate is read in `tls`.

The event loop offers this too, but makes a connection only when the handshake is complete: clients that are
silent until then are not counted, meet no deadline of ours, and are left behind at a shutdown. Here a
connection is made at once, its first deadline includes the handshake, and what is not TLS gets an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final, cast

from server_stub.wire.connection import Connection
from server_stub.wire.http import TLS_RECORD, HttpError

__all__ = ["TlsTransport"]

_log = logging.getLogger("server_stub")

_RECORD_SIZE: Final = 16 * 1024
"""Bytes of the largest record, decrypted."""


class _Stage(Enum):
    NEW = auto()
    HANDSHAKE = auto()
    OPEN = auto()
    CLOSED = auto()  # or failed: nothing is read or written any more


_OPEN: Final = _Stage.OPEN  # asked for each status


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """The protocol of a TCP transport, and what a `Connection` needs of a transport.

    It has no buffer of its own: what arrives is decrypted and passed on, and what is written is encrypted and
    passed on, at once. So flow control is that of the TCP transport.
    """

    __slots__ = ("_connection", "_incoming", "_outgoing", "_stage", "_tls", "_transport")

    def __init__(self, connection: Connection, context: ssl.SSLContext) -> None:
        self._connection = connection
        self._transport = cast(asyncio.Transport, None)  # comes with connection_made
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._stage = _Stage.NEW

    # Called by the TCP transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; its handshake is still to come."""
        self._transport = cast(asyncio.Transport, transport)
        self._connection.connection_made(self)

    def data_received(self, data: bytes) -> None:
        """Continue the handshake, or decrypt."""
        if self._stage is _OPEN:
            self._incoming.write(data)
        elif not self._shake_hands(data):
            return
        self._receive()

    def eof_received(self) -> None:
        """The client has closed its side of TCP; the transport closes when its write buffer is empty."""
        self._connection.eof_received()

    def pause_writing(self) -> None:
        """The write buffer is full."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The write buffer has nearly drained."""
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed."""
        self._stage = _Stage.CLOSED
        self._connection.connection_lost(exc)
        # The collector seldom runs, and what refers to this transport may wait for it.
        del self._connection, self._tls, self._incoming, self._outgoing

    # Called by the connection.

    def write(self, data: Any) -> None:
        """Encrypt and write, unless TLS has failed."""
        if self._stage is not _OPEN:
            return
        try:
            self._tls.write(data)  # all of it: there is room in memory
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._transport.write(self._outgoing.read())

    def write_eof(self) -> None:
        """Close this side, of TLS and of TCP; the client may still send."""
        if self._stage is _OPEN:
            with contextlib.suppress(ssl.SSLError):  # the other side is still open
                self._tls.unwrap()
            self._flush()
        self._transport.write_eof()

    def abort(self) -> None:
        """Close at once, and discard the write buffer."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Return whether the TCP transport is closed or about to be."""
        return self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """Return the bytes that were written and not sent yet."""
        return self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when `pause_writing` and `resume_writing` are called."""
        self._transport.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return information about the TCP transport."""
        return self._transport.get_extra_info(name, default)

    # TLS.

    def _shake_hands(self, data: bytes) -> bool:
        """Continue the handshake, and return whether it is complete."""
        if self._stage is _Stage.NEW and data[0] != TLS_RECORD:
            self._refuse_plain_text()
        if self._stage is _Stage.CLOSED:
            return False
        self._stage = _Stage.HANDSHAKE
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._fail(error)
            return False
        self._stage = _OPEN
        return True

    def _receive(self) -> None:
        """Decrypt what has arrived, and pass it on."""
        parts: list[bytes] = []
        has_ended = False
        try:
            while not has_ended and (self._incoming.pending or self._tls.pending()):
                part = self._tls.read(_RECORD_SIZE)
                parts.append(part)
                has_ended = not part
        except ssl.SSLWantReadError:  # the rest of a record is still to come
            pass
        except ssl.SSLZeroReturnError:  # closed on both sides
            has_ended = True
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()  # the end of the handshake, or a reply of TLS itself
        if data := b"".join(parts):
            self._connection.data_received(data)
        if has_ended:
            self._connection.eof_received()
            self._transport.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _fail(self, error: ssl.SSLError) -> None:
        self._stage = _Stage.CLOSED
        reason = (error.reason or str(error)).replace("_", " ").lower()
        _log.info("closed %s: TLS failed, %s", self._connection.peer, reason)
        self._flush()  # the alert
        self._transport.close()

    def _refuse_plain_text(self) -> None:
        self._stage = _Stage.CLOSED
        error = HttpError(HTTPStatus.BAD_REQUEST, "this port speaks TLS; use wss:// or https://")
        _log.info("refused %s: %d, %s", self._connection.peer, error.status, error.reason)
        self._transport.write(error.response.serialize())
        self._transport.write_eof()  # a deadline of the connection aborts what the client leaves open
