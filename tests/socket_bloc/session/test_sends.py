"""The sends of a session: when each is transmitted, how it is settled, and that none is lost before that."""

from __future__ import annotations

import json

import pytest

from socket_bloc.errors import NoSocketError
from socket_bloc.order_status import OrderStatus, RejectionCode, StatusCode
from socket_bloc.outbox import Send
from socket_bloc.session.effects import Transmit
from socket_bloc.session.state import BackingOff, Live
from socket_bloc.states import SocketDataQueuedState, SocketDataRejectedState
from tests.socket_bloc.driver import (
    Build,
    backing_off,
    connecting,
    live,
    own,
    refused,
    rejected,
    status,
    synchronising,
    welcome,
    welcomed,
    with_a_socket,
    without_a_socket,
)
from tests.socket_bloc.simulation import cancelled, placed

A1, A2, A3 = placed("o-a", "a-1"), cancelled("o-a", "a-2"), cancelled("o-a", "a-3")
B1 = placed("o-b", "b-1")
OWN, REJECTED = own(1, "m-1"), rejected("m-1")


# The rows of the session's table


@welcomed
def test_welcomed_rejected_final(build: Build) -> None:
    driver = build(placed("o-1", "m-1"), cancelled("o-1", "m-2"))
    driver.announces = False
    state = driver.state
    assert driver.receive(rejected("m-1", "orderExists", 1005)) == ["rejected m-1"]
    assert driver.receive(rejected("m-1", "orderExists", 1005)) == ["violation"]
    assert driver.state is state
    assert len(driver.outbox) == 2


@pytest.mark.parametrize("code", ["rateLimited", "unavailable"])
def test_welcomed_rejected_not_final(code: str) -> None:
    driver = live(placed("o-1", "m-1"))
    assert driver.receive(rejected("m-1", code)) == []
    assert driver.due_in == 0.5
    assert driver.wait(0.4) == []
    assert driver.wait(0.1) == ["transmit m-1"]
    assert driver.state is Live


def test_live_no_answer_to_a_send_for_20_s() -> None:
    driver = live()
    driver.send(placed("o-1", "m-1"))
    assert driver.wait(19.9) == []
    assert driver.wait(0.1) == ["queued m-1", "close", "reconnecting in 0.5"]
    assert driver.state is BackingOff


@pytest.mark.parametrize(("answer", "settle"), [(OWN, "settle m-1"), (REJECTED, "settle m-1 durably")])
def test_live_an_outcome_was_announced(answer: str, settle: str) -> None:
    driver = live(placed("o-1", "m-1"), cancelled("o-1", "m-2"))
    driver.announces = False
    driver.receive(answer)
    assert driver.announce("m-1") == [settle, "transmit m-2"]
    assert driver.announce("m-1") == driver.announce("m-2") == []
    assert [send.message_id for send in driver.outbox] == ["m-2"]


@pytest.mark.parametrize(("answer", "settle"), [(OWN, "settle m-1"), (REJECTED, "settle m-1 durably")])
def test_otherwise_an_outcome_was_announced(answer: str, settle: str) -> None:
    driver = live(placed("o-1", "m-1"), cancelled("o-1", "m-2"))
    driver.announces = False
    driver.receive(answer)
    assert driver.lose() == ["reconnecting in 0.5"]
    assert driver.announce("m-1") == [settle]
    assert driver.reconnect(welcome(driver.session.cursor.seq or 0))[-1] == "transmit m-2"


def test_live_send_first_of_its_order() -> None:
    driver = live()
    assert driver.send(placed("o-1", "m-1")) == ["transmit m-1"]
    assert driver.send(placed("o-2", "m-2")) == ["transmit m-2"]
    assert driver.state is Live
    assert len(driver.outbox) == 2


@with_a_socket
def test_with_a_socket_send_otherwise(build: Build) -> None:
    driver = build(placed("o-1", "m-1"))
    state = driver.session.state
    send = cancelled("o-1", "m-2")
    assert driver.send(send) == ["queued m-2"]
    assert driver.effects == [SocketDataQueuedState(send.order_status, "m-2")]
    assert driver.session.state == state
    assert len(driver.outbox) == 2


@pytest.mark.parametrize("build", [connecting, synchronising, backing_off])
def test_with_a_socket_that_is_not_live_the_first_of_its_order_is_queued_too(build: Build) -> None:
    assert build().send(A1) == ["queued a-1"]


# One in flight for each order


def test_of_each_order_one_send_is_in_flight() -> None:
    driver = live()
    sends = [driver.send(send) for send in (A1, A2, B1, A3)]
    assert sends == [["transmit a-1"], ["queued a-2"], ["transmit b-1"], ["queued a-3"]]
    assert driver.receive(own(1, A1)) == ["status 1", "settle a-1", "transmit a-2"]
    assert driver.receive(own(2, B1)) == ["status 2", "settle b-1"]
    assert driver.receive(own(3, A2)) == ["status 3", "settle a-2", "transmit a-3"]


def test_a_cancelled_is_transmitted_only_after_the_placed_before_it_was_rejected() -> None:
    driver = live()
    assert driver.send(A1) == ["transmit a-1"]
    assert driver.send(A2) == ["queued a-2"]
    assert driver.receive(rejected("a-1", "rateLimited")) == []
    assert driver.wait(0.5) == ["transmit a-1"]
    answers = driver.receive(rejected("a-1", "orderExists")), driver.receive(rejected("a-2", "unknownOrder"))
    assert answers == (
        ["rejected a-1", "settle a-1 durably", "transmit a-2"],
        ["rejected a-2", "settle a-2 durably"],
    )
    assert len(driver.outbox) == 0


