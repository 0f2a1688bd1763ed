"""The sends: which one goes out when, and how each is settled."""

from __future__ import annotations

import json

import pytest

from socket_bloc.order_status import OrderStatus, RejectionCode, StatusCode
from socket_bloc.outbox import Send
from socket_bloc.session.delivery import Delivery, backoff
from socket_bloc.session.effects import Transmit
from socket_bloc.session.state import BackingOff, Live
from socket_bloc.states import SocketDataQueuedState, SocketDataRejectedState
from tests.socket_bloc.session.test_session import (
    Build,
    backing_off,
    connecting,
    live,
    own,
    rejected,
    status,
    synchronising,
    welcome,
    welcomed,
    with_a_socket,
)
from tests.socket_bloc.simulation import cancelled, placed

A1, A2, A3 = placed("o-a", "a-1"), cancelled("o-a", "a-2"), cancelled("o-a", "a-3")
B1, B2 = placed("o-b", "b-1"), cancelled("o-b", "b-2")


def delivery_of(*sends: Send, jitter: float = 1.0) -> Delivery:
    return Delivery(sends, lambda: jitter)


# The queues


def test_a_back_off_doubles_up_to_30_s() -> None:
    assert [backoff(tries, lambda: 1.0) for tries in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff(10_000, lambda: 1.0) == 30


@pytest.mark.parametrize(("jitter", "delay"), [(0.0, 0.0), (0.25, 1.0), (1.0, 4.0)])
def test_a_back_off_is_spread_from_nothing_to_the_whole(jitter: float, delay: float) -> None:
    assert backoff(3, lambda: jitter) == delay


def test_the_first_send_of_an_order_may_go_out_and_the_others_wait() -> None:
    delivery = delivery_of()
    assert [delivery.add(send) for send in (A1, A2, B1, A3, B2)] == [True, False, True, False, False]
    assert delivery.heads() == [A1, B1]
    assert delivery_of(A1, A2, B1).heads() == [A1, B1]


def test_the_same_send_again_is_not_queued_again() -> None:
    delivery = delivery_of(A1)
    assert not delivery.add(A1)
    assert delivery.settle("a-1") is None
    assert delivery.heads() == []


def test_a_settled_send_gives_way_to_the_next_of_its_order() -> None:
    delivery = delivery_of(A1, A2, B1, A3)
    assert delivery.settle("a-1") == A2
    assert delivery.heads() == [A2, B1]
    assert delivery.settle("b-1") is None
    assert delivery.settle("a-2") == A3
    assert delivery.settle("a-3") is None
    assert delivery.heads() == []


def test_a_send_that_is_settled_out_of_turn_leaves_the_first_one_first() -> None:
    delivery = delivery_of(A1, A2, A3)
    assert delivery.settle("a-2") is None
    assert delivery.heads() == [A1]
    assert delivery.settle("a-1") == A3


def test_an_unsettled_send_is_known_by_its_message_id() -> None:
    delivery = delivery_of(A1, A2)
    delivery.settle("a-1")
    assert (delivery.get("a-1"), delivery.get("a-2")) == (None, A2)
    assert delivery.settle("a-1") is None


def test_an_answer_is_overdue_20_s_after_the_oldest_send_in_flight() -> None:
    delivery = delivery_of(A1, B1)
    assert delivery.deadline is None
    assert not delivery.is_overdue(1e9)
    delivery.sent(A1, 100.0)
    delivery.sent(B1, 105.0)
    assert delivery.deadline == 120
    assert (delivery.is_overdue(119.9), delivery.is_overdue(120.0)) == (False, True)
    delivery.settle("a-1")
    assert delivery.deadline == 125
    assert (delivery.is_overdue(124.9), delivery.is_overdue(125.0)) == (False, True)


def test_a_send_that_is_put_off_is_due_ever_later() -> None:
    delivery = delivery_of(A1)
    now = 100.0
    for delay in (0.5, 1, 2, 4, 8, 16, 30, 30):
        delivery.sent(A1, now)
        delivery.put_off("a-1", now)
        assert delivery.deadline == now + delay
        assert delivery.due(now + delay - 0.1) == []
        now += delay
        assert delivery.due(now) == [A1]
        assert not delivery.is_overdue(now + 100)
    delivery.sent(A1, now)
    assert delivery.due(now + 100) == []


def test_a_send_that_was_settled_and_comes_again_is_due_soon() -> None:
    delivery = delivery_of(A1)
    for _ in range(2):
        for _ in range(3):
            delivery.sent(A1, 100.0)
            delivery.put_off("a-1", 100.0)
        assert delivery.deadline == 102
        delivery.settle("a-1")
        assert delivery.deadline is None
        delivery.add(A1)


def test_what_is_not_in_flight_is_not_put_off() -> None:
    delivery = delivery_of(A1, A2)
    delivery.put_off("a-1", 100.0)
    delivery.put_off("unknown", 100.0)
    assert delivery.deadline is None
    delivery.sent(A1, 100.0)
    delivery.put_off("a-1", 100.0)
    delivery.put_off("a-1", 100.0)
    assert delivery.deadline == 100.5


def test_the_clock_is_looked_at_for_what_comes_first() -> None:
    delivery = delivery_of(A1, B1)
    delivery.sent(A1, 100.0)
    delivery.sent(B1, 101.0)
    delivery.put_off("b-1", 101.0)
    assert delivery.deadline == 101.5
    delivery.settle("b-1")
    assert delivery.deadline == 120


def test_a_lost_connection_gives_back_what_was_in_flight_and_forgets_all_times() -> None:
    delivery = delivery_of(A1, A2, B1)
    for _ in range(3):
        delivery.sent(B1, 100.0)
        delivery.put_off("b-1", 100.0)
    delivery.sent(A1, 100.0)
    assert delivery.connection_lost() == [A1]
    assert delivery.deadline is None
    assert delivery.connection_lost() == []
    assert delivery.heads() == [A1, B1]
    delivery.sent(B1, 200.0)
    delivery.put_off("b-1", 200.0)
    assert delivery.deadline == 200.5


# The rows of the session's table


@welcomed
def test_welcomed_rejected_for_good(build: Build) -> None:
    first = placed("o-1", "m-1")
    driver = build(first, cancelled("o-1", "m-2"))
    state = driver.state
    assert driver.receive(rejected("m-1", "orderExists", 1005)) == ["rejected m-1"] + ["transmit m-2"] * (
        state is Live
    )
    assert driver.state is state
    assert [send.message_id for send in driver.outbox] == ["m-2"]


@pytest.mark.parametrize("code", ["rateLimited", "unavailable"])
def test_welcomed_rejected_for_now(code: str) -> None:
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


def test_live_send_the_first_of_its_order() -> None:
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
    assert driver.receive(own(1, "a-1")) == ["status 1", "transmit a-2"]
    assert driver.receive(own(2, "b-1")) == ["status 2"]
    assert driver.receive(own(3, "a-2")) == ["status 3", "transmit a-3"]


def test_a_cancelled_goes_out_only_after_the_placed_before_it_was_refused() -> None:
    driver = live()
    assert driver.send(A1) == ["transmit a-1"]
    assert driver.send(A2) == ["queued a-2"]
    assert driver.receive(rejected("a-1", "rateLimited")) == []
    assert driver.wait(0.5) == ["transmit a-1"]
    assert driver.receive(rejected("a-1", "orderExists")) == ["rejected a-1", "transmit a-2"]
    assert driver.receive(rejected("a-2", "unknownOrder")) == ["rejected a-2"]
    assert len(driver.outbox) == 0


def test_what_waits_for_another_try_holds_up_its_own_order_alone() -> None:
    driver = live(A1, A2)
    driver.receive(rejected("a-1", "unavailable"))
    assert driver.send(A3) == ["queued a-3"]
    assert driver.send(B1) == ["transmit b-1"]


def test_another_try_comes_ever_later() -> None:
    driver = live(A1)
    for delay in (0.5, 1, 2, 4):
        assert driver.receive(rejected("a-1", "rateLimited")) == []
        assert driver.due_in == delay
        assert driver.wait(delay) == ["transmit a-1"]


def test_on_a_new_connection_what_was_put_off_goes_out_at_once() -> None:
    driver = live(A1)
    driver.receive(rejected("a-1", "rateLimited"))
    assert driver.lose() == ["reconnecting in 0.5"]
    assert driver.reconnect(welcome()) == ["connected", "transmit a-1"]


# How a send is settled


@pytest.mark.parametrize("code", ["tooEarly", "malformed", "messageIdReused"])
def test_any_other_code_is_final_also_one_that_is_not_known(code: str) -> None:
    driver = live(A1)
    assert driver.receive(rejected("a-1", code)) == ["rejected a-1"]
    assert len(driver.outbox) == 0


@pytest.mark.parametrize("message_id", [None, "a-9"])
def test_a_rejection_that_names_no_send_settles_none(message_id: str | None) -> None:
    driver = live(A1)
    assert driver.receive(rejected(message_id)) == ["report"]
    assert len(driver.outbox) == 1


@welcomed
def test_a_status_of_the_other_party_under_the_same_message_id_settles_nothing(build: Build) -> None:
    driver = build(A1)
    assert driver.receive(status(1, "a-1"))[0] == "status 1"
    assert driver.receive(status(1, "a-1")) == []
    assert len(driver.outbox) == 1


def test_what_the_replay_brings_is_not_sent_again() -> None:
    driver = synchronising(A1, A2, B1, head=2)
    assert driver.receive(own(1, "a-1")) == ["status 1"]
    assert driver.receive(status(2)) == ["status 2", "transmit a-2", "transmit b-1"]


def test_a_rejection_before_the_welcome_settles_nothing() -> None:
    driver = connecting(placed("o-1", "m-1"))
    assert driver.receive(rejected("m-1")) == ["report"]
    assert len(driver.outbox) == 1


# What the effects hold


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


def test_a_rejection_is_told_whole() -> None:
    send = placed("o-1", "m-1")
    driver = live(send)
    driver.receive(rejected("m-1", "orderExists", 1005))
    (effect,) = driver.effects
    assert isinstance(effect, SocketDataRejectedState)
    assert (effect.order_status, effect.message_id) == (send.order_status, "m-1")
    assert (effect.code, effect.reason, effect.current_status) == (
        RejectionCode.ORDER_EXISTS,
        "not now",
        1005,
    )
