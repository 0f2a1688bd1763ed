"""`websockets`' sans-I/O server, configured for this relay.

No compression, one subprotocol, small messages. Nothing that follows the request reaches the parser of
frames before the response was sent.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, cast

from websockets.frames import Frame
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, SEND_EOF
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from server_stub.wire.http import TLS_RECORD, HttpError, refuse_malformed
from socket_bloc.frames import MAX_FRAME_SIZE, SUBPROTOCOL, CloseCode

try:
    from websockets.speedups import apply_mask
except ImportError:  # websockets without its C extension
    from websockets.utils import apply_mask

__all__ = ["RelayProtocol", "RequestReader", "text_frame", "whole_text"]

MAX_REQUEST: Final = 32 * 1024
"""Bytes of a request with all its headers."""
_MAX_CONTROL_PAYLOAD: Final = 125
_END_OF_REQUEST: Final = b"\r\n\r\n"
_HEADER_16: Final = struct.Struct("!BBH").pack
_HEADER_64: Final = struct.Struct("!BBQ").pack

# The library would log each opening and closing again, and the contents of frames at DEBUG.
_library_log = logging.getLogger("server_stub.websockets")
_library_log.setLevel(logging.WARNING)


class RelayProtocol(ServerProtocol):
    """One connection's protocol."""

    def __init__(self) -> None:
        # A control frame may come between two fragments of a message of the maximal size.
        super().__init__(max_size=MAX_FRAME_SIZE + _MAX_CONTROL_PAYLOAD, logger=_library_log)
        self._unparsed = 0

    def receive_data(self, data: bytes | bytearray) -> None:
        """Take bytes of the request or of frames, and count those of frames that are not complete."""
        self._unparsed += len(data)
        super().receive_data(data)

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame that is complete."""
        size = len(frame.data)
        self._unparsed -= size + (6 if size < 126 else 8 if size < 65536 else 14)
        super().recv_frame(frame)

    def send_response(self, response: Response) -> None:
        """Answer the request; frames begin with the next byte."""
        self._unparsed = 0
        super().send_response(response)
        if self.state is OPEN:
            # A parser that has not read the request: the other keeps it while the connection is open.
            self.parser = self.parse()
            next(self.parser)

    @property
    def is_between_messages(self) -> bool:
        """Whether the parser has no part of a frame or of a message, so that it need not see a whole one.

        A client that wastes bytes on the length of a frame is never seen between two messages again: only
        the parser reads it from then on.
        """
        return self._unparsed == 0 and self.current_size is None

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """Select our subprotocol if the client offers it; `admit` decides whether it is required."""
        return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in subprotocols else None

    @property
    def closed_first(self) -> bool:
        """Whether this side was the first to close."""
        return self.close_sent is not None and not self.close_rcvd_then_sent

    @property
    def first_close_code(self) -> int:
        """The close code of the side that closed first; 1006 if neither did."""
        close = self.close_sent if self.closed_first else self.close_rcvd
        return int(CloseCode.ABNORMAL_CLOSURE if close is None else close.code)


class RequestReader:
    """Reads the request of a connection."""

    __slots__ = ("_head", "_protocol")

    def __init__(self, protocol: RelayProtocol) -> None:
        self._protocol = protocol
        self._head = bytearray()

    def read(self, data: bytes) -> Request | Response | None:
        """Read bytes; return the request when it is complete, or an error response.

        None means that more is needed, or that the protocol has failed and responded by itself.
        """
        known = len(self._head)
        self._head += data
        if self._head[0] == TLS_RECORD:
            return HttpError(
                HTTPStatus.BAD_REQUEST, "this port does not speak TLS; use ws:// or http://"
            ).response
        end = self._head.find(_END_OF_REQUEST, max(0, known - len(_END_OF_REQUEST) + 1))
        size = len(self._head) if end < 0 else end + len(_END_OF_REQUEST)
        self._protocol.receive_data(data[: size - known])
        for event in self._protocol.events_received():
            if size <= MAX_REQUEST:
                return cast(Request, event)
        if self._protocol.writes == [SEND_EOF]:  # malformed, and the protocol would close without a response
            self._protocol.writes.insert(0, refuse_malformed(self._head).response.serialize())
        elif not self._protocol.eof_sent and size > MAX_REQUEST:
            reason = f"a request has at most {MAX_REQUEST} bytes"
            return HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason).response
        return None

    @property
    def rest(self) -> bytes:
        """The bytes that follow the request."""
        return bytes(self._head.partition(_END_OF_REQUEST)[2])


def whole_text(data: bytes) -> str | None:
    """Return the text if `data` is one masked, final, valid text frame of less than 64 KiB and nothing else.

    That is what nearly each read of a client's connection is, and the generators of the library's parser
    take ten times as long for it. For everything else (None) there is the parser.
    """
    size = len(data)
    if size < 8 or data[0] != 0x81:
        return None
    length = data[1] - 0x80  # negative without a mask
    start = 6
    if length == 126:
        length = data[2] << 8 | data[3]
        start = 8
    elif length == 127:
        return None
    if size != start + length:
        return None
    try:
        return apply_mask(data[start:], data[start - 4 : start]).decode()
    except UnicodeDecodeError:
        return None


def text_frame(text: bytes) -> bytes:
    """Return an encoded text as one unmasked frame; faster than the library."""
    length = len(text)
    if length < 126:
        return bytes((0x81, length)) + text
    if length < 65536:
        return _HEADER_16(0x81, 126, length) + text
    return _HEADER_64(0x81, 127, length) + text