def test_a_deferred_send_delays_only_its_own_order() -> None:
    driver = live(A1, A2)
    driver.receive(rejected("a-1", "unavailable"))
    assert driver.send(A3) == ["queued a-3"]
    assert driver.send(B1) == ["transmit b-1"]


def test_each_deferral_is_longer() -> None:
    driver = live(A1)
    for delay in (0.5, 1, 2, 4):
        assert driver.receive(rejected("a-1", "rateLimited")) == []
        assert driver.due_in == delay
        assert driver.wait(delay) == ["transmit a-1"]


def test_on_a_new_connection_a_deferred_send_is_transmitted_at_once() -> None:
    driver = live(A1)
    driver.receive(rejected("a-1", "rateLimited"))
    assert driver.lose() == ["reconnecting in 0.5"]
    assert driver.reconnect(welcome()) == ["connected", "transmit a-1"]


# How a send is settled


@pytest.mark.parametrize("code", ["tooEarly", "malformed", "messageIdReused"])
def test_any_other_code_is_final_even_an_unknown_one(code: str) -> None:
    driver = live(A1)
    assert driver.receive(rejected("a-1", code)) == ["rejected a-1", "settle a-1 durably"]
    assert len(driver.outbox) == 0


@pytest.mark.parametrize("message_id", [None, "a-9"])
def test_a_rejection_of_an_unknown_message_id_settles_nothing(message_id: str | None) -> None:
    driver = live(A1)
    assert driver.receive(rejected(message_id)) == ["violation"]
    assert len(driver.outbox) == 1


@welcomed
def test_a_status_of_the_other_party_under_the_same_message_id_settles_nothing(build: Build) -> None:
    driver = build(A1)
    assert driver.receive(status(1, "a-1"))[0] == "status 1"
    assert driver.receive(status(1, "a-1")) == []
    assert len(driver.outbox) == 1


def test_what_the_replay_settles_is_not_transmitted_again() -> None:
    driver = synchronising(A1, A2, B1, head=2)
    assert driver.receive(own(1, A1)) == ["status 1", "settle a-1"]
    assert driver.receive(status(2)) == ["status 2", "transmit a-2", "transmit b-1"]


def test_what_the_end_of_the_replay_answers_is_not_transmitted_before_it_is_settled() -> None:
    driver = synchronising(A1, A2, B1, head=1)
    driver.announces = False
    assert driver.receive(own(1, A1)) == ["status 1", "transmit b-1"]
    assert driver.send(A1) == []
    assert driver.announce("a-1") == ["settle a-1", "transmit a-2"]


def test_an_answer_that_was_not_announced_yet_is_not_requested_again() -> None:
    driver = live(A1, A2)
    driver.announces = False
    driver.receive(rejected("a-1"))
    assert driver.disconnect() == ["close", "disconnected"]
    assert driver.reconnect(welcome()) == ["connected"]
    assert driver.announce("a-1") == ["settle a-1 durably", "transmit a-2"]


def test_a_rejection_before_the_welcome_settles_nothing() -> None:
    driver = connecting(placed("o-1", "m-1"))
    assert driver.receive(rejected("m-1")) == ["violation"]
    assert len(driver.outbox) == 1


# The fields of the effects


def test_a_transmitted_send_is_a_frame_of_the_protocol() -> None:
    driver = live()
    driver.send(
        Send("m-1", OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="Hi"))
    )
    (effect,) = driver.effects
    assert isinstance(effect, Transmit)
    assert json.loads(effect.text) == {
        "type": "send",
        "messageId": "m-1",
        "orderStatus": {
            "orderStatusAsString": "PLACED",
            "orderStatusAsInt": 1001,
            "message": "Hi",
            "senderId": None,
            "receiverId": "s-4",
            "orderId": "o-1",
        },
    }


def test_a_rejection_is_passed_on_with_all_its_fields() -> None:
    send = placed("o-1", "m-1")
    driver = live(send)
    driver.receive(rejected("m-1", "orderExists", 1005))
    effect, _ = driver.effects
    assert isinstance(effect, SocketDataRejectedState)
    assert (effect.order_status, effect.message_id) == (send.order_status, "m-1")
    assert (effect.code, effect.reason, effect.current_status) == (
        RejectionCode.ORDER_EXISTS,
        "not now",
        1005,
    )


# What the outbox keeps


@without_a_socket
def test_without_a_socket_send(build: Build) -> None:
    driver = build()
    with pytest.raises(NoSocketError):
        driver.send(A1)
    assert driver.reconnect(welcome()) == ["connected"]


def test_a_disconnect_and_a_refusal_keep_what_is_unsettled() -> None:
    driver = live(A1, A2)
    assert driver.disconnect() == ["queued a-1", "close", "disconnected"]
    assert driver.reconnect(welcome()) == ["connected", "transmit a-1"]
    driver = refused(A1, A2)
    assert driver.reconnect(welcome()) == ["connected", "transmit a-1"]
    assert len(driver.outbox) == 2


def test_the_same_send_again_is_not_transmitted_again() -> None:
    driver = live()
    driver.send(A1)
    assert driver.send(A1) == []


@without_a_socket
def test_without_a_socket_an_older_send_is_kept_when_it_is_sent_again(build: Build) -> None:
    driver = build(A1)
    with pytest.raises(NoSocketError):
        driver.send(A1)
    assert list(driver.outbox) == [A1]
    assert driver.reconnect(welcome()) == ["connected", "transmit a-1"]
