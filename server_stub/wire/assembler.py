"""Joins frames to text messages, and checks what `websockets`' sans-I/O core leaves unchecked."""

from __future__ import annotations

from websockets.frames import Frame, Opcode
from websockets.typing import BytesLike

from socket_bloc.frames import MAX_FRAGMENTS, MAX_FRAME_SIZE, CloseCode

__all__ = ["MessageAssembler", "MessageError"]


class MessageError(Exception):
    """An invalid message: the connection is closed with this code and reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class MessageAssembler:
    """The fragments of one connection; the core has already checked their order."""

    __slots__ = ("_fragments", "_size")

    def __init__(self) -> None:
        self._fragments: list[BytesLike] | None = None  # no list until the first fragment
        self._size = 0

    def add(self, frame: Frame) -> str | None:
        """Return the text that this frame completes, if any. Raises `MessageError`."""
        opcode = frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            return _text(frame.data, len(frame.data))
        if opcode is Opcode.BINARY:
            raise MessageError(CloseCode.UNSUPPORTED_DATA, "this protocol has text frames only")
        if opcode is not Opcode.TEXT and opcode is not Opcode.CONT:
            return None
        fragments = self._fragments
        if fragments is None:
            fragments = self._fragments = []
        fragments.append(frame.data)
        self._size += len(frame.data)
        if len(fragments) > MAX_FRAGMENTS:
            raise MessageError(CloseCode.MESSAGE_TOO_BIG, f"more than {MAX_FRAGMENTS} fragments")
        if not frame.fin and self._size <= MAX_FRAME_SIZE:
            return None
        size, self._fragments, self._size = self._size, None, 0
        return _text(b"".join(fragments), size)


def _text(data: BytesLike, size: int) -> str:
    if size > MAX_FRAME_SIZE:
        raise MessageError(CloseCode.MESSAGE_TOO_BIG, f"more than {MAX_FRAME_SIZE} bytes")
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise MessageError(CloseCode.INVALID_DATA, f"no UTF-8 at byte {error.start}") from None
