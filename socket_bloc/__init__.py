"""Real-time order statuses: a Bloc over a WebSocket.

`SocketBloc` is where to start; `OrdersCubit` folds its states into orders; `socket_bloc.bloc` is the Bloc
library underneath, which knows nothing of orders.
"""

from __future__ import annotations

import logging

from socket_bloc.bloc import BlocClosedError
from socket_bloc.diagram_names import SocketRecieveDataEvent, SocketRecieveDataState
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
from socket_bloc.order import Order, OrderEntry
from socket_bloc.order_flow import ORDER_FLOW, OrderFlow, Step
from socket_bloc.order_status import ClientType, OrderStatus, RejectionCode, StatusCode
from socket_bloc.orders import Orders, OrdersCubit
from socket_bloc.outbox import MemoryOutbox, Outbox, Send
from socket_bloc.socket import Socket
from socket_bloc.socket_bloc import SocketBloc
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

__all__ = [
    "ORDER_FLOW",
    "BlocClosedError",
    "ClientType",
    "ConnectionRefused",
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
    "StatusCode",
    "Step",
]

# A library says nothing on the screen unless its user sets up logging.
logging.getLogger("socket_bloc").addHandler(logging.NullHandler())
