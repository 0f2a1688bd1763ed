"""Violations of the protocol: reported, each problem once, without the content of a frame.

What contradicts what the client knows is never applied; the connection is opened again.
"""

from __future__ import annotations

import json

import pytest

from socket_bloc.order_status import OrderStatus
from socket_bloc.outbox import Send
from socket_bloc.session.effects import Close, ProtocolViolation, Reconnecting
from socket_bloc.session.state import BackingOff, Live, Synchronising
from tests.socket_bloc.driver import (
    Build,
    Driver,
    entry,
    linked,
    live,
    own,
    rejected,
    status,
    synchronising,
    welcome,
    welcomed,
)
from tests.socket_bloc.simulation import CLIENT, cancelled, placed

VIOLATION = ["violation", "close", "reconnecting in 0.5"]

# The rows of the session's table


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (welcome(2, 5, user_id="c-18"), "the welcome is for another user"),
        (welcome(2, 5, type="serviceman"), "the welcome is for another user"),
        (welcome(1, 5), "the welcome resumes the feed after 1 instead of 2"),
        (welcome(3, 5), "the welcome resumes the feed after 3 instead of 2"),
        (welcome(2, 5, epoch="e2"), "the welcome resumes the feed of another database"),
        (welcome(2, 1), "the welcome starts the feed after 2, beyond its head 1"),
        (welcome(2, 1, resumed=False), "the welcome starts the feed after 2, beyond its head 1"),
    ],
)
def test_connecting_welcome_that_is_not_true(text: str, problem: str) -> None:
    driver = live()
    driver.receive(status(1))
    driver.receive(status(2))
    driver.lose()
    assert driver.reconnect(text) == ["violation", "close", "reconnecting in 1"]
    assert driver.effects == [
        ProtocolViolation(problem),
        Close(1000, problem),
        Reconnecting(2, 1.0, problem),
    ]
    assert not driver.session.is_connected
    assert driver.connect() == ["open from 2 of e1"], "it has learnt nothing from it"


@welcomed
def test_welcomed_status_of_others_order(build: Build) -> None:
    driver = build()
    assert driver.receive(status(1, receiver="c-18")) == VIOLATION
    problem = "status 1 is of an order in which this user has no part"
    assert driver.effects[0] == ProtocolViolation(problem)
    assert driver.effects[2] == Reconnecting(1, 0.5, problem)
    assert driver.connect() == ["open from 0 of e1"]


@welcomed
def test_welcomed_the_same_status_of_others_again(build: Build) -> None:
    driver = build()
    driver.receive(status(1, receiver="c-18"))
    driver.reconnect(welcome(0, 2))
    assert driver.receive(status(1, receiver="c-18")) == ["violation"]
    assert driver.state is Synchronising
    assert driver.receive(status(2)) == ["status 2"]


def test_live_status_another_than_was_sent() -> None:
    driver = live(placed("o-1", "m-1"))
    answer = own(1, cancelled("o-1", "m-1"))
    assert driver.receive(answer) == ["violation", "queued m-1", "close", "reconnecting in 0.5"]
    assert driver.state is BackingOff
    assert len(driver.outbox) == 1


# What contradicts what the client knows


@pytest.mark.parametrize("epoch", ["e1", "e2"])
def test_a_full_history_may_be_resumed_from_any_database(epoch: str) -> None:
    driver = Driver(full_history=True)
    driver.connect()
    assert driver.receive(welcome(0, 2, epoch=epoch)) == ["connected"]


def test_a_status_of_others_at_the_head_ends_the_replay_the_second_time() -> None:
    driver = synchronising(head=1)
    driver.receive(status(1, receiver="c-18"))
    driver.reconnect(welcome(0, 1))
    driver.receive(status(1, receiver="c-18"))
    assert driver.state is Live


def test_a_status_to_this_user_is_applied() -> None:
    assert live().receive(status(1, receiver=CLIENT)) == ["status 1"]


