"""One WebSocket on one transport: bytes in, text messages out to its handler, and all its deadlines.

The protocol is `websockets`' sans-I/O `ServerProtocol`, which has no clock, no limit on the write buffer and
none on the work that one client causes: all three are here. The owner decides which requests are accepted,
and the handler what a message means. A connection has no task, queue, lock or timer of its own.
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
from server_stub.wire.work import WorkQueue
from socket_bloc.frames import CloseCode

__all__ = ["Connection", "ConnectionOwner"]

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds within which the whole request must arrive."""
PING_INTERVAL: Final = 20.0
PONG_TIMEOUT: Final = 15.0
STALL_TIMEOUT: Final = 15.0
"""Seconds within which some of a full write buffer must drain."""
CLOSE_TIMEOUT: Final = 3.0
"""Seconds for the client to finish the closing handshake; then the transport is aborted."""
HIGH_WATER: Final = 128 * 1024
"""Bytes in the write buffer above which nothing more is read or replayed."""
MAX_WRITE_BUFFER: Final = 1024 * 1024
PARSED_AT_ONCE: Final = 512
"""Bytes that the parser gets at once, which are at most 85 frames."""
SHARE: Final = 32
"""Frames, or times that the parser gets bytes, after which the rest waits for the next iteration."""
LARGE_TEXT: Final = 4096
"""Bytes of a message that is a share by itself."""


class ConnectionOwner(Protocol):
    """Accepts connections, and keeps their timer wheel."""

    @property
    def timers(self) -> TimerWheel:
        """The timer wheel of its connections."""
        ...

    @property
    def work(self) -> WorkQueue:
        """The work that its connections put off."""
        ...

    def connected(self, connection: Connection) -> None:
        """A transport is connected; nothing was read from it yet."""
        ...

    def requested(self, connection: Connection, request: Request) -> None:
        """A request was read; call `accept` or `respond`, now or later."""
        ...

    def disconnected(self, connection: Connection) -> None:
        """The transport is closed."""
        ...


