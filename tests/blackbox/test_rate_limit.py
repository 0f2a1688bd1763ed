"""The rate limit of a connection: frames over it are rejected, and nothing is lost."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.blackbox.client import Client
from tests.blackbox.conftest import Connect, StartRelay, until
from tests.blackbox.wire import TEXT, encode
from tests.blackbox.words import fresh, send_frame


def burst(client: Client, count: int) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Send `count` new orders at once; return the frames, and the answer to each message id."""
    frames = [send_frame("PLACED", fresh("o"), receiverId="s") for _ in range(count)]
    client.line.write(b"".join(encode(TEXT, _json(frame)) for frame in frames))
    answers = [client.receive() for _ in frames]
    return frames, {answer["messageId"]: answer for answer in answers}


def _json(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame).encode()


def limited(answers: dict[str, dict[str, Any]]) -> list[str]:
    """The message ids that were rejected, which must all be `rateLimited`."""
    refused = [answer for answer in answers.values() if answer["type"] == "rejected"]
    assert {answer["code"] for answer in refused} <= {"rateLimited"}
    assert {answer["currentStatus"] for answer in refused} <= {None}
    return [answer["messageId"] for answer in refused]


def test_a_burst_passes_and_what_exceeds_it_is_rejected(start_relay: StartRelay, connect: Connect) -> None:
    relay = start_relay(rate_limit=5, rate_burst=10)
    client = connect("client", to=relay.address)
    started = time.monotonic()
    frames, answers = burst(client, 60)
    most = 10 + 5 * (time.monotonic() - started) + 1
    refused = limited(answers)
    assert 10 <= len(frames) - len(refused) <= most
    assert refused[0] not in [frame["messageId"] for frame in frames[:10]]
    again = connect("client", client.user_id, to=relay.address, since=0)
    assert again.welcome["head"] == len(frames) - len(refused)


def test_the_same_message_id_is_accepted_once_the_rate_allows_it(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay(rate_limit=20, rate_burst=5)
    client = connect("client", to=relay.address)
    frames, answers = burst(client, 20)
    open_ = [frame for frame in frames if frame["messageId"] in limited(answers)]
    assert open_
    for frame in open_:
        assert until(lambda frame=frame: client.submit(frame)["type"] == "status")
    assert connect("client", client.user_id, to=relay.address, since=0).welcome["head"] == 20


def test_the_rate_is_that_of_one_connection(start_relay: StartRelay, connect: Connect) -> None:
    relay = start_relay(rate_limit=1, rate_burst=3)
    client = connect("client", to=relay.address)
    assert limited(burst(client, 10)[1])
    second = connect("client", client.user_id, to=relay.address)
    assert second.submit(send_frame("PLACED", fresh("o"), receiverId="s"))["type"] == "status"


def test_by_default_it_is_a_hundred_a_second_with_a_burst_of_two_hundred(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay(rate_limit=None)
    client = connect("client", to=relay.address)
    started = time.monotonic()
    frames, answers = burst(client, 600)
    passed = len(frames) - len(limited(answers))
    assert 200 <= passed <= 200 + 100 * (time.monotonic() - started) + 1


def test_zero_disables_the_rate_limit(start_relay: StartRelay, connect: Connect) -> None:
    relay = start_relay(rate_limit=0)
    assert limited(burst(connect("client", to=relay.address), 1500)[1]) == []
