"""RFC 6455: fragments, pings, and the close code of each violation."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from tests.blackbox.client import Client, Order
from tests.blackbox.conftest import Connect
from tests.blackbox.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Address, encode
from tests.blackbox.words import fresh, send_frame

MOST_BYTES = 64 * 1024
MOST_FRAGMENTS = 64


def placed(**fields: Any) -> dict[str, Any]:
    return send_frame("PLACED", fresh("o"), receiverId=fresh("s"), **fields)


def text_of(frame: dict[str, Any], *, size: int | None = None) -> bytes:
    """The frame as JSON bytes, padded to `size` with a field that the relay ignores."""
    bare = json.dumps(frame).encode()
    if size is None:
        return bare
    open_ = bare[:-1] + b',"x":"'
    return open_ + b"x" * (size - len(open_) - 2) + b'"}'


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect("client")


def fragments(payload: bytes, count: int) -> list[bytes]:
    """The frames of one text message, split into `count`; the last ones are empty if it is too short."""
    size = -(-len(payload) // count)
    pieces = [payload[place * size : (place + 1) * size] for place in range(count)]
    return [
        encode(CONTINUATION if place else TEXT, piece, fin=place == count - 1)
        for place, piece in enumerate(pieces)
    ]


# What a client may do


@pytest.mark.parametrize("count", [2, 3, MOST_FRAGMENTS])
def test_a_message_may_come_in_fragments(client: Client, count: int) -> None:
    frame = placed(message="😀" * 50)  # so that characters are split
    client.line.write(b"".join(fragments(json.dumps(frame, ensure_ascii=False).encode(), count)))
    assert client.answer(frame["messageId"])["orderStatus"]["message"] == "😀" * 50


def test_a_ping_between_fragments_is_answered_at_once(client: Client) -> None:
    frame = placed()
    first, second = fragments(text_of(frame), 2)
    client.line.write(first + encode(PING, b"still there?"))
    pong = client.receive_frame()
    assert (pong.opcode, pong.payload) == (PONG, b"still there?")
    client.line.write(second)
    assert client.answer(frame["messageId"])["type"] == "status"


@pytest.mark.parametrize("payload", [b"", b"\x00\xff", b"p" * 125])
def test_a_ping_is_answered_with_its_own_payload(client: Client, payload: bytes) -> None:
    client.send(PING, payload)
    pong = client.receive_frame()
    assert (pong.opcode, pong.payload) == (PONG, payload)


def test_an_unsolicited_pong_is_ignored(client: Client) -> None:
    client.send(PONG, b"hello")
    assert client.submit(placed())["type"] == "status"


def test_a_frame_may_come_byte_by_byte(client: Client) -> None:
    frame = placed(message="")
    for byte in encode(TEXT, text_of(frame)):
        client.line.write(bytes([byte]))
    assert client.answer(frame["messageId"])["type"] == "status"


def test_many_frames_may_come_at_once_and_with_the_handshake(connect: Connect) -> None:
    frames = [placed() for _ in range(20)]
    early = b"".join(encode(TEXT, text_of(frame)) for frame in frames)
    client = connect("client", early=early)
    assert [client.answer(frame["messageId"])["type"] for frame in frames] == ["status"] * 20


def test_the_largest_message_is_accepted(client: Client) -> None:
    frame = placed()
    client.send(TEXT, text_of(frame, size=MOST_BYTES))
    assert client.answer(frame["messageId"])["type"] == "status"


def test_the_largest_message_in_the_most_fragments_is_accepted(client: Client) -> None:
    frame = placed()
    client.line.write(b"".join(fragments(text_of(frame, size=MOST_BYTES), MOST_FRAGMENTS)))
    assert client.answer(frame["messageId"])["type"] == "status"


@pytest.mark.parametrize("code", [1000, 1001, 1008, 3000, 4000, 4999])
def test_a_close_is_answered_with_its_own_code(client: Client, code: int) -> None:
    client.send(CLOSE, struct.pack("!H", code) + b"bye")
    assert client.close_code() == code


def test_a_close_without_a_code_is_answered(client: Client) -> None:
    client.send(CLOSE)
    assert client.close_code() in (None, 1000)


def test_frames_before_a_close_are_applied_and_frames_after_it_are_not(connect: Connect) -> None:
    client = connect("client")
    before, behind = placed(), placed()
    close = encode(CLOSE, struct.pack("!H", 1000))
    client.line.write(encode(TEXT, text_of(before)) + close + encode(TEXT, text_of(behind)))
    client.close_code()
    again = connect("client", client.user_id, since=0)
    assert again.submit(before)["seq"] == 1
    assert again.submit(behind)["seq"] == 2


# What a client may not do


def broken(*parts: bytes) -> bytes:
    return b"".join(parts)


VIOLATIONS = {
    "an unmasked frame": (1002, encode(TEXT, b"{}", masked=False)),
    **{f"reserved bit {bit:#x}": (1002, encode(TEXT, b"{}", rsv=bit)) for bit in (0x40, 0x20, 0x10)},
    **{f"opcode {code:#x}": (1002, encode(code, b"")) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a stray continuation": (1002, encode(CONTINUATION, b"{}")),
    "a continuation behind a whole message": (1002, encode(TEXT, b"{}") + encode(CONTINUATION, b"")),
    "a message inside another": (1002, encode(TEXT, b"{", fin=False) + encode(TEXT, b"}")),
    "a ping in fragments": (1002, encode(PING, b"p", fin=False)),
    "a close in fragments": (1002, encode(CLOSE, b"\x03\xe8", fin=False)),
    "a ping of 126 bytes": (1002, encode(PING, b"p" * 126)),
    "a close of 126 bytes": (1002, encode(CLOSE, b"\x03\xe8" + b"c" * 124)),
    "a close of one byte": (1002, encode(CLOSE, b"\x03")),
    **{
        f"close code {code}": (1002, encode(CLOSE, struct.pack("!H", code)))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    "a close reason that is not UTF-8": (1007, encode(CLOSE, b"\x03\xe8\xff")),
    "a binary message": (1003, encode(BINARY, b"{}")),
    "an empty binary message": (1003, encode(BINARY, b"")),
    "a binary message in fragments": (1003, encode(BINARY, b"{", fin=False) + encode(CONTINUATION, b"}")),
    "text that is not UTF-8": (1007, encode(TEXT, b"\xff")),
    "text with an overlong NUL": (1007, encode(TEXT, b"\xc0\x80")),
    "text with a surrogate": (1007, encode(TEXT, b"\xed\xa0\x80")),
    "text beyond Unicode": (1007, encode(TEXT, b"\xf4\x90\x80\x80")),
    "text that ends within a character": (1007, encode(TEXT, b'{"x":"\xf0\x9f\x98')),
    "fragments that end within a character": (
        1007,
        encode(TEXT, b"\xf0\x9f", fin=False) + encode(CONTINUATION, b"\x98"),
    ),
    "a byte too many": (1009, encode(TEXT, b"x" * (MOST_BYTES + 1))),
    "a byte too many in fragments": (
        1009,
        encode(TEXT, b"x" * MOST_BYTES, fin=False) + encode(CONTINUATION, b"x"),
    ),
    "a fragment too many": (1009, b"".join(fragments(b"{}", MOST_FRAGMENTS + 1))),
    "a thousand empty fragments": (
        1009,
        encode(TEXT, b"", fin=False) + encode(CONTINUATION, b"", fin=False) * 1000,
    ),
    "a header that promises 2^62 bytes": (1009, b"\x81\xff" + struct.pack("!Q", 2**62) + b"mask"),
    "a megabyte": (1009, encode(TEXT, b"x" * 2**20)),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_closes_the_connection_with_its_code(connect: Connect, name: str) -> None:
    code, data = VIOLATIONS[name]
    client, bystander = connect("client"), connect("client")
    client.line.write(data)
    assert client.close_code() == code
    assert connect("client", client.user_id).submit(placed())["type"] == "status"
    assert bystander.submit(placed())["type"] == "status"


def test_a_length_with_its_highest_bit_set_is_a_violation(client: Client) -> None:
    client.line.write(b"\x81\xff" + struct.pack("!Q", 2**63) + b"mask")
    assert client.close_code() in (1002, 1009)


def test_a_violation_closes_no_other_connection_of_the_user(client: Client, connect: Connect) -> None:
    second = connect("client", client.user_id)
    second.send(BINARY, b"x")
    assert second.close_code() == 1003
    assert client.submit(placed())["type"] == "status"


def test_nothing_after_a_violation_is_applied(order: Order, connect: Connect) -> None:
    behind = order.frame("PLACED")
    order.client.line.write(encode(TEXT, b"{}", masked=False) + encode(TEXT, json.dumps(behind).encode()))
    assert order.client.close_code() == 1002
    assert connect("client", order.client.user_id, since=0).welcome["head"] == 0


def test_a_send_before_a_violation_has_an_outcome_that_a_retry_finds(order: Order, connect: Connect) -> None:
    frame = order.frame("PLACED")
    order.client.line.write(encode(TEXT, json.dumps(frame).encode()) + encode(BINARY, b"x"))
    assert order.client.close_code() == 1003
    again = connect("client", order.client.user_id)
    assert again.submit(frame)["seq"] == 1
    assert order.serviceman.receive_status()["seq"] == 1
    assert order.serviceman.hears_nothing_more()


def test_every_way_of_disconnecting_leaves_the_relay_as_it_was(relay: Address, connect: Connect) -> None:
    for number in range(60):
        client = connect("client")
        if number % 3 == 0:
            client.send(CLOSE, struct.pack("!H", 1000))
        if number % 3 == 1:
            client.line.write(encode(TEXT, b"{" * 100)[:50])
        client.close(abruptly=number % 2 == 0)
    assert connect("client").submit(placed())["type"] == "status"
