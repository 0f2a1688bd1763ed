"""The queues of unsettled sends: which one may be transmitted, and when."""

from __future__ import annotations

from socket_bloc.outbox import Send
from socket_bloc.session.delivery import Delivery
from tests.socket_bloc.simulation import cancelled, placed

A1, A2, A3 = placed("o-a", "a-1"), cancelled("o-a", "a-2"), cancelled("o-a", "a-3")
B1, B2 = placed("o-b", "b-1"), cancelled("o-b", "b-2")


def delivery_of(*sends: Send, jitter: float = 1.0) -> Delivery:
    return Delivery(sends, lambda: jitter)


def settle(delivery: Delivery, message_id: str) -> Send | None:
    """Answer a send, and settle it at once."""
    delivery.mark_answered(message_id)
    return delivery.settle(message_id)


def test_the_first_send_of_an_order_is_ready_and_the_others_wait() -> None:
    delivery = delivery_of()
    assert [delivery.add(send) for send in (A1, A2, B1, A3, B2)] == [True, False, True, False, False]
    assert delivery.ready() == [A1, B1]
    assert delivery_of(A1, A2, B1).ready() == [A1, B1]


def test_the_same_send_again_is_not_queued_again() -> None:
    delivery = delivery_of(A1)
    assert not delivery.add(A1)
    assert settle(delivery, "a-1") is None
    assert delivery.ready() == []


def test_settling_a_send_returns_the_next_of_its_order() -> None:
    delivery = delivery_of(A1, A2, B1, A3)
    assert settle(delivery, "a-1") == A2
    assert delivery.ready() == [A2, B1]
    assert settle(delivery, "b-1") is None
    assert settle(delivery, "a-2") == A3
    assert settle(delivery, "a-3") is None
    assert delivery.ready() == []


def test_a_send_that_is_settled_out_of_order_leaves_the_first_one_first() -> None:
    delivery = delivery_of(A1, A2, A3)
    assert settle(delivery, "a-2") is None
    assert delivery.ready() == [A1]
    assert settle(delivery, "a-1") == A3


def test_a_send_is_unanswered_until_its_answer_and_held_until_it_is_settled() -> None:
    delivery = delivery_of(A1, A2)
    assert (delivery.unanswered("a-1"), delivery.holds("a-1")) == (A1, True)
    delivery.mark_answered("a-1")
    assert (delivery.unanswered("a-1"), delivery.holds("a-1")) == (None, True)
    delivery.settle("a-1")
    assert (delivery.unanswered("a-1"), delivery.holds("a-1")) == (None, False)
    assert (delivery.unanswered("a-2"), delivery.holds("a-2")) == (A2, True)


def test_the_next_of_an_order_waits_until_the_one_before_is_settled() -> None:
    delivery = delivery_of(A1, A2, B1)
    delivery.mark_sent(A1, 100.0)
    delivery.mark_answered("a-1")
    assert delivery.deadline is None
    assert delivery.connection_lost() == []
    assert delivery.ready() == [B1]
    assert not delivery.add(A3)
    assert delivery.settle("a-1") == A2


def test_a_send_that_was_answered_out_of_order_does_not_follow() -> None:
    delivery = delivery_of(A1, A2, A3)
    delivery.mark_answered("a-2")
    assert settle(delivery, "a-1") is None
    assert delivery.ready() == []
    assert delivery.settle("a-2") == A3


def test_an_answer_is_overdue_20_s_after_the_oldest_send_in_flight() -> None:
    delivery = delivery_of(A1, B1)
    assert delivery.deadline is None
    assert not delivery.is_overdue(1e9)
    delivery.mark_sent(A1, 100.0)
    delivery.mark_sent(B1, 105.0)
    assert delivery.deadline == 120
    assert (delivery.is_overdue(119.9), delivery.is_overdue(120.0)) == (False, True)
    settle(delivery, "a-1")
    assert delivery.deadline == 125
    assert (delivery.is_overdue(124.9), delivery.is_overdue(125.0)) == (False, True)


def test_a_send_that_is_deferred_again_is_due_later_each_time() -> None:
    delivery = delivery_of(A1)
    now = 100.0
    for delay in (0.5, 1, 2, 4, 8, 16, 30, 30):
        delivery.mark_sent(A1, now)
        delivery.defer("a-1", now)
        assert delivery.deadline == now + delay
        assert delivery.due(now + delay - 0.1) == []
        now += delay
        assert delivery.due(now) == [A1]
        assert not delivery.is_overdue(now + 100)
    delivery.mark_sent(A1, now)
    assert delivery.due(now + 100) == []


def test_a_send_that_is_added_again_after_it_was_settled_starts_with_the_shortest_delay() -> None:
    delivery = delivery_of(A1)
    for _ in range(2):
        for _ in range(3):
            delivery.mark_sent(A1, 100.0)
            delivery.defer("a-1", 100.0)
        assert delivery.deadline == 102
        settle(delivery, "a-1")
        assert delivery.deadline is None
        delivery.add(A1)


def test_a_send_that_is_not_in_flight_is_not_deferred() -> None:
    delivery = delivery_of(A1, A2)
    delivery.defer("a-1", 100.0)
    delivery.defer("unknown", 100.0)
    assert delivery.deadline is None
    delivery.mark_sent(A1, 100.0)
    delivery.defer("a-1", 100.0)
    delivery.defer("a-1", 100.0)
    assert delivery.deadline == 100.5


def test_the_deadline_is_that_of_the_send_that_is_due_or_overdue_first() -> None:
    delivery = delivery_of(A1, B1)
    delivery.mark_sent(A1, 100.0)
    delivery.mark_sent(B1, 101.0)
    delivery.defer("b-1", 101.0)
    assert delivery.deadline == 101.5
    settle(delivery, "b-1")
    assert delivery.deadline == 120


def test_a_lost_connection_returns_what_was_in_flight_and_forgets_all_times() -> None:
    delivery = delivery_of(A1, A2, B1)
    for _ in range(3):
        delivery.mark_sent(B1, 100.0)
        delivery.defer("b-1", 100.0)
    delivery.mark_sent(A1, 100.0)
    assert delivery.connection_lost() == [A1]
    assert delivery.deadline is None
    assert delivery.connection_lost() == []
    assert delivery.ready() == [A1, B1]
    delivery.mark_sent(B1, 200.0)
    delivery.defer("b-1", 200.0)
    assert delivery.deadline == 200.5
