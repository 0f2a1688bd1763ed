"""Work that was put off to later iterations of the event loop, so that none of them takes long.

A client may send far more at once than the relay can handle between two others' frames. Whoever finds more
work than is fair for one iteration adds the rest here; what was added first is done first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["ITERATION", "WorkQueue"]

_log = logging.getLogger("server_stub")

ITERATION: Final = 0.004
"""Seconds of one iteration of the loop after which the work that is left waits for the next."""


class WorkQueue:
    """A queue of pieces of work, each short."""

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float] = time.perf_counter) -> None:
        """`now` is a clock in seconds that also runs within an iteration of the loop."""
        self._loop = loop
        self._now = now
        self._pieces: deque[Callable[[], None]] = deque()

    def add(self, piece: Callable[[], None]) -> None:
        """Do a piece of work in a later iteration of the loop."""
        self._pieces.append(piece)
        if len(self._pieces) == 1:
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        until = self._now() + ITERATION
        for _ in range(len(self._pieces)):  # what these add is for the next iteration
            try:
                self._pieces[0]()
            except Exception:
                _log.exception("a piece of work failed")
            self._pieces.popleft()  # only now, so that `add` schedules nothing meanwhile
            if self._now() >= until:
                break
        if self._pieces:
            self._loop.call_soon(self._run)
