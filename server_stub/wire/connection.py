"""One WebSocket on one transport: bytes in, whole texts out to its handler, and every deadline in between.

The protocol is `websockets`' sans-I/O `ServerProtocol`, which knows no time and does not mind how much
waits to be written: that is here. Who may come in is decided by the owner, and what a text means by the
handler; neither is known here. A connection costs no task, no queue, no lock and no timer of its own.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final, Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, SEND_EOF

from server_stub.wire.assembler import MessageAssembler, MessageError
from server_stub.wire.deadlines import TimerWheel
from server_stub.wire.handler import ConnectionHandler
from server_stub.wire.protocol import RelayProtocol, RequestReader, text_frame, whole_text
from socket_bloc.frames import CloseCode

__all__ = ["Connection", "ConnectionOwner"]

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds until the whole request must have come."""
PING_INTERVAL: Final = 20.0
PONG_TIMEOUT: Final = 15.0
STALL_TIMEOUT: Final = 15.0
"""Seconds in which something of a full write buffer must have drained."""
CLOSE_TIMEOUT: Final = 3.0
"""Seconds for the other side to finish a close; then the transport is aborted."""
HIGH_WATER: Final = 128 * 1024
"""Bytes waiting to be written above which nothing more is read or replayed."""
MAX_WRITE_BUFFER: Final = 1024 * 1024


class ConnectionOwner(Protocol):
    """Who takes connections in."""

    @property
    def timers(self) -> TimerWheel:
        """The timer of its connections."""
        ...

    def connected(self, connection: Connection) -> None:
        """A transport has come, and nothing of it was read yet."""
        ...

    def requested(self, connection: Connection, request: Request) -> None:
        """A request was read: answer it with `accept` or `respond`, now or later."""
        ...

    def disconnected(self, connection: Connection) -> None:
        """The transport is gone."""
        ...


