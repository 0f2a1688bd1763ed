"""A database that hangs, or is full: the outcome stays open, and a retry finds it."""

from __future__ import annotations

import resource
import sqlite3
import sys
import time
from typing import Any

import pytest

from tests.blackbox.client import Client, Order
from tests.blackbox.conftest import Connect, StartRelay, until
from tests.blackbox.wire import http


def test_a_database_that_takes_no_commit_leaves_the_outcome_open_and_blocks_nothing_else(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    order = Order(connect("client", to=relay.address), connect("serviceman", to=relay.address))
    order.play("PLACED", "ACCEPTED")
    started = order.frame("STARTED")
    other = sqlite3.connect(relay.database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        at = time.monotonic()
        order.client.send_json(started)
        assert order.serviceman.hears_nothing_more()
        assert http(relay.address, "GET", "/healthz").status == 200
        assert time.monotonic() - at < 2
        answer = order.client.answer(started["messageId"])
        assert (answer["type"], answer["code"]) == ("rejected", "unavailable")
        assert time.monotonic() - at < 10
        assert http(relay.address, "GET", "/readyz").status == 503
    finally:
        other.execute("ROLLBACK")
        other.close()
    committed = try_until_committed(order.client, started)
    assert committed["seq"] == 3
    assert order.serviceman.receive_status()["messageId"] == started["messageId"]
    assert order.submit("PAYMENT")["seq"] == 4
    assert http(relay.address, "GET", "/readyz").status == 200


def try_until_committed(client: Client, frame: dict[str, Any]) -> dict[str, Any]:
    """Send the frame repeatedly, as the protocol asks after `unavailable`."""
    answers: list[dict[str, Any]] = []

    def is_committed() -> bool:
        answers.append(client.submit(frame))
        return answers[-1]["type"] == "status"

    assert until(is_committed)
    assert {answer["code"] for answer in answers[:-1]} <= {"unavailable"}
    return answers[-1]


def test_readiness_needs_a_database_that_takes_writes(start_relay: StartRelay) -> None:
    relay = start_relay()
    assert http(relay.address, "GET", "/readyz").status == 200
    other = sqlite3.connect(relay.database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        assert http(relay.address, "GET", "/readyz").status == 503
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert http(relay.address, "GET", "/readyz").status == 200


if sys.platform == "linux":  # only Linux sets limits of another process

    @pytest.mark.parametrize("room", [0, 64 * 1024])
    def test_a_full_disk_is_unavailable_and_nothing_is_lost_once_there_is_space_again(
        start_relay: StartRelay, connect: Connect, room: int
    ) -> None:
        relay = start_relay()
        client, serviceman = connect("client", to=relay.address), connect("serviceman", to=relay.address)
        orders = [Order(client, serviceman) for _ in range(30)]
        frames = [one.frame("PLACED", message="x" * 4000) for one in orders]
        assert client.submit(frames[0])["seq"] == 1
        limits = resource.prlimit(relay.pid, resource.RLIMIT_FSIZE)
        largest = max(path.stat().st_size for path in relay.database.parent.glob("orders.db*"))
        resource.prlimit(relay.pid, resource.RLIMIT_FSIZE, (largest + room, limits[1]))
        answers = [client.submit(frame) for frame in frames[1:]]
        acknowledged = [answer for answer in answers if answer["type"] == "status"]
        assert {answer["code"] for answer in answers if answer["type"] == "rejected"} == {"unavailable"}
        if room == 0:
            assert http(relay.address, "GET", "/readyz").status == 503
        assert http(relay.address, "GET", "/healthz").status == 200
        resource.prlimit(relay.pid, resource.RLIMIT_FSIZE, limits)
        again = [try_until_committed(client, frame) for frame in frames]
        assert sorted(answer["seq"] for answer in again) == list(range(1, 31))
        assert all(answer in again for answer in acknowledged)
        assert http(relay.address, "GET", "/readyz").status == 200
        relay.kill()
        relay = start_relay()
        replayed = connect("client", client.user_id, to=relay.address, since=0).replay()
        assert [frame["messageId"] for frame in replayed] == [
            answer["messageId"] for answer in sorted(again, key=lambda answer: answer["seq"])
        ]
