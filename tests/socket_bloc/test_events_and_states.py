"""The events, states and errors: their fields, and which of them are equal."""

from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from socket_bloc.errors import (
    ConnectionRefused,
    InvalidOrderStatusError,
    NoSocketError,
    OrderRejected,
    ProtocolError,
    SocketBlocError,
)
from socket_bloc.events import (
    SocketConnectEvent,
    SocketDisconnectEvent,
    SocketEvent,
    SocketReceiveDataEvent,
    SocketSendDataEvent,
)
from socket_bloc.order_status import OrderStatus, RejectionCode, StatusCode
from socket_bloc.states import (
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketDisconnectState,
    SocketNullState,
    SocketReceiveDataState,
    SocketReconnectingState,
    SocketRefusedState,
    SocketState,
)

AT = datetime(2026, 11, 22, 10, 1, 12, tzinfo=UTC)
STATUS = OrderStatus.of(StatusCode.STARTED, order_id="7d3e", message="Here I am")

EVENTS: list[SocketEvent] = [
    SocketConnectEvent(),
    SocketDisconnectEvent(),
    SocketSendDataEvent(STATUS),
    SocketReceiveDataEvent(STATUS, "9f1c", 18, AT),
]
FACTS: list[SocketState] = [
    SocketDisconnectState(),
    SocketConnectState(resumed=True, epoch="5f0c"),
    SocketReconnectingState(1, AT, "closed with 1006"),
    SocketReceiveDataState(STATUS, "9f1c", 18, AT),
    SocketDataSentState(STATUS, "9f1c", 18, AT),
    SocketDataQueuedState(STATUS, "9f1c"),
]
ANSWERS: list[SocketState] = [
    SocketRefusedState("refused with HTTP 403"),
    SocketDataRejectedState(STATUS, "9f1c", RejectionCode.WRONG_ROLE, "why", None),
    SocketNullState(SocketDisconnectEvent()),
]


def name_of(thing: object) -> str:
    return type(thing).__name__


@pytest.mark.parametrize("base", [SocketEvent, SocketState])
def test_a_base_is_abstract_and_says_so(base: type) -> None:
    with pytest.raises(TypeError, match=rf"^{base.__name__} is abstract; build one of its subclasses$"):
        base()


@pytest.mark.parametrize("thing", [*EVENTS, *FACTS], ids=name_of)
def test_events_and_most_states_are_compared_by_value(thing: Any) -> None:
    twin = replace(thing)
    assert twin is not thing
    assert twin == thing
    assert len({twin, thing}) == 1


@pytest.mark.parametrize("thing", ANSWERS, ids=name_of)
def test_a_state_that_answers_a_request_equals_only_itself(thing: Any) -> None:
    twin = replace(thing)
    assert thing == thing
    assert twin != thing
    assert len({twin, thing, thing}) == 2


@pytest.mark.parametrize(
    ("thing", "other"), itertools.combinations([*EVENTS, *FACTS, *ANSWERS], 2), ids=name_of
)
def test_instances_of_different_classes_differ(thing: object, other: object) -> None:
    assert thing != other


@pytest.mark.parametrize("thing", [*EVENTS, *FACTS, *ANSWERS], ids=name_of)
def test_events_and_states_are_frozen(thing: SocketEvent | SocketState) -> None:
    with pytest.raises(FrozenInstanceError):
        thing.order_status = STATUS  # type: ignore[union-attr]


def test_reconnecting_and_refused_are_kinds_of_disconnected() -> None:
    assert isinstance(SocketReconnectingState(1, AT, "closed with 1006"), SocketDisconnectState)
    assert isinstance(SocketRefusedState("refused with HTTP 403"), SocketDisconnectState)
    assert SocketReconnectingState(1, AT, "closed with 1006") != SocketDisconnectState()


def test_the_message_of_a_sent_status_is_the_message_of_the_status() -> None:
    assert SocketDataSentState(STATUS, "9f1c", 18, AT).message == "Here I am"


def test_the_message_id_of_a_send_event_is_optional() -> None:
    assert SocketSendDataEvent(STATUS).message_id is None
    assert SocketSendDataEvent(STATUS, "9f1c") == SocketSendDataEvent(STATUS, message_id="9f1c")


def test_a_rejected_order_has_the_code_and_the_reason() -> None:
    error = OrderRejected(RejectionCode.ORDER_EXISTS, "order 7d3e exists already", 1005)
    assert str(error) == "orderExists: order 7d3e exists already"
    assert (error.code, error.reason, error.current_status) == (
        RejectionCode.ORDER_EXISTS,
        "order 7d3e exists already",
        1005,
    )
    assert str(OrderRejected("tooEarly", "wait", None)) == "tooEarly: wait"


def test_a_refused_connection_has_the_reason() -> None:
    error = ConnectionRefused("refused with HTTP 403")
    assert str(error) == error.reason == "refused with HTTP 403"


def test_without_a_socket_the_error_says_what_to_do() -> None:
    assert str(NoSocketError()) == "there is no socket to send through; add a SocketConnectEvent first"


def test_a_status_that_may_not_be_sent_is_a_value_error_that_names_the_field() -> None:
    error = InvalidOrderStatusError("receiver_id", "PLACED needs one")
    assert isinstance(error, ValueError)
    assert not isinstance(error, SocketBlocError)
    assert (error.field, error.reason) == ("receiver_id", "PLACED needs one")
    assert str(error) == "receiver_id: PLACED needs one"


@pytest.mark.parametrize("error", [OrderRejected, NoSocketError, ConnectionRefused, ProtocolError])
def test_the_errors_that_the_caller_did_not_cause_have_one_base_class(error: type[Exception]) -> None:
    assert issubclass(error, SocketBlocError)
