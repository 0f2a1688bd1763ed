"""The queue of events between `add` and the pipelines."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Generic, TypeVar

from socket_bloc.bloc._loop import time_slice

__all__ = ["Inbox"]

Event = TypeVar("Event")


class Inbox(Generic[Event]):
    """Delivers events on the event loop, in order, each in the context of its `put`."""

    def __init__(self, deliver: Callable[[Event], None]) -> None:
        self.emptied = asyncio.Event()
        self.emptied.set()
        self._deliver = deliver
        self._waiting: deque[tuple[Context, Event]] = deque()

    def put(self, event: Event) -> None:
        """Queue an event, to be delivered in this time slice or a later one, but never inside this call."""
        if self.emptied.is_set():
            self.emptied.clear()
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append((copy_context(), event))

    def _run(self) -> None:
        try:
            for _ in time_slice():
                if not self._waiting:
                    break
                context, event = self._waiting.popleft()
                context.run(self._deliver, event)
        finally:  # also when a handler lets a KeyboardInterrupt through
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run)
            else:
                self.emptied.set()
