"""A timer wheel: one event-loop timer for all connections, in slots of 250 ms.

A timer of the event loop for each ping of each connection costs more than the connection itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["SLOT", "HasDeadline", "TimerWheel"]

_log = logging.getLogger("server_stub")

SLOT: Final = 0.25
"""Seconds of one slot; a deadline fires at most this much late."""


class HasDeadline(Protocol):
    """An object with at most one deadline. `slot` belongs to the wheel; it starts as None."""

    slot: int | None

    def on_deadline(self, now: float) -> None:
        """The deadline has passed; the next one has to be set again."""
        ...


class TimerWheel:
    """Calls `on_deadline` of each object whose deadline `advance` has reached."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a clock in seconds. If it goes back, what is due waits until it has caught up."""
        self.now = now
        self._due: defaultdict[int, set[HasDeadline]] = defaultdict(set)
        self._timer: asyncio.TimerHandle | None = None

    def set(self, item: HasDeadline, at: float) -> None:
        """Set the deadline of `item`, in place of the one it had."""
        slot = math.ceil(at / SLOT)
        if slot == item.slot:
            return
        self.cancel(item)
        item.slot = slot
        self._due[slot].add(item)

    def cancel(self, item: HasDeadline) -> None:
        """Clear the deadline of `item`, if it has one."""
        if item.slot is not None:
            due = self._due[item.slot]
            due.discard(item)
            if not due:
                del self._due[item.slot]
            item.slot = None

    def advance(self) -> None:
        """Call every item whose deadline has passed."""
        now = self.now()
        last = math.floor(now / SLOT)
        # After a long stop, far more slots may have passed than there are slots with items.
        for slot in sorted(slot for slot in self._due if slot <= last):
            for item in self._due.pop(slot):
                item.slot = None
                try:
                    item.on_deadline(now)
                except Exception:
                    _log.exception("a deadline failed")

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call `advance` from the event loop from now on."""
        self._timer = loop.call_later(SLOT, self._tick, loop)

    def stop(self) -> None:
        """Stop calling it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(SLOT, self._tick, loop)
        self.advance()
