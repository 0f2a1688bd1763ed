"""What a `Session` wants done: effects for the socket, and notifications for the user.

The notifications are the states and the event of the class diagram, ready to be passed on.
"""

from __future__ import annotations

from dataclasses import dataclass

from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.states import (
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDisconnectState,
    SocketRefusedState,
)

__all__ = [
    "Close",
    "Effect",
    "Notification",
    "Open",
    "ProtocolViolation",
    "Reconnecting",
    "Settle",
    "Transmit",
]


@dataclass(frozen=True, slots=True)
class Open:
    """Open a connection to `uri`, as attempt number `attempt`, with `since` and `epoch` in the query."""

    attempt: int
    uri: str
    since: int | None
    epoch: str | None


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write this text frame to the connection."""

    text: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Remove a send from the outbox, now that its outcome has been announced.

    If that is lost, the send is sent again: one that was committed is then recognised by the relay, but
    one that was rejected would be judged again. So its removal must be as durable as its addition was.
    """

    message_id: str
    durably: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection, or cancel the attempt to open it."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """Announce that the connection is lost, and that try number `tries` follows in `delay` seconds."""

    tries: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class ProtocolViolation:
    """Report that the relay violated the protocol. `problem` quotes no message text and may be logged."""

    problem: str


Notification = (
    SocketConnectState
    | SocketDisconnectState
    | SocketRefusedState
    | SocketDataQueuedState
    | SocketDataRejectedState
    | SocketReceiveDataEvent
)
Effect = Open | Transmit | Settle | Close | Reconnecting | ProtocolViolation | Notification
