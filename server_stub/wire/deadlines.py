"""One timer for all connections: a wheel of turns, each with those that are due in it.

A timer of the event loop for each ping of each connection costs more than the connection itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["TURN", "Deadlines", "Punctual"]

_log = logging.getLogger("server_stub")

TURN: Final = 0.25
"""Seconds between two turns; a deadline is met at most this much late."""


class Punctual(Protocol):
    """Whoever has a deadline, one at a time. `turn` belongs to the wheel; it begins as None."""

    turn: int | None

    def on_deadline(self, now: float) -> None:
        """The deadline has come; nothing is due any more, unless it is set again."""
        ...


class Deadlines:
    """Calls `on_deadline` of each who set a deadline, when `advance` has reached it."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` gives seconds that never go back, as the event loop's `time` does."""
        self.now = now
        self._due: defaultdict[int, set[Punctual]] = defaultdict(set)
        self._timer: asyncio.TimerHandle | None = None

    def set(self, who: Punctual, at: float) -> None:
        """`who` is due at `at`, and no longer at the deadline that was set before."""
        turn = math.ceil(at / TURN)
        if turn == who.turn:
            return
        self.cancel(who)
        who.turn = turn
        self._due[turn].add(who)

    def cancel(self, who: Punctual) -> None:
        """`who` is not due any more."""
        if who.turn is not None:
            due = self._due[who.turn]
            due.discard(who)
            if not due:
                del self._due[who.turn]
            who.turn = None

    def advance(self) -> None:
        """Call all who are due by now."""
        now = self.now()
        last = math.floor(now / TURN)
        # After a long stop there may be far more turns to pass than turns with anyone in them.
        for turn in sorted(turn for turn in self._due if turn <= last):
            for who in self._due.pop(turn):
                who.turn = None
                try:
                    who.on_deadline(now)
                except Exception:
                    _log.exception("a deadline failed")

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Advance by itself from now on."""
        self._timer = loop.call_later(TURN, self._tick, loop)

    def stop(self) -> None:
        """Advance no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(TURN, self._tick, loop)
        self.advance()
