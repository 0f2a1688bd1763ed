"""Reading whole texts without the parser: the same as with it, whatever comes."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server_stub.wire import connection
from server_stub.wire.protocol import RelayProtocol, whole_text
from tests.server_stub.support import client_frame
from tests.server_stub.wire.test_connection import BINARY, CLOSE, PING, PONG, TEXT, Side

CONTINUATION = 0x0

opcodes = st.sampled_from([TEXT, TEXT, TEXT, TEXT, CONTINUATION, BINARY, PING, PONG])
short = st.one_of(st.text(max_size=40).map(str.encode), st.binary(max_size=8), st.just(b"a" * 125))
payloads = st.one_of(short, short, st.sampled_from([b"b" * 126, b"c" * 65535]))
valid = st.builds(client_frame, opcodes, payloads, fin=st.sampled_from([True, True, True, False]))
long_length = short.map(lambda data: b"\x81\xfe" + len(data).to_bytes(2, "big") + bytes(4) + data)
close = st.just(client_frame(CLOSE, (1000).to_bytes(2, "big")))
frames = st.one_of(valid, valid, valid, valid, long_length, close, st.binary(max_size=12))
steps = st.lists(
    st.one_of(
        frames,
        frames,
        st.lists(frames, max_size=3).map(b"".join),  # several in one read
        frames.map(lambda frame: (frame[: len(frame) // 2], frame[len(frame) // 2 :])),  # one in two reads
        st.sampled_from(["pause", "resume", "close"]),
    ),
    max_size=12,
)


def play(steps: list[Any]) -> tuple[list[Any], bytes, bool]:
    """What the handler was told, what was written, and whether the connection is writable in the end."""
    side = Side().open()
    for step in steps:
        match step:
            case "pause":
                if not side.connection._is_paused:  # the transport pauses and resumes by turns
                    side.connection.pause_writing()
            case "resume":
                if side.connection._is_paused:
                    side.connection.resume_writing()
            case "close":
                side.connection.close(1001, "going away")
            case bytes():
                side.receive(step)
            case _:
                for part in step:
                    side.receive(part)
    return side.events, side.transport.take(), side.connection.is_writable


WHOLE = client_frame(TEXT, b"whole")
HALF = client_frame(TEXT, WHOLE)[:8]


@given(steps)
@example([client_frame(TEXT, b"part", fin=False), WHOLE])
@example([(HALF, WHOLE), WHOLE])
@example([client_frame(TEXT, b"x" * 125), client_frame(TEXT, b"x" * 126), HALF, WHOLE])
@example([client_frame(TEXT, b"x" * 65536)[:-1], WHOLE])
@example(["pause", WHOLE, WHOLE, "resume", WHOLE])
@example(["close", WHOLE])
@example([client_frame(TEXT, b"\xff"), WHOLE])
def test_whole_texts_are_read_as_the_parser_reads_them(steps: list[Any]) -> None:
    quick = play(steps)
    with patch.object(connection, "whole_text", lambda data: None):
        careful = play(steps)
    assert quick == careful


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
@pytest.mark.parametrize("cut", [0, 1, 7, -1])
def test_after_frames_that_the_parser_has_finished_the_next_whole_text_is_read_without_it(
    size: int, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = Side().open()
    payload = b"x" * size
    half = size // 2
    finished = b"".join(
        [
            client_frame(TEXT, payload),
            client_frame(PING, payload[:125]),
            client_frame(TEXT, payload[:half], fin=False),
            client_frame(PONG, b""),
            client_frame(CONTINUATION, payload[half:]),
        ]
    )
    side.receive(finished[:cut])
    side.receive(finished[cut:])
    assert side.events[2:] == [payload.decode()] * 2

    def fail(_protocol: RelayProtocol, _data: bytes) -> None:
        pytest.fail("the parser was used")

    monkeypatch.setattr(RelayProtocol, "receive_data", fail)
    side.receive(WHOLE)
    assert side.events[4:] == ["whole"]


@pytest.mark.parametrize("size", [2, 125, 126, 300, 65535])
def test_a_whole_text_needs_no_parser(size: int) -> None:
    assert whole_text(client_frame(TEXT, b"x" * size)) == "x" * size


@pytest.mark.parametrize(
    "data",
    [
        b"",
        client_frame(TEXT, b"one")[:-1],
        client_frame(TEXT, b"one") + b"\x81",
        client_frame(TEXT, b"part", fin=False),
        client_frame(CONTINUATION, b"rest"),
        client_frame(BINARY, b"one"),
        client_frame(PING, b"ping"),
        client_frame(TEXT, b"x" * 65536),
        client_frame(TEXT, b"\xff"),
        b"\x81\x05without",
        b"\xc1" + client_frame(TEXT, b"compressed")[1:],
    ],
)
def test_whatever_is_not_one_whole_text_is_for_the_parser(data: bytes) -> None:
    assert whole_text(data) is None


def test_a_masked_text_is_unmasked() -> None:
    mask = b"\x01\x02\x03\x04"
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(b"order"))
    assert whole_text(b"\x81\x85" + mask + masked) == "order"
