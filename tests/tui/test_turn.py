"""The texts about whose turn it is and why not; for the diagram's flow and for another one."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum

import pytest

from socket_bloc import ORDER_FLOW, ClientType, Order, OrderEntry, OrderFlow, OrderStatus, StatusCode, Step
from tui.widgets.labels import labels_of
from tui.widgets.text import local_time, one_line, short_id
from tui.widgets.turn import turn_text, why_not

AT = datetime(2026, 11, 22, 10, 1, 12, tzinfo=UTC)
CLIENT, SERVICEMAN = ClientType.CLIENT, ClientType.SERVICEMAN


def order_in(status: IntEnum, flow: OrderFlow = ORDER_FLOW) -> Order:
    entry = OrderEntry(1, AT, "m-1", OrderStatus.of(status, order_id="o-1"))
    return Order("o-1", "c-17", "s-4", (entry,), flow=flow)


@pytest.mark.parametrize(
    ("status", "client", "serviceman"),
    [
        (StatusCode.PLACED, "◷ s-4's turn: accept the order", "▶ YOUR TURN: accept the order"),
        (StatusCode.ACCEPTED, "▶ YOUR TURN: start the work", "◷ c-17's turn: start the work"),
        (StatusCode.STARTED, "▶ YOUR TURN: pay", "◷ c-17's turn: pay"),
        (
            StatusCode.ORDER_CHANGED,
            "▶ YOUR TURN: approve the extension",
            "◷ c-17's turn: approve the extension",
        ),
        (StatusCode.EXTENDED, "▶ YOUR TURN: pay", "◷ c-17's turn: pay"),
        (StatusCode.PAYMENT, "◷ s-4's turn: verify the payment", "▶ YOUR TURN: verify the payment"),
        (
            StatusCode.PAYMENT_VERIFICATION,
            "▶ YOUR TURN: complete the order",
            "◷ c-17's turn: complete the order",
        ),
        (StatusCode.ORDER_COMPLETE, "■ ENDED: the order is completed", "■ ENDED: the order is completed"),
        (StatusCode.CANCELLED, "■ ENDED: the order is cancelled", "■ ENDED: the order is cancelled"),
    ],
)
def test_each_status_shows_whose_turn_it_is(status: StatusCode, client: str, serviceman: str) -> None:
    order = order_in(status)
    assert turn_text(CLIENT, order).plain == client
    assert turn_text(SERVICEMAN, order).plain == serviceman


@pytest.mark.parametrize(
    ("step", "status", "reason"),
    [
        (StatusCode.PAYMENT, StatusCode.PLACED, "once started or extended"),
        (StatusCode.PAYMENT, StatusCode.ORDER_CHANGED, "once extended"),
        (StatusCode.PAYMENT, StatusCode.PAYMENT, "only while started or extended"),
        (StatusCode.CANCELLED, StatusCode.STARTED, "only while placed or accepted"),
        (StatusCode.ACCEPTED, StatusCode.CANCELLED, "the order is cancelled"),
    ],
)
def test_a_step_not_allowed_says_when_it_is(step: StatusCode, status: StatusCode, reason: str) -> None:
    (row,) = (row for row in ORDER_FLOW.steps if row.status is step)
    assert why_not(row, order_in(status)) == reason


def test_a_queued_status_is_shown_before_whose_turn_it_is() -> None:
    accepted = OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1")
    sent = order_in(StatusCode.PLACED).with_pending("m-2", accepted, in_flight=True)
    assert turn_text(SERVICEMAN, sent).plain == "◷ c-17's turn: start the work"
    queued = sent.with_pending("m-2", accepted, in_flight=False)
    assert turn_text(SERVICEMAN, queued).plain == "◷ QUEUED: accepted; then c-17's turn: start the work"


class Ride(IntEnum):
    ASKED = 1
    PICKED_UP = 2
    GIVEN_UP = 3


def test_a_custom_flow_gets_labels_from_its_names() -> None:
    flow = OrderFlow(
        [
            Step(Ride.ASKED, CLIENT),
            Step(Ride.PICKED_UP, SERVICEMAN, frozenset({Ride.ASKED})),
            Step(Ride.GIVEN_UP, CLIENT, frozenset({Ride.ASKED})),
        ]
    )
    asked = order_in(Ride.ASKED, flow)
    assert labels_of(flow.steps[1]).button == "Picked up"
    # Both end the order, so that the first row of the table is waited for.
    assert turn_text(CLIENT, asked).plain == "◷ s-4's turn: picked up"
    assert turn_text(CLIENT, order_in(Ride.PICKED_UP, flow)).plain == "■ ENDED: the order is picked up"


def test_a_users_text_neither_breaks_its_line_nor_moves_the_cursor() -> None:
    assert one_line(" a\tb\r\n\x1b[31mc\x9b2J\u202ed\u2028e ") == "a b [31mc 2J d e"
    assert one_line("Schlüssel 钥匙 🔑") == "Schlüssel 钥匙 🔑"


def test_orders_of_the_same_moment_have_different_short_ids() -> None:
    ids = ("01a20eefccc37460851800f1c2057e64", "01a20eefccc37b4a851167c8d51ad133", "o-1", None)
    assert [short_id(order_id) for order_id in ids] == ["057e64", "1ad133", "o-1", ""]


def test_a_time_on_another_day_shows_the_day() -> None:
    assert local_time(AT, AT) == "10:01:12"
    assert local_time(AT, AT.replace(day=23)) == "22 Nov 10:01"