PLACED = placed("o-1", "m-1").order_status.model_copy(
    update={"sender_id": CLIENT, "message": "The tap drips"}
)


@pytest.mark.parametrize(
    "changes",
    [
        {"message": "It drops"},
        {"order_id": "o-2"},
        {"receiver_id": "s-5"},
        {"order_status_as_int": 1008, "order_status_as_string": "CANCELLED"},
    ],
)
def test_an_answer_that_is_not_what_was_sent_settles_nothing(changes: dict[str, object]) -> None:
    driver = live(Send("m-1", PLACED))
    assert driver.receive(entry(1, "m-1", PLACED.model_copy(update=changes))) == [
        "violation",
        "queued m-1",
        "close",
        "reconnecting in 0.5",
    ]
    problem = "the answer to m-1 is not what was sent"
    assert driver.effects[0] == ProtocolViolation(problem)
    assert driver.effects[-1] == Reconnecting(1, 0.5, problem)
    assert [send.message_id for send in driver.outbox] == ["m-1"]
    assert driver.reconnect(welcome()) == ["connected", "transmit m-1"]


@pytest.mark.parametrize("sent", [PLACED, PLACED.model_copy(update={"sender_id": None, "receiver_id": None})])
def test_the_relay_may_fill_in_the_ids(sent: OrderStatus) -> None:
    driver = live(Send("m-1", sent))
    assert driver.receive(entry(1, "m-1", PLACED)) == ["status 1", "settle m-1"]
    assert len(driver.outbox) == 0


def test_another_status_under_the_message_id_of_a_queued_send_is_applied_and_settles_nothing() -> None:
    driver = synchronising(cancelled("o-1", "m-1"), head=1)
    assert driver.receive(own(1, "m-1")) == ["status 1", "transmit m-1"]
    assert driver.receive(rejected("m-1", "messageIdReused")) == ["rejected m-1", "settle m-1 durably"]


# How they are reported


@linked
def test_each_problem_is_reported_once(build: Build) -> None:
    driver = build()
    assert driver.receive('{"type":"news"}') == ["violation"]
    assert driver.receive('{"type":"gossip"}') == ["violation"]
    assert driver.receive('{"type":"news"}') == []
    driver.lose()
    driver.reconnect(welcome())
    assert driver.receive('{"type":"gossip"}') == []


def test_no_more_than_100_problems_are_reported() -> None:
    driver = live()
    reports = [driver.receive(json.dumps({"type": f"news {number}"})) for number in range(150)]
    assert reports == [["violation"]] * 100 + [[]] * 50


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "invalid frame of type None: invalid JSON"),
        ('{"type":"news"}', "invalid frame of type 'news': unknown type"),
        ('{"type":"status"}', "invalid frame of type 'status': seq: Field required"),
        (welcome(), "unexpected frame of type 'welcome'"),
    ],
)
def test_a_violation_says_what_is_wrong(text: str, problem: str) -> None:
    driver = live()
    driver.receive(text)
    assert driver.effects == [ProtocolViolation(problem)]


@pytest.mark.parametrize(
    ("message_id", "problem"),
    [(None, "rejection without a messageId"), ("m-9", "rejection of an unknown messageId")],
)
def test_a_rejection_of_nothing_that_was_sent_is_reported_with_its_code(
    message_id: str | None, problem: str
) -> None:
    driver = live()
    driver.receive(rejected(message_id, "wrongRole"))
    (effect,) = driver.effects
    assert isinstance(effect, ProtocolViolation)
    assert effect.problem.startswith(problem)
    assert "wrongRole" in effect.problem


@pytest.mark.parametrize("message_id", [None, "m-9"])
def test_a_violation_with_a_long_code_is_one_short_line(message_id: str | None) -> None:
    driver = live()
    driver.receive(rejected(message_id, "a code\n" * 1000))
    (effect,) = driver.effects
    assert isinstance(effect, ProtocolViolation)
    assert len(effect.problem) < 200
    assert effect.problem.isprintable()
