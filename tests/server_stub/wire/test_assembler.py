from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from server_stub.wire.assembler import MessageAssembler, MessageError
from socket_bloc.frames import MAX_FRAGMENTS, MAX_FRAME_SIZE, CloseCode


def _fragments(*parts: bytes) -> list[Frame]:
    opcodes = [Opcode.TEXT, *[Opcode.CONT] * (len(parts) - 1)]
    last = len(parts) - 1
    return [
        Frame(opcode, part, fin=i == last)
        for i, (opcode, part) in enumerate(zip(opcodes, parts, strict=True))
    ]


def _texts(*frames: Frame) -> list[str]:
    assembler = MessageAssembler()
    return [text for frame in frames if (text := assembler.add(frame)) is not None]


def _problem(*frames: Frame) -> CloseCode:
    with pytest.raises(MessageError) as caught:
        _texts(*frames)
    return caught.value.code


def test_a_single_frame_is_a_text() -> None:
    assert _texts(Frame(Opcode.TEXT, "Grüße".encode())) == ["Grüße"]


def test_fragments_are_joined_even_within_a_character() -> None:
    data = "Grüße".encode()
    assert _texts(*_fragments(data[:3], b"", data[3:])) == ["Grüße"]


def test_control_frames_between_fragments_change_nothing() -> None:
    first, second = _fragments(b"a", b"b")
    assert _texts(first, Frame(Opcode.PING, b"x"), Frame(Opcode.PONG, b"y"), second) == ["ab"]


def test_the_size_of_one_message_does_not_count_for_the_next() -> None:
    assert _texts(*_fragments(b"a", b"b"), *_fragments(b"c", b"d"), Frame(Opcode.TEXT, b"e")) == [
        "ab",
        "cd",
        "e",
    ]


def test_the_maximum_of_fragments_is_accepted_and_one_more_is_not() -> None:
    assert _texts(*_fragments(*[b"x"] * MAX_FRAGMENTS)) == ["x" * MAX_FRAGMENTS]
    assert _problem(*_fragments(*[b""] * (MAX_FRAGMENTS + 1))) == CloseCode.MESSAGE_TOO_BIG


def test_the_maximum_of_bytes_is_accepted_and_one_more_is_not() -> None:
    half = b"x" * (MAX_FRAME_SIZE // 2)
    assert _texts(Frame(Opcode.TEXT, half + half)) == ["x" * MAX_FRAME_SIZE]
    assert _texts(*_fragments(half, half)) == ["x" * MAX_FRAME_SIZE]
    assert _problem(Frame(Opcode.TEXT, half + half + b"x")) == CloseCode.MESSAGE_TOO_BIG
    assert _problem(*_fragments(half, half, b"x")) == CloseCode.MESSAGE_TOO_BIG


def test_too_many_bytes_are_detected_before_the_last_fragment() -> None:
    first, second, _last = _fragments(b"x" * MAX_FRAME_SIZE, b"x", b"")
    assert _problem(first, second) == CloseCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize("frame", [Frame(Opcode.BINARY, b"{}"), Frame(Opcode.BINARY, b"", fin=False)])
def test_a_binary_frame_is_rejected(frame: Frame) -> None:
    assert _problem(frame) == CloseCode.UNSUPPORTED_DATA


@pytest.mark.parametrize("data", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"a\xc0\x80"])
def test_invalid_utf_8_is_rejected(data: bytes) -> None:
    assert _problem(Frame(Opcode.TEXT, data)) == CloseCode.INVALID_DATA
    assert _problem(*_fragments(data, b"")) == CloseCode.INVALID_DATA