class Connection(asyncio.Protocol):
    """A connection, from its first byte to its last."""

    __slots__ = (
        "_assembler",
        "_awaits_pong",
        "_buffered",
        "_handler",
        "_is_closing",
        "_is_paused",
        "_owner",
        "_protocol",
        "_request",
        "_transport",
        "_unhandled",
        "is_writable",
        "slot",
    )

    def __init__(self, owner: ConnectionOwner) -> None:
        self.slot: int | None = None
        self.is_writable = False
        """Whether the connection is open, and what is sent now does not pile up."""
        self._owner = owner
        self._handler: ConnectionHandler | None = None
        self._transport = cast(asyncio.Transport, None)  # comes with connection_made
        self._protocol = RelayProtocol()
        self._assembler = MessageAssembler()
        self._request: RequestReader | None = RequestReader(self._protocol)  # None once it is answered
        self._unhandled: list[Frame] = []
        self._is_paused = False
        self._buffered = 0  # bytes that waited to be written when the deadline was set
        self._awaits_pong = False
        self._is_closing = False  # the time for the end is running, and nothing extends it

    # What the owner and the handler ask for.

    @property
    def peer(self) -> str:
        """The address of the other side, for the log."""
        address = self._transport.get_extra_info("peername")
        return f"{address[0]}:{address[1]}" if address else "an unknown address"

    def handshake(self, request: Request) -> Response:
        """What the WebSocket protocol itself has to say to a request: 101, or why not."""
        return self._protocol.accept(request)

    def accept(self, response: Response, handler: ConnectionHandler) -> None:
        """Open the WebSocket with the 101 of `handshake`."""
        request = self._take_request()
        if request is None:
            return
        self._handler = handler
        self._protocol.send_response(response)
        self._flush()
        # Spread, so that those who came together are not pinged together.
        self._set_deadline(PING_INTERVAL * random.uniform(0.5, 1.0))
        handler.opened()
        if early := request.rest:
            self._receive(early)

    def respond(self, response: Response) -> None:
        """Answer the request with plain HTTP, and close."""
        if self._take_request() is not None:
            self._protocol.send_response(response)
            self._flush()

    def send(self, text: bytes) -> None:
        """Send an encoded text; it goes nowhere where the connection is not open any more."""
        if not self.is_writable and self._protocol.state is not OPEN:
            return
        self._transport.write(text_frame(text))
        if self._is_paused and self._transport.get_write_buffer_size() > MAX_WRITE_BUFFER:
            self.fail(CloseCode.SLOW_READER, "too much waits to be read")

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self._flush()

    def fail(self, code: int, reason: str) -> None:
        """Say why, and listen no more."""
        if self._protocol.state is OPEN:
            self._protocol.fail(code, reason)
            self._flush()

    def abort(self) -> None:
        """Drop the transport, and what waits to be written with it."""
        self._transport.abort()

    # What the transport and the timer tell.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the request."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER, low=HIGH_WATER // 4)
        self._set_deadline(HANDSHAKE_TIMEOUT)
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes: of the request, until it is answered, then of frames."""
        if self._request is not None:
            self._read_request(self._request, data)
        elif not self._receive_whole_text(data):
            self._receive(data)

    def eof_received(self) -> None:
        """Nothing more comes; the transport closes itself when all is written, if it ever is."""
        self._protocol.receive_eof()
        self._flush()
        self._expect_close()

    def pause_writing(self) -> None:
        """Read nothing more from one who does not read either."""
        self._is_paused = True
        self._update_writable()
        self._transport.pause_reading()
        if not self._is_closing:
            self._set_deadline(STALL_TIMEOUT)

    def resume_writing(self) -> None:
        """Go on where `pause_writing` stopped."""
        self._is_paused = False
        self._update_writable()
        self._transport.resume_reading()
        if not self._is_closing:
            # If a ping is out, it stood behind all that was not read: the time for its answer begins now.
            self._set_deadline(PONG_TIMEOUT if self._awaits_pong else PING_INTERVAL)
        unhandled, self._unhandled = self._unhandled, []
        self._handle(unhandled)
        if self._handler is not None and self.is_writable:
            self._handler.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the handler and the owner."""
        self._owner.timers.cancel(self)
        self._request = None
        self._protocol.receive_eof()
        self._update_writable()
        if self._handler is not None:
            self._handler.lost(self._protocol.first_close_code)
        self._owner.disconnected(self)

    def on_deadline(self, now: float) -> None:
        """Ping, or give up on one who did not do in time what was due."""
        if self._request is not None or self._is_closing:
            self.abort()
        elif self._buffered > self._transport.get_write_buffer_size():
            self._set_deadline(STALL_TIMEOUT)  # slow, but it does read; a ping may stand behind the rest
        elif self._is_paused:
            self.fail(CloseCode.SLOW_READER, "nothing is being read")
        elif self._awaits_pong:
            self.fail(CloseCode.INTERNAL_ERROR, "no answer to a ping")
        else:
            self._awaits_pong = True
            self._protocol.send_ping(b"")
            self._flush()
            self._set_deadline(PONG_TIMEOUT)

    # The request.

    def _read_request(self, reader: RequestReader, data: bytes) -> None:
        match reader.read(data):
            case Request() as request:
                self._owner.requested(self, request)
                if self._request is not None:  # it is answered later
                    self._transport.pause_reading()
            case Response() as response:
                self.respond(response)
            case None:
                if self._protocol.eof_sent:
                    self._request = None
                    self._flush()

    def _take_request(self) -> RequestReader | None:
        request, self._request = self._request, None
        if request is not None:
            self._transport.resume_reading()
        return request

    # The frames.

    def _receive_whole_text(self, data: bytes) -> bool:
        """Handle `data` if it is one whole text and nothing came before that the parser still holds.

        Changes nothing otherwise: the parser then gets the same bytes, and finds what is wrong with them.
        """
        if not self.is_writable or not self._protocol.is_between_messages or self._handler is None:
            return False
        payload = whole_text(data)
        if payload is None:
            return False
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            return False
        self._handler.received(text)
        return True

    def _receive(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._flush()  # answers of the protocol itself
        self._handle(cast("list[Frame]", self._protocol.events_received()))

    def _handle(self, frames: list[Frame]) -> None:
        for index, frame in enumerate(frames):
            if self._is_paused:  # what answers these would only pile up
                self._unhandled += frames[index:]
                return
            if self._protocol.closed_first:  # (what came before the other's close frame still counts)
                return
            if frame.opcode is Opcode.PONG:
                self._pong_received()
                continue
            try:
                text = self._assembler.add(frame)
            except MessageError as error:
                self.fail(error.code, error.reason)
                return
            if text is not None and self._handler is not None:
                self._handler.received(text)

    def _pong_received(self) -> None:
        if self._awaits_pong and not self._is_closing:
            self._awaits_pong = False
            self._set_deadline(PING_INTERVAL)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data != SEND_EOF:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
        self._update_writable()
        if self._protocol.close_expected():
            self._expect_close()

    def _update_writable(self) -> None:
        # A plain attribute, kept whenever what it follows from may have changed: it is asked for each status.
        self.is_writable = self._protocol.state is OPEN and not self._is_paused

    def _expect_close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._set_deadline(CLOSE_TIMEOUT)

    def _set_deadline(self, seconds: float) -> None:
        self._buffered = self._transport.get_write_buffer_size()
        self._owner.timers.set(self, self._owner.timers.now() + seconds)
