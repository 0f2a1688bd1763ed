"""The open orders, followed from one state of all orders to the next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from socket_bloc import ORDER_FLOW, ClientType, Order, OrderEntry, OrderFlow, Orders, OrderStatus, StatusCode
from tui.widgets.open_orders import OpenOrders

AT = datetime(2026, 11, 22, 10, 1, 12, tzinfo=UTC)
CLIENT, SERVICEMAN = ClientType.CLIENT, ClientType.SERVICEMAN


class CountingFlow(OrderFlow):
    """Counts how often it is asked whether an order is open."""

    asked = 0

    def is_open(self, current_status: int) -> bool:
        self.asked += 1
        return super().is_open(current_status)


def order_in(status: StatusCode, order_id: str, flow: OrderFlow = ORDER_FLOW, seq: int = 1) -> Order:
    entry = OrderEntry(seq, AT, "m-1", OrderStatus.of(status, order_id=order_id))
    return Order(order_id, entries=(entry,), flow=flow)


def test_an_order_is_open_until_it_has_ended_or_is_removed() -> None:
    opened = OpenOrders(CLIENT)
    orders = Orders().with_order(order_in(StatusCode.PLACED, "o-1"))
    orders = orders.with_order(order_in(StatusCode.CANCELLED, "o-2"))
    orders = orders.with_order(order_in(StatusCode.ACCEPTED, "o-3"))
    opened.follow(orders)
    assert [order.order_id for order in opened.orders] == ["o-1", "o-3"]
    assert opened.ended == 1
    orders = orders.with_order(order_in(StatusCode.CANCELLED, "o-1")).with_order(Order("o-3"))
    opened.follow(orders)
    assert not opened.orders
    assert opened.ended == 2
    assert "o-1" not in opened


@pytest.mark.parametrize(("role", "first"), [(CLIENT, "o-2"), (SERVICEMAN, "o-1")])
def test_the_first_order_for_a_user_is_one_that_waits_for_them_or_else_any_open_one(
    role: ClientType, first: str
) -> None:
    opened = OpenOrders(role)
    assert opened.first is None
    orders = Orders().with_order(order_in(StatusCode.PLACED, "o-1"))
    opened.follow(orders)
    assert opened.first == "o-1"
    opened.follow(orders.with_order(order_in(StatusCode.ACCEPTED, "o-2")))
    assert opened.first == first
    assert opened.mine == 1


def test_the_orders_that_wait_for_the_user_are_listed_first_and_of_each_kind_the_newest() -> None:
    opened = OpenOrders(CLIENT)
    orders = Orders()
    for seq, (order_id, status) in enumerate(
        {
            "o-1": StatusCode.PLACED,
            "o-2": StatusCode.ACCEPTED,
            "o-3": StatusCode.PLACED,
            "o-4": StatusCode.ACCEPTED,
        }.items()
    ):
        orders = orders.with_order(order_in(status, order_id, seq=seq))
    opened.follow(orders)
    assert [order.order_id for order in opened.ranked] == ["o-4", "o-2", "o-3", "o-1"]
    opened.follow(orders.with_order(order_in(StatusCode.STARTED, "o-1", seq=5)))
    assert [order.order_id for order in opened.ranked] == ["o-1", "o-4", "o-2", "o-3"]


def test_only_orders_that_have_changed_are_checked() -> None:
    flow = CountingFlow(ORDER_FLOW.steps)
    orders = Orders(flow=flow)
    for number in range(5000):
        orders = orders.with_order(order_in(StatusCode.PLACED, f"o-{number}", flow))
    opened = OpenOrders(CLIENT)
    opened.follow(orders)
    flow.asked = 0
    opened.follow(orders.with_order(order_in(StatusCode.CANCELLED, "o-4711", flow)))
    assert opened.ended == 1
    assert flow.asked == 1
