"""Each member of the class diagram exists in Python, under the name that the README's table gives it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import socket_bloc
from socket_bloc import ClientType, OrderStatus, Socket, SocketBloc, SocketEvent, SocketState
from socket_bloc.bloc import Bloc

# class, member in the diagram, member in Python
MEMBERS = [
    ("SocketBloc", "userId", "user_id"),
    ("SocketBloc", "type", "type"),
    ("SocketBloc", "isConnected", "is_connected"),
    ("SocketBloc", "socket", "_socket"),
    ("SocketBloc", "_socketRecieveDataSubscription", "_socket_receive_data_subscription"),
    ("SocketBloc", "recieveOrderStatus", "receive_order_status"),
    ("SocketBloc", "recieveOrderStatus", "recieve_order_status"),
    ("SocketBloc", "sendOrderStatus", "send_order_status"),
    ("SocketBloc", "close", "close"),
    ("Socket", "WEBSOCKETURI", "WEBSOCKET_URI"),
    ("Socket", "servicemanId", "serviceman_id"),
    ("Socket", "channel", "channel"),
    ("Socket", "openConnection", "open_connection"),
    ("Socket", "getOrderStatusStream", "get_order_status_stream"),
    ("Socket", "sendOrderStatus", "send_order_status"),
    ("Socket", "closeConnection", "close_connection"),
    ("SocketRecieveDataEvent", "orderStatus", "order_status"),
    ("SocketSendDataEvent", "orderStatus", "order_status"),
    ("SocketRecieveDataState", "orderStatus", "order_status"),
    ("SocketDataSentState", "message", "message"),
    ("OrderStatus", "orderStatusAsString", "order_status_as_string"),
    ("OrderStatus", "orderStatusAsInt", "order_status_as_int"),
    ("OrderStatus", "message", "message"),
    ("OrderStatus", "senderId", "sender_id"),
    ("OrderStatus", "receiverId", "receiver_id"),
    ("OrderStatus", "orderId", "order_id"),
]

# class, its base in the diagram
BASES = [
    ("SocketConnectEvent", "SocketEvent"),
    ("SocketDisconnectEvent", "SocketEvent"),
    ("SocketRecieveDataEvent", "SocketEvent"),
    ("SocketReceiveDataEvent", "SocketEvent"),
    ("SocketSendDataEvent", "SocketEvent"),
    ("SocketConnectState", "SocketState"),
    ("SocketDisconnectState", "SocketState"),
    ("SocketRecieveDataState", "SocketState"),
    ("SocketReceiveDataState", "SocketState"),
    ("SocketDataSentState", "SocketState"),
    ("SocketNullState", "SocketState"),
]


def members(name: str) -> set[str]:
    """Return what an instance of a class has: methods, fields, and attributes that `__init__` sets."""
    kind = getattr(socket_bloc, name)
    found = set(dir(kind))
    if dataclasses.is_dataclass(kind):
        found |= {field.name for field in dataclasses.fields(kind)}
    if issubclass(kind, OrderStatus):
        found |= set(kind.model_fields)
    if issubclass(kind, Socket | SocketBloc):
        found |= set(vars(kind("c-17", ClientType.CLIENT)))
    return found


@pytest.mark.parametrize(("kind", "diagram", "python"), MEMBERS)
def test_each_member_of_the_diagram_exists(kind: str, diagram: str, python: str) -> None:
    assert python in members(kind), f"{kind}.{diagram}"


@pytest.mark.parametrize(("kind", "base"), BASES)
def test_each_event_and_state_derives_from_its_base(kind: str, base: str) -> None:
    assert issubclass(getattr(socket_bloc, kind), getattr(socket_bloc, base))


@pytest.mark.parametrize("base", [SocketEvent, SocketState])
def test_the_bases_are_abstract(base: type[Any]) -> None:
    with pytest.raises(TypeError, match="abstract"):
        base()


def test_the_bloc_is_a_bloc_of_these_events_and_states() -> None:
    assert Bloc[SocketEvent, SocketState] in SocketBloc.__orig_bases__


def test_the_two_types_of_client_are_those_of_the_diagram() -> None:
    assert [type.value for type in ClientType] == ["client", "serviceman"]
