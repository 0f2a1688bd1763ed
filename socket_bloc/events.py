"""What a `SocketBloc` is told: the events of the class diagram."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from socket_bloc.order_status import OrderStatus

__all__ = [
    "SocketConnectEvent",
    "SocketDisconnectEvent",
    "SocketEvent",
    "SocketReceiveDataEvent",
    "SocketSendDataEvent",
]


class SocketEvent:
    """The base of all events; abstract, as in the diagram."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Refuse to build the base itself."""
        if cls is SocketEvent:
            raise TypeError("SocketEvent is abstract; build one of its subclasses")
        return super().__new__(cls)


@dataclass(frozen=True)
class SocketConnectEvent(SocketEvent):
    """Connect, and stay connected: until a disconnect, a lost connection is opened again.

    While the connection is live this changes nothing; while it backs off, the next try is made now;
    after a refusal it starts afresh.
    """


@dataclass(frozen=True)
class SocketDisconnectEvent(SocketEvent):
    """Disconnect, and stay away. What is not yet settled is kept for the next connect."""


@dataclass(frozen=True)
class SocketSendDataEvent(SocketEvent):
    """Send a status. Without a `message_id` it gets a new one; a retry of your own must repeat the first."""

    order_status: OrderStatus
    message_id: str | None = None


@dataclass(frozen=True)
class SocketReceiveDataEvent(SocketEvent):
    """A committed status has arrived: entry `seq` of the user's feed, committed `at` (UTC)."""

    order_status: OrderStatus
    message_id: str
    seq: int
    at: datetime
