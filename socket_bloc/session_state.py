"""Where a `Session` may stand. Times are in seconds of the session's clock; attempts are numbered from 1."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BackingOff", "Connecting", "Live", "Offline", "Refused", "SessionState", "Synchronising"]


@dataclass(frozen=True, slots=True)
class Offline:
    """Nobody has asked for a connection."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt is under way; once it is open, the welcome is due at `answer_by`."""

    attempt: int
    answer_by: float | None = None


@dataclass(frozen=True, slots=True)
class Synchronising:
    """The replay is coming in, up to `head`; its next status is due at `answer_by`."""

    attempt: int
    head: int
    answer_by: float


@dataclass(frozen=True, slots=True)
class Live:
    """The feed is up to date, and sends go out."""

    attempt: int
    since: float


@dataclass(frozen=True, slots=True)
class BackingOff:
    """The connection is away; the next attempt comes at `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Given up, until somebody asks again."""

    reason: str


SessionState = Offline | Connecting | Synchronising | Live | BackingOff | Refused
