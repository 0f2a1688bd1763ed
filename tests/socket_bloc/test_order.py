"""Whose turn it is, and what may be sent now: asked of a flow, and of one order."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from types import MappingProxyType

import pytest

from socket_bloc import ORDER_FLOW, ClientType, Order, OrderEntry, OrderFlow, OrderStatus, StatusCode, Step

AT = datetime(2026, 11, 22, 10, 1, 12, tzinfo=UTC)
CLIENT, SERVICEMAN = ClientType.CLIENT, ClientType.SERVICEMAN

# After each status, the one that is awaited and who sends it; written out by hand.
AWAITED: dict[StatusCode, tuple[StatusCode, ClientType] | None] = {
    StatusCode.PLACED: (StatusCode.ACCEPTED, SERVICEMAN),
    StatusCode.ACCEPTED: (StatusCode.STARTED, CLIENT),
    StatusCode.STARTED: (StatusCode.PAYMENT, CLIENT),
    StatusCode.ORDER_CHANGED: (StatusCode.EXTENDED, CLIENT),
    StatusCode.EXTENDED: (StatusCode.PAYMENT, CLIENT),
    StatusCode.PAYMENT: (StatusCode.PAYMENT_VERIFICATION, SERVICEMAN),
    StatusCode.PAYMENT_VERIFICATION: (StatusCode.ORDER_COMPLETE, CLIENT),
    StatusCode.ORDER_COMPLETE: None,
    StatusCode.CANCELLED: None,
}


class Ride(IntEnum):
    HAILED = 1
    TAKEN = 2
    GIVEN_UP = 3


RIDES = OrderFlow(
    [
        Step(Ride.HAILED, CLIENT),
        Step(Ride.TAKEN, SERVICEMAN, frozenset({Ride.HAILED})),
        Step(Ride.GIVEN_UP, CLIENT, frozenset({Ride.HAILED})),
    ]
)


def order_in(status: IntEnum, role: ClientType | None = None, flow: OrderFlow = ORDER_FLOW) -> Order:
    entry = OrderEntry(1, AT, "m-1", OrderStatus.of(status, order_id="o-1"))
    return Order("o-1", "c-17", "s-4", (entry,), role=role, flow=flow)


@pytest.mark.parametrize("status", StatusCode)
def test_an_order_awaits_the_step_that_brings_it_nearest_to_its_end(status: StatusCode) -> None:
    order = order_in(status)
    step = order.awaited
    assert (step and (step.status, step.sent_by)) == AWAITED[status]
    assert order.is_open == (AWAITED[status] is not None)
    for role in ClientType:
        assert order.is_turn_of(role) == (step is not None and step.sent_by is role)


@pytest.mark.parametrize("status", StatusCode)
@pytest.mark.parametrize("role", ClientType)
def test_a_user_may_send_what_may_follow_and_belongs_to_their_role(
    status: StatusCode, role: ClientType
) -> None:
    allowed = {code for code in StatusCode if order_in(status, role).may_send(code)}
    assert allowed == {step.status for step in ORDER_FLOW.following(status) if step.sent_by is role}


def test_if_the_role_is_unknown_what_either_party_may_send_is_allowed() -> None:
    allowed = {code for code in StatusCode if order_in(StatusCode.PLACED).may_send(code)}
    assert allowed == {StatusCode.ACCEPTED, StatusCode.CANCELLED}


def test_an_unknown_order_awaits_nothing_and_may_be_placed_by_the_client() -> None:
    order = Order("o-2", role=CLIENT)
    assert order.awaited is None
    assert not order.is_open
    assert not order.is_turn_of(CLIENT)
    assert [code for code in StatusCode if order.may_send(code)] == [StatusCode.PLACED]
    assert not Order("o-2", role=SERVICEMAN).may_send(StatusCode.PLACED)


def test_an_order_has_a_party_for_each_role() -> None:
    assert [order_in(StatusCode.PLACED).party(role) for role in (CLIENT, SERVICEMAN)] == ["c-17", "s-4"]


def test_a_pending_status_counts_as_committed() -> None:
    accepted = OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1")
    placed = order_in(StatusCode.PLACED, SERVICEMAN)
    sent = placed.with_pending("m-2", accepted, in_flight=True)
    assert sent.current_status == StatusCode.PLACED
    assert sent.is_turn_of(CLIENT)
    assert not sent.may_send(StatusCode.ACCEPTED)
    queued = sent.with_pending("m-2", accepted, in_flight=False)
    assert queued.pending == MappingProxyType({"m-2": accepted})
    assert queued.in_flight == frozenset()
    assert queued.without_pending("m-2") == placed


def test_if_every_step_ends_the_order_the_first_row_is_awaited() -> None:
    step = order_in(Ride.HAILED, flow=RIDES).awaited
    assert step is RIDES.steps[1]
    assert order_in(Ride.TAKEN, flow=RIDES).awaited is None


def test_a_flow_without_an_end_awaits_the_first_row_that_may_follow() -> None:
    endless = OrderFlow(
        [
            Step(Ride.HAILED, CLIENT, frozenset({Ride.TAKEN})),
            Step(Ride.TAKEN, SERVICEMAN, frozenset({Ride.HAILED, Ride.TAKEN})),
        ]
    )
    assert endless.awaited(Ride.TAKEN) is endless.steps[0]
    assert endless.awaited(Ride.HAILED) is endless.steps[1]


def test_nothing_follows_a_status_that_is_not_of_the_flow() -> None:
    assert ORDER_FLOW.awaited(1) is None
    assert ORDER_FLOW.reachable(1) == frozenset()


@pytest.mark.parametrize(
    ("status", "reachable"),
    [
        (StatusCode.ORDER_COMPLETE, set()),
        (StatusCode.PAYMENT, {StatusCode.PAYMENT_VERIFICATION, StatusCode.ORDER_COMPLETE}),
        (
            StatusCode.EXTENDED,
            {
                StatusCode.ORDER_CHANGED,
                StatusCode.EXTENDED,
                StatusCode.PAYMENT,
                StatusCode.PAYMENT_VERIFICATION,
                StatusCode.ORDER_COMPLETE,
            },
        ),
        (StatusCode.PLACED, set(StatusCode) - {StatusCode.PLACED}),
    ],
)
def test_a_status_is_reachable_if_any_path_leads_to_it(
    status: StatusCode, reachable: set[StatusCode]
) -> None:
    assert ORDER_FLOW.reachable(status) == reachable