class Connection(asyncio.Protocol):
    """A connection, from its first byte to its last."""

    __slots__ = (
        "_assembler",
        "_awaits_pong",
        "_buffered",
        "_handler",
        "_is_closing",
        "_is_held",
        "_is_lost",
        "_is_paused",
        "_is_waiting",
        "_owner",
        "_protocol",
        "_request",
        "_takes_whole_texts",
        "_transport",
        "_unhandled",
        "_unread",
        "_unread_from",
        "is_writable",
        "slot",
    )

    def __init__(self, owner: ConnectionOwner) -> None:
        self.slot: int | None = None
        self.is_writable = False
        """Whether the connection is open, and its write buffer is not full."""
        self._takes_whole_texts = False  # is writable, and the parser holds no part of a message
        self._owner = owner
        self._handler: ConnectionHandler | None = None
        self._transport = cast(asyncio.Transport, None)  # comes with connection_made
        self._protocol = RelayProtocol()
        self._assembler = MessageAssembler()
        self._request: RequestReader | None = RequestReader(self._protocol)  # None once it is answered
        self._unhandled: list[Frame] = []
        self._unread = b""  # received, and not given to the parser yet: from this index on
        self._unread_from = 0
        self._is_paused = False  # the write buffer is full
        self._is_held = False  # by the handler
        self._is_waiting = False  # for its next share
        self._is_lost = False
        self._buffered = 0  # bytes in the write buffer when the deadline was set
        self._awaits_pong = False
        self._is_closing = False  # CLOSE_TIMEOUT is running, and nothing extends it

    # Called by the owner and the handler.

    @property
    def peer(self) -> str:
        """The address of the client, for the log."""
        address = self._transport.get_extra_info("peername")
        return f"{address[0]}:{address[1]}" if address else "an unknown address"

    def handshake(self, request: Request) -> Response:
        """Return the response of the WebSocket protocol to a request: 101, or an error."""
        return self._protocol.accept(request)

    def accept(self, response: Response, handler: ConnectionHandler) -> None:
        """Open the WebSocket with the 101 of `handshake`."""
        request = self._take_request()
        if request is None:
            return
        self._handler = handler
        self._protocol.send_response(response)
        self._flush()
        # Random, so that clients that connected together are not pinged together.
        self._set_deadline(PING_INTERVAL * random.uniform(0.5, 1.0))
        handler.opened()
        if early := request.rest:
            self._receive(early)

    def respond(self, response: Response) -> None:
        """Respond to the request with plain HTTP, and close."""
        if self._take_request() is not None:
            self._protocol.send_response(response)
            self._flush()

    def send(self, text: bytes) -> None:
        """Send an encoded text message; it is dropped if the connection is not open."""
        if self.is_writable:
            self._transport.write(text_frame(text))
        elif self._protocol.state is OPEN:
            self._transport.write(text_frame(text))
            if self._transport.get_write_buffer_size() > MAX_WRITE_BUFFER:
                self.fail(CloseCode.SLOW_READER, "write buffer limit exceeded")

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self._flush()

    def fail(self, code: int, reason: str) -> None:
        """Close because of an error: messages that still arrive are ignored."""
        if self._protocol.state is OPEN:
            self._protocol.fail(code, reason)
            self._flush()

    def hold(self) -> None:
        """Read nothing until `release`."""
        self._is_held = True
        self._update_reading()

    def release(self) -> None:
        """Continue where `hold` stopped."""
        self._is_held = False
        if self._awaits_pong and not self._is_closing and not self._is_paused:
            self._set_deadline(PONG_TIMEOUT)  # the pong may be behind what was not read
        self._wait_for_share()

    def abort(self) -> None:
        """Close the transport at once, and discard its write buffer."""
        self._transport.abort()

    # Called by the transport and the timer wheel.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline of the request."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER, low=HIGH_WATER // 4)
        self._set_deadline(HANDSHAKE_TIMEOUT)
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        """Read bytes: of the request until it is answered, then of frames."""
        if self._takes_whole_texts and self._handler is not None:
            text = whole_text(data)
            if text is not None:
                self._handler.received(text)
                # The loop reads a connection at most 32 times in an iteration, so small ones are few enough.
                if len(data) > LARGE_TEXT:
                    self._wait_for_share()
                return
            # The parser gets the same bytes, and finds what is wrong with them, if anything is.
        if self._request is not None:
            self._read_request(self._request, data)
        else:
            self._receive(data)

    def eof_received(self) -> None:
        """The client has closed its side; the transport closes when its write buffer is empty."""
        self._unread = b""  # TLS may end with what came before; nobody is left to hear of it
        self._protocol.receive_eof()
        self._flush()
        self._expect_close()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read."""
        self._is_paused = True
        self._update_writable()
        self._update_reading()
        if not self._is_closing:
            self._set_deadline(STALL_TIMEOUT)

    def resume_writing(self) -> None:
        """Continue where `pause_writing` stopped."""
        self._is_paused = False
        self._update_writable()
        if not self._is_closing:
            # A ping that is out was queued behind all that was not read: its deadline starts now.
            self._set_deadline(PONG_TIMEOUT if self._awaits_pong else PING_INTERVAL)
        self._handle_unhandled()
        if self._unread:
            self._wait_for_share()
        self._update_reading()
        if self._handler is not None and self.is_writable:
            self._handler.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the handler and the owner."""
        self._owner.timers.cancel(self)
        self._is_lost = True
        self._request = None
        self._protocol.receive_eof()
        self._update_writable()
        if self._handler is not None:
            self._handler.lost(self._protocol.first_close_code)
        self._owner.disconnected(self)

    def on_deadline(self, now: float) -> None:
        """Ping, or close a connection whose client missed its deadline."""
        if self._request is not None or self._is_closing:
            self.abort()
        elif self._buffered > self._transport.get_write_buffer_size():
            self._set_deadline(STALL_TIMEOUT)  # slow, but reading; a ping may be queued behind the rest
        elif self._is_paused:
            self.fail(CloseCode.SLOW_READER, "the client is not reading")
        elif self._awaits_pong:
            self.fail(CloseCode.INTERNAL_ERROR, "no answer to a ping")
        else:
            self._awaits_pong = True
            self._protocol.send_ping(b"")
            self._flush()
            self._set_deadline(PONG_TIMEOUT)

    # The request.

    def _read_request(self, reader: RequestReader, data: bytes) -> None:
        read = reader.read(data)
        if isinstance(read, Request):
            self._owner.requested(self, read)
            if self._request is not None:  # answered later
                self._transport.pause_reading()
        elif read is not None:
            self.respond(read)
        elif self._protocol.eof_sent:
            self._request = None
            self._flush()

    def _take_request(self) -> RequestReader | None:
        request, self._request = self._request, None
        if request is not None:
            self._transport.resume_reading()
        return request

    # The frames.

    def _receive(self, data: bytes) -> None:
        if self._unread:  # the transport was about to pause
            self._unread = self._unread[self._unread_from :] + data
        else:
            self._unread = data
        self._unread_from = 0
        if not self._is_stopped:
            self._read_share()

    def _read_share(self) -> None:
        """Parse and handle what was received, at most a share of it."""
        share = SHARE
        while self._unread and share > 0 and not self._is_stopped:
            start = self._unread_from
            self._unread_from = end = start + PARSED_AT_ONCE
            part = self._unread[start:end]
            if end >= len(self._unread):
                self._unread, self._unread_from = b"", 0
            self._protocol.receive_data(part)
            self._flush()  # replies of the protocol itself
            frames = cast("list[Frame]", self._protocol.events_received())
            share -= max(1, len(frames))
            self._handle(frames)
        # One read of the transport may follow the other, so a second frame is a share as well.
        if self._unread or share < SHARE - 1:
            self._wait_for_share()

    def _wait_for_share(self) -> None:
        """Read on in another iteration of the loop."""
        if not self._is_waiting:
            self._is_waiting = True
            self._owner.work.add(self._read_on)
        self._update_reading()

    def _read_on(self) -> None:
        self._is_waiting = False
        if self._is_lost:
            return
        self._handle_unhandled()
        if self._unread and not self._is_stopped:
            self._read_share()
        self._update_reading()

    def _handle_unhandled(self) -> None:
        unhandled, self._unhandled = self._unhandled, []
        self._handle(unhandled)

    @property
    def _is_stopped(self) -> bool:
        return self._is_paused or self._is_held or self._is_waiting

    def _update_reading(self) -> None:
        if self._is_lost or self._transport.is_closing():
            return
        if self._is_stopped:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        self._update_writable()

    def _handle(self, frames: list[Frame]) -> None:
        handler = self._handler
        if handler is None:  # the request got a plain response
            return
        for index, frame in enumerate(frames):
            if self._is_paused or self._is_held:  # the replies to these would only fill the write buffer
                self._unhandled += frames[index:]
                return
            if self._protocol.closed_first:  # (frames before a close frame of the client still count)
                return
            if frame.opcode is Opcode.PONG and self._awaits_pong:
                self._pong_received()
                continue
            try:
                text = self._assembler.add(frame)
            except MessageError as error:
                self.fail(error.code, error.reason)
                return
            if text is not None:
                handler.received(text)
            else:
                handler.received_other()

    def _pong_received(self) -> None:
        self._awaits_pong = False
        if not self._is_closing:
            self._set_deadline(PING_INTERVAL)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data != SEND_EOF:
                self._transport.write(data)
            else:
                self._transport.write_eof()
        self._update_writable()
        if self._protocol.close_expected():
            self._expect_close()

    def _update_writable(self) -> None:
        # Plain attributes, set whenever what they follow from may have changed: each status asks for them.
        self.is_writable = self._protocol.state is OPEN and not self._is_paused
        self._takes_whole_texts = (
            self.is_writable
            and self._protocol.is_between_messages
            and not (self._is_held or self._is_waiting or self._unread)
        )

    def _expect_close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._set_deadline(CLOSE_TIMEOUT)

    def _set_deadline(self, seconds: float) -> None:
        self._buffered = self._transport.get_write_buffer_size()
        self._owner.timers.set(self, self._owner.timers.now() + seconds)
