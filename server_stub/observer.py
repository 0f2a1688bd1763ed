"""Observers of a relay, and how the relay is protected from their exceptions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec

from server_stub.records import Entry, User
from socket_bloc.frames import SendFrame
from socket_bloc.order_status import Rejection

__all__ = ["Observers", "RelayObserver"]

_log = logging.getLogger("server_stub")
P = ParamSpec("P")


class RelayObserver:
    """Hooks that a relay calls in its event loop; override the ones you need.

    An exception of an override is logged and otherwise ignored. The relay waits until it returns.
    """

    def connected(self, user: User) -> None:
        """A connection of `user` is open; its `welcome` is sent next."""

    def received(self, user: User, frame: SendFrame) -> None:
        """A well-formed `send` of `user` has arrived; it was not checked against the rules yet."""

    def committed(self, entry: Entry) -> None:
        """A status was committed durably; it is sent to its parties next. Once for each status."""

    def pushed(self, user: User, seq: int) -> None:
        """Entry `seq` of the feed of `user` was written to one of their connections."""

    def rejected(self, user: User, message_id: str | None, rejection: Rejection) -> None:
        """A frame of `user` was answered with a `rejected`."""

    def batch_ended(self, size: int, seconds: float, failed: bool) -> None:
        """A transaction with `size` submissions has ended; its COMMIT took so long."""

    def disconnected(self, user: User, close_code: int) -> None:
        """A connection of `user` has ended; `close_code` is 1006 if there was no close frame."""


class Observers:
    """Notifies the metrics and the user's observer; exceptions of the latter are logged."""

    def __init__(self, own: RelayObserver, other: RelayObserver | None) -> None:
        other, base = other or RelayObserver(), RelayObserver
        self.connected = _notify_both(own.connected, other.connected, base.connected)
        self.received = _notify_both(own.received, other.received, base.received)
        self.committed = _notify_both(own.committed, other.committed, base.committed)
        self.pushed = _notify_both(own.pushed, other.pushed, base.pushed)
        self.rejected = _notify_both(own.rejected, other.rejected, base.rejected)
        self.batch_ended = _notify_both(own.batch_ended, other.batch_ended, base.batch_ended)
        self.disconnected = _notify_both(own.disconnected, other.disconnected, base.disconnected)


def _notify_both(own: Callable[P, None], other: Callable[P, None], base: object) -> Callable[P, None]:
    if getattr(other, "__func__", None) is base:
        return own  # not overridden: costs nothing

    def notify(*args: P.args, **kwargs: P.kwargs) -> None:
        own(*args, **kwargs)
        try:
            other(*args, **kwargs)
        except Exception:
            _log.exception("an observer failed")

    return notify
