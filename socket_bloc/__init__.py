"""Real-time order statuses: a Bloc over a WebSocket.

`SocketBloc` is where to start; `OrdersCubit` folds its states into orders; `socket_bloc.bloc` is the Bloc
library underneath, which knows nothing of orders.

Each name is imported from its module on first use. So the relay, which shares the vocabulary and the
rules, does not pay for RxPY and for a WebSocket client.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socket_bloc.bloc import BlocClosedError
    from socket_bloc.connection_info import ConnectionInfo, ConnectionState
    from socket_bloc.diagram_names import SocketRecieveDataEvent, SocketRecieveDataState
    from socket_bloc.errors import (
        ConnectionRefused,
        InvalidOrderStatusError,
        NoSocketError,
        OrderRejected,
        OutboxError,
        OutboxFullError,
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
    from socket_bloc.order import Order, OrderEntry
    from socket_bloc.order_flow import ORDER_FLOW, OrderFlow, Step
    from socket_bloc.order_status import ClientType, OrderStatus, RejectionCode, StatusCode
    from socket_bloc.orders import Orders, OrdersCubit
    from socket_bloc.outbox import MemoryOutbox, Outbox, Send
    from socket_bloc.socket import Socket
    from socket_bloc.socket_bloc import SocketBloc
    from socket_bloc.sqlite_outbox import SqliteOutbox
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
else:  # hidden from type checkers, which accept any name of a module that has a `__getattr__`

    def __getattr__(name: str) -> object:
        """Import a public name, or one of `_MODULES`, on first use (PEP 562)."""
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        modules = (import_module(f"{__name__}.{module}") for module in _MODULES)
        value = next(getattr(module, name) for module in modules if name in module.__all__)
        return globals().setdefault(name, value)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "ORDER_FLOW",
    "BlocClosedError",
    "ClientType",
    "ConnectionInfo",
    "ConnectionRefused",
    "ConnectionState",
    "InvalidOrderStatusError",
    "MemoryOutbox",
    "NoSocketError",
    "Order",
    "OrderEntry",
    "OrderFlow",
    "OrderRejected",
    "OrderStatus",
    "Orders",
    "OrdersCubit",
    "Outbox",
    "OutboxError",
    "OutboxFullError",
    "ProtocolError",
    "RejectionCode",
    "Send",
    "Socket",
    "SocketBloc",
    "SocketBlocError",
    "SocketConnectEvent",
    "SocketConnectState",
    "SocketDataQueuedState",
    "SocketDataRejectedState",
    "SocketDataSentState",
    "SocketDisconnectEvent",
    "SocketDisconnectState",
    "SocketEvent",
    "SocketNullState",
    "SocketReceiveDataEvent",
    "SocketReceiveDataState",
    "SocketRecieveDataEvent",
    "SocketRecieveDataState",
    "SocketReconnectingState",
    "SocketRefusedState",
    "SocketSendDataEvent",
    "SocketState",
    "SqliteOutbox",
    "StatusCode",
    "Step",
]

# A library logs nothing unless its user configures logging.
logging.getLogger("socket_bloc").addHandler(logging.NullHandler())

# The modules that define the public names; those that import little come first.
_MODULES = (
    "order_status",
    "order_flow",
    "errors",
    "events",
    "states",
    "outbox",
    "connection_info",
    "order",
    "diagram_names",
    "bloc",
    "socket",
    "socket_bloc",
    "orders",
    "sqlite_outbox",
)
