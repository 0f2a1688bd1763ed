"""What users and bug reports must know of a connection: why it is not live, what is queued, and since when.

It is put together when it is read. What happens to a connection is decided in `session`.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from socket_bloc.order_status import ClientType
from socket_bloc.outbox import Outbox
from socket_bloc.session.session import Session
from socket_bloc.session.state import (
    BackingOff,
    Connecting,
    Live,
    Offline,
    Refused,
    SessionState,
    Synchronising,
)

__all__ = ["ConnectionHistory", "ConnectionInfo", "ConnectionState"]


class ConnectionState(StrEnum):
    """The states of a connection."""

    OFFLINE = "offline"
    """No connection is wanted: before the first connect, and after a disconnect by either side."""
    CONNECTING = "connecting"
    """A connection is being opened, and the relay has not welcomed the user yet."""
    SYNCHRONISING = "synchronising"
    """What was missed is arriving. What is unsettled is sent after that."""
    LIVE = "live"
    BACKING_OFF = "backing off"
    """The connection is lost; the next attempt starts at `next_attempt_at`."""
    REFUSED = "refused"
    """The relay, or a proxy, refused the connection; only a new connect tries again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo:
    """Where the connection of a user stood `at` a moment. All times are in UTC.

    `str()` of it is for bug reports. It contains no token, no message, and of the user only the id.
    """

    user_id: str
    type: ClientType
    at: datetime
    state: ConnectionState
    since: datetime
    """When this state began; synchronising and live count from the welcome."""
    uri: str
    """The address of this attempt, or else of the next one."""
    uris: tuple[str, ...]
    attempts: int
    """The attempts to reconnect since the connection was last stable."""
    last_loss: str | None
    """Why the connection was last lost, could not be opened, or was refused."""
    last_loss_at: datetime | None
    next_attempt_at: datetime | None
    """When the next attempt starts, while backing off."""
    unsettled: int
    """The sends that are neither committed nor rejected."""
    oldest_unsettled_at: datetime | None
    """When the oldest of them was added."""
    cursor: int | None
    """The number of the last status of the feed that has arrived."""
    head: int | None
    """The number up to which the feed is arriving, while synchronising."""
    epoch: str | None
    """The database of the relay that was last connected to."""

    @property
    def oldest_unsettled_age(self) -> timedelta | None:
        """How long the oldest unsettled send has been waiting."""
        return None if self.oldest_unsettled_at is None else self.at - self.oldest_unsettled_at

    def __str__(self) -> str:
        lines = [
            _versions(),
            f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
            f"{self.type} {_line(self.user_id)}: {self.state} for {self._until(self.since)}",
            f"relay: {self._relay()}",
            f"attempts to reconnect: {self._attempts()}",
            f"last loss: {self._loss()}",
            f"unsettled: {self._unsettled()}",
            f"feed: {self._feed()}",
        ]
        return "\n".join(lines)

    def _relay(self) -> str:
        count = len(self.uris)
        return self.uri if count == 1 else f"{self.uri} (address {self.uris.index(self.uri) + 1} of {count})"

    def _attempts(self) -> str:
        following = self.next_attempt_at
        return f"{self.attempts}" + (f", the next in {_duration(following - self.at)}" if following else "")

    def _loss(self) -> str:
        if self.last_loss is None or self.last_loss_at is None:
            return "none"
        return f"{self._until(self.last_loss_at)} ago, {_line(self.last_loss)}"

    def _unsettled(self) -> str:
        if self.oldest_unsettled_at is None:
            return "none"
        return f"{self.unsettled}, the oldest for {self._until(self.oldest_unsettled_at)}"

    def _feed(self) -> str:
        if self.epoch is None:
            return "not known yet"
        head = "" if self.head is None else f" of {self.head}"
        return f"at {self.cursor}{head}, epoch {_line(self.epoch)}"

    def _until(self, time: datetime) -> str:
        return _duration(self.at - time)


def _duration(duration: timedelta) -> str:
    """Format in whole seconds, and as 0 if the clock was set back."""
    return str(timedelta(seconds=max(0, round(duration.total_seconds()))))


def _line(text: str) -> str:
    """Make what others have chosen one line."""
    return "".join(character if character.isprintable() else " " for character in text[:300])


def _versions() -> str:
    packages = ", ".join(f"{name} {_version(name)}" for name in ("socket-bloc", "websockets"))
    return f"{packages}, Python {platform.python_version()} on {platform.system()} {platform.machine()}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # copied into another program, say
        return "of an unknown version"


_STATES: Final[dict[type[SessionState], ConnectionState]] = {
    Offline: ConnectionState.OFFLINE,
    Connecting: ConnectionState.CONNECTING,
    Synchronising: ConnectionState.SYNCHRONISING,
    Live: ConnectionState.LIVE,
    BackingOff: ConnectionState.BACKING_OFF,
    Refused: ConnectionState.REFUSED,
}


class ConnectionHistory:
    """When a user's connection last changed and was last lost: the session itself reads no clock."""

    def __init__(self, user_id: str, type: ClientType) -> None:
        self._user_id = user_id
        self._type = type
        self._last_loss: str | None = None
        self._last_loss_at: datetime | None = None
        self.changed()

    def changed(self) -> None:
        """Another state has begun."""
        self._since = datetime.now(UTC)
        self._next_attempt_at: datetime | None = None

    def lost(self, reason: str, next_attempt_at: datetime | None = None) -> None:
        """Another state has begun, because the connection was lost or refused."""
        self.changed()
        self._last_loss, self._last_loss_at = reason, self._since
        self._next_attempt_at = next_attempt_at

    def disconnected(self, state: SessionState) -> None:
        """The session has become offline or refused, at whoever's wish."""
        match state:
            case Offline(str(reason)) | Refused(reason):
                self.lost(reason)
            case _:
                self.changed()

    def info(self, session: Session, outbox: Outbox) -> ConnectionInfo:
        """Put together what is known now."""
        state = session.state
        oldest = next(iter(outbox), None)
        return ConnectionInfo(
            user_id=self._user_id,
            type=self._type,
            at=datetime.now(UTC),
            state=_STATES[type(state)],
            since=self._since,
            uri=session.addresses.current,
            uris=session.addresses.uris,
            attempts=session.retries.tries,
            last_loss=self._last_loss,
            last_loss_at=self._last_loss_at,
            next_attempt_at=self._next_attempt_at,
            unsettled=len(outbox),
            oldest_unsettled_at=None if oldest is None else oldest.added_at,
            cursor=session.cursor.seq,
            head=state.head if isinstance(state, Synchronising) else None,
            epoch=session.cursor.epoch,
        )
