"""What the handlers of one bloc have in hand, and when they have come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from socket_bloc.bloc._run import Run

__all__ = ["Work"]

Event = TypeVar("Event")
State = TypeVar("State")


class Work(Generic[Event, State]):
    """Owns the tasks of one bloc; `emit` and `ended` are how its runs reach the bloc."""

    def __init__(
        self,
        emit: Callable[[Event, State], None],
        ended: Callable[[Event, BaseException | None], None],
    ) -> None:
        self.emit = emit
        self.ended = ended
        self.is_closing = False
        self._tasks: dict[asyncio.Future[None], Run[Event, State] | None] = {}
        self._at_rest = asyncio.Event()

    def own(self, task: asyncio.Future[None], run: Run[Event, State] | None = None) -> None:
        """Keep a task, that of `run` if given, until it is disowned."""
        self._tasks[task] = run
        self._at_rest.clear()

    def own_reader(self, task: asyncio.Task[None]) -> None:
        """Keep a task that reads a source until it is done."""
        self.own(task)
        task.add_done_callback(self.disown)

    def disown(self, task: asyncio.Future[None]) -> None:
        """Wait no longer for this task."""
        self._tasks.pop(task, None)
        if not self._tasks:
            self._at_rest.set()

    def stop_listening(self) -> None:
        """From now on no handler waits for a source: one that does is cancelled."""
        self.is_closing = True
        for run in self._runs():
            if run.is_listening:
                run.abandon()

    def cancel(self) -> None:
        """Cancel every handler."""
        for run in self._runs():
            run.dispose()

    @property
    def is_at_rest(self) -> bool:
        """Whether no task is left."""
        return not self._tasks

    async def rest(self) -> None:
        """Wait until no task is left."""
        while self._tasks:
            await self._at_rest.wait()

    def _runs(self) -> Iterator[Run[Event, State]]:
        return (run for run in tuple(self._tasks.values()) if run is not None)
