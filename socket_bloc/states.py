"""The states of a `SocketBloc`: those of the class diagram, and others that a user must see.

States are compared by value, and a Bloc drops a state that equals the last one. Those that answer a
request are compared by identity, so that two refusals are two states.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from socket_bloc.events import SocketEvent
from socket_bloc.order_status import OrderStatus, RejectionCode

__all__ = [
    "SocketConnectState",
    "SocketDataQueuedState",
    "SocketDataRejectedState",
    "SocketDataSentState",
    "SocketDisconnectState",
    "SocketNullState",
    "SocketReceiveDataState",
    "SocketReconnectingState",
    "SocketRefusedState",
    "SocketState",
]


class SocketState:
    """The base of all states; abstract, as in the diagram."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Refuse to build the base itself."""
        if cls is SocketState:
            raise TypeError("SocketState is abstract; build one of its subclasses")
        return super().__new__(cls)


@dataclass(frozen=True)
class SocketConnectState(SocketState):
    """The relay has welcomed this user; the replay of what was missed follows.

    If `resumed` is False, the replay starts over: discard what is known of the orders and rebuild it.
    `epoch` names the database of the relay.
    """

    resumed: bool
    epoch: str


@dataclass(frozen=True)
class SocketDisconnectState(SocketState):
    """There is no connection, and none is being opened (except in its two subclasses)."""


@dataclass(frozen=True)
class SocketReconnectingState(SocketDisconnectState):
    """The connection is lost; try number `attempt` (from 1) starts at `next_attempt_at` (UTC)."""

    attempt: int
    next_attempt_at: datetime
    reason: str


@dataclass(frozen=True, eq=False)
class SocketRefusedState(SocketDisconnectState):
    """The relay, or a proxy in front of it, refused the connection; only a new connect event tries again."""

    reason: str

    # Its base class is compared by value, which this class would inherit.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True)
class SocketReceiveDataState(SocketState):
    """A status of the other party: entry `seq` of the feed, committed `at` (UTC)."""

    order_status: OrderStatus
    message_id: str
    seq: int
    at: datetime


@dataclass(frozen=True)
class SocketDataSentState(SocketState):
    """A status of this user was committed: entry `seq` of the feed, committed `at` (UTC).

    Also if it is replayed after a restart, or was sent on another of the user's connections.
    """

    order_status: OrderStatus
    message_id: str
    seq: int
    at: datetime

    @property
    def message(self) -> str:
        """The text of the status."""
        return self.order_status.message


@dataclass(frozen=True)
class SocketDataQueuedState(SocketState):
    """A status waits in the outbox: for a connection, or for an earlier status of its order."""

    order_status: OrderStatus
    message_id: str


@dataclass(frozen=True, eq=False)
class SocketDataRejectedState(SocketState):
    """The relay rejected a status; nothing was changed.

    `code` is a plain string if the relay is newer than this library. `current_status` is the status of
    the order, if it exists and this user is a party to it.
    """

    order_status: OrderStatus
    message_id: str
    code: RejectionCode | str
    reason: str
    current_status: int | None


@dataclass(frozen=True, eq=False)
class SocketNullState(SocketState):
    """The answer to an event that needs a socket when there is none; it carries that event."""

    event: SocketEvent
