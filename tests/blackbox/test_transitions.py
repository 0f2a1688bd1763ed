"""The status table: each row, and every pair of statuses that is not in it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.blackbox.client import Client, Order
from tests.blackbox.conftest import Connect
from tests.blackbox.words import PATHS, TABLE, WHOLE_ORDER, fresh, send_frame

LATER = [name for name in TABLE if name != "PLACED"]
PAIRS = [(current, name) for current in TABLE for name in LATER]


@pytest.mark.parametrize(("current", "name"), [(c, n) for c, n in PAIRS if c in TABLE[n].after])
def test_a_status_may_follow_as_the_table_says(order: Order, current: str, name: str) -> None:
    order.play(*PATHS[current])
    answer = order.submit(name)
    assert answer["type"] == "status"
    assert answer["orderStatus"]["orderStatusAsInt"] == TABLE[name].number


@pytest.mark.parametrize(("current", "name"), [(c, n) for c, n in PAIRS if c not in TABLE[n].after])
def test_every_other_transition_is_rejected(order: Order, current: str, name: str) -> None:
    order.play(*PATHS[current])
    for _ in range(2):  # the second time shows that the first changed nothing
        answer = order.submit(name)
        assert answer["type"] == "rejected", answer
        assert (answer["code"], answer["currentStatus"]) == ("illegalTransition", TABLE[current].number)


@pytest.mark.parametrize("current", TABLE)
def test_an_order_is_placed_once(order: Order, current: str) -> None:
    order.play(*PATHS[current])
    answer = order.submit("PLACED")
    assert answer["type"] == "rejected", answer
    assert (answer["code"], answer["currentStatus"]) == ("orderExists", TABLE[current].number)


def test_an_order_may_be_changed_and_extended_again_and_again(order: Order) -> None:
    order.play("PLACED", "ACCEPTED", "STARTED", *("ORDER_CHANGED", "EXTENDED") * 10)
    assert order.play(*WHOLE_ORDER[5:])[-1][0]["seq"] == 26


def test_an_order_may_go_without_a_change(order: Order) -> None:
    order.play("PLACED", "ACCEPTED", "STARTED", *WHOLE_ORDER[5:])


def _race(senders: list[Client], frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send all of these at once, each from its own thread, and return the answers."""
    answers: list[dict[str, Any]] = []
    together = threading.Barrier(len(senders))

    def send(sender: Client, frame: dict[str, Any]) -> None:
        together.wait()
        answers.append(sender.submit(frame))

    threads = [threading.Thread(target=send, args=pair) for pair in zip(senders, frames, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_many_who_place_the_same_order_id_one_wins(connect: Connect) -> None:
    clients = [connect("client") for _ in range(8)]
    serviceman = connect("serviceman")
    order_id = fresh("o")
    frames = [send_frame("PLACED", order_id, receiverId=serviceman.user_id) for _ in clients]
    answers = _race(clients, frames)
    assert sorted(answer["type"] for answer in answers) == ["rejected"] * 7 + ["status"]
    assert {answer["code"] for answer in answers if answer["type"] == "rejected"} == {"orderExists"}
    assert serviceman.receive_status()["seq"] == 1
    assert serviceman.hears_nothing_more()


def test_of_two_statuses_that_exclude_each_other_one_wins(order: Order, connect: Connect) -> None:
    second = connect("client", order.client.user_id)
    order.play("PLACED", "ACCEPTED")
    frames = [order.frame("STARTED"), order.frame("CANCELLED")]
    for _ in range(2):
        second.receive_status()
    answers = _race([order.client, second], frames)
    assert sorted(answer["type"] for answer in answers) == ["rejected", "status"]
    assert [answer["code"] for answer in answers if answer["type"] == "rejected"] == ["illegalTransition"]


def test_the_client_cancels_while_the_serviceman_accepts(order: Order) -> None:
    """Either may come first; if the cancellation does, the other is rejected."""
    order.play("PLACED")
    answers = _race([order.client, order.serviceman], [order.frame("CANCELLED"), order.frame("ACCEPTED")])
    outcomes = [answer.get("code", "status") for answer in answers]
    assert outcomes.count("status") == 2 or sorted(outcomes) == ["illegalTransition", "status"]
    assert order.submit("STARTED")["currentStatus"] == 1008
