"""The events of a `SocketBloc`, as in the class diagram."""

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
    """Connect and stay connected: a lost connection is reopened until a disconnect.

    While the connection is live, this changes nothing; during a back-off, it tries at once; after a
    refusal, it starts again.
    """


@dataclass(frozen=True)
class SocketDisconnectEvent(SocketEvent):
    """Disconnect and stay offline. What is unsettled is kept for the next connect."""


@dataclass(frozen=True)
class SocketSendDataEvent(SocketEvent):
    """Send a status, under a new `message_id` unless one is given; a retry of your own must repeat it."""

    order_status: OrderStatus
    message_id: str | None = None


@dataclass(frozen=True)
class SocketReceiveDataEvent(SocketEvent):
    """A committed status has arrived: entry `seq` of the user's feed, committed `at` (UTC)."""

    order_status: OrderStatus
    message_id: str
    seq: int
    at: datetime
