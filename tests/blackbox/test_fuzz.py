"""Randomly corrupted frames: each gets an answer or a documented close code, and the relay keeps running.

The randomness has fixed seeds, so that what fails once fails again.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.blackbox.client import Client
from tests.blackbox.conftest import Connect
from tests.blackbox.wire import TEXT, ClosedByRelayError, encode
from tests.blackbox.words import FINAL_CODES, TABLE, fresh, send_frame

CLOSE_CODES = {1002, 1003, 1007, 1008, 1009}
PIECES = [
    "\x00",
    "\\u0000",
    "\\ud800",
    "NaN",
    "1e999",
    "{",
    "}",
    "[",
    "]",
    '"',
    ",",
    ":",
    "null",
    "😀",
    "\\",
    "-",
    " ",
]


def good(chance: random.Random) -> dict[str, Any]:
    name = chance.choice(list(TABLE))
    return send_frame(name, fresh("o"), receiverId=fresh("x"), message="".join(chance.choices(PIECES, k=5)))


def spoilt(chance: random.Random) -> str:
    """The text of a valid frame with parts removed, repeated, or replaced."""
    text = json.dumps(good(chance), ensure_ascii=chance.random() < 0.5)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(text))
        end = min(len(text), start + chance.choice([0, 0, 1, 1, 5, 40]))
        text = text[:start] + chance.choice(["", text[start:end] * 2, chance.choice(PIECES)]) + text[end:]
    return text


def is_served(client: Client) -> bool:
    """Return whether a valid frame on this connection is answered correctly."""
    frame = send_frame("STARTED", fresh("o"))
    role_is_right = client.role == "client"
    return client.submit(frame)["code"] == ("unknownOrder" if role_is_right else "wrongRole")


@pytest.mark.parametrize("seed", range(10))
def test_a_corrupted_text_is_answered_with_a_frame_of_the_protocol(connect: Connect, seed: int) -> None:
    chance = random.Random(seed)
    role = chance.choice(["client", "serviceman"])
    for _ in range(40):
        client = connect(role)
        client.send_text(spoilt(chance))
        answer = client.receive()
        assert answer["type"] == "status" or answer["code"] in FINAL_CODES
        assert is_served(client)
        client.close()


@pytest.mark.parametrize("seed", range(10))
def test_corrupted_bytes_are_answered_with_a_frame_or_a_close_code_of_the_protocol(
    connect: Connect, seed: int
) -> None:
    """If a header promises more bytes than follow, nothing comes, and the test disconnects in mid-frame."""
    chance = random.Random(1000 + seed)
    bystander = connect("client")
    for _ in range(20):
        client = connect("client")
        data = bytearray(b"".join(encode(TEXT, json.dumps(good(chance)).encode()) for _ in range(3)))
        for _ in range(chance.randint(1, 4)):
            data[chance.choice([0, 1, 2, 3, chance.randrange(len(data))])] = chance.randrange(256)
        client.line.write(bytes(data))
        client.line.set_timeout(0.1)
        code: int | None = None
        try:
            for _ in range(3):
                answer = client.receive()
                assert answer["type"] == "status" or answer["code"] in FINAL_CODES
        except ClosedByRelayError as closed:
            code = closed.code
        except TimeoutError:
            pass
        assert code is None or code in CLOSE_CODES
        client.close(abruptly=chance.random() < 0.5)
    assert is_served(bystander)
