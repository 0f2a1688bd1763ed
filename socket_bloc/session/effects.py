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

__all__ = ["Close", "Effect", "Notification", "Open", "ProtocolViolation", "Reconnecting", "Transmit"]


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
Effect = Open | Transmit | Close | Reconnecting | ProtocolViolation | Notification
