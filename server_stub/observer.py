"""Watching a relay: what it tells, and how it keeps those it tells from hurting it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import ParamSpec

from server_stub.records import Entry, User
from socket_bloc.frames import SendFrame
from socket_bloc.order_status import Rejection

__all__ = ["RelayObserver", "Watch"]

_log = logging.getLogger("server_stub")
P = ParamSpec("P")


class RelayObserver:
    """Told of what happens in a relay, in its event loop: override what you want to know.

    What an override raises is logged and harms nobody; while it runs, the relay waits.
    """

    def connected(self, user: User) -> None:
        """A connection of `user` is open, and about to be sent its `welcome`."""

    def received(self, user: User, frame: SendFrame) -> None:
        """A well-formed `send` of `user` has come, and was not judged yet."""

    def committed(self, entry: Entry) -> None:
        """A status is in the database, durably, and nobody has been told yet. Once for each status."""

    def pushed(self, user: User, seq: int) -> None:
        """Entry `seq` of the feed of `user` was written to one of their connections."""

    def rejected(self, user: User, message_id: str | None, rejection: Rejection) -> None:
        """A frame of `user` was answered with a `rejected`."""

    def batch_ended(self, size: int, seconds: float, failed: bool) -> None:
        """A transaction with `size` drafts has ended; its COMMIT took so long."""

    def disconnected(self, user: User, close_code: int) -> None:
        """A connection of `user` is gone; `close_code` is 1006 where there was no close frame."""


class Watch:
    """Tells several observers. What none of them overrides costs a call that does nothing."""

    def __init__(self, observers: Iterable[RelayObserver]) -> None:
        watching = tuple(observers)
        self.connected = _tell([o.connected for o in watching if _overrides(o, "connected")])
        self.received = _tell([o.received for o in watching if _overrides(o, "received")])
        self.committed = _tell([o.committed for o in watching if _overrides(o, "committed")])
        self.pushed = _tell([o.pushed for o in watching if _overrides(o, "pushed")])
        self.rejected = _tell([o.rejected for o in watching if _overrides(o, "rejected")])
        self.batch_ended = _tell([o.batch_ended for o in watching if _overrides(o, "batch_ended")])
        self.disconnected = _tell([o.disconnected for o in watching if _overrides(o, "disconnected")])


def _overrides(observer: RelayObserver, name: str) -> bool:
    return getattr(type(observer), name) is not getattr(RelayObserver, name)


def _tell(methods: list[Callable[P, None]]) -> Callable[P, None]:
    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        for method in methods:
            try:
                method(*args, **kwargs)
            except Exception:
                _log.exception("an observer failed in %s", getattr(method, "__qualname__", method))

    return tell
