"""What a `Session` wants done, and what it wants told.

The first five are for the socket to carry out. What is told beside them are the states and the event
of the class diagram, ready to be passed on.
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

__all__ = ["Close", "Effect", "Open", "Reconnecting", "Report", "Told", "Transmit"]


@dataclass(frozen=True, slots=True)
class Open:
    """Open a connection, as attempt number `attempt`, with this in the query."""

    attempt: int
    since: int | None
    epoch: str | None


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write this text frame to the connection."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection, or stop opening it."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """Tell that the connection is away, and that try number `tries` comes in `delay` seconds."""

    tries: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Tell that what the relay says is wrong. The text holds no content of a frame and may be logged."""

    problem: str


Told = (
    SocketConnectState
    | SocketDisconnectState
    | SocketRefusedState
    | SocketDataQueuedState
    | SocketDataRejectedState
    | SocketReceiveDataEvent
)
Effect = Open | Transmit | Close | Reconnecting | Report | Told
