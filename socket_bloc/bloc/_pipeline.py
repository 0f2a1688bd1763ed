"""The way of the events of one type: through their transformer, to their handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from reactivex.abc import DisposableBase
from reactivex.disposable import SingleAssignmentDisposable

from socket_bloc.bloc._lane import Draining, EventMapper, EventTransformer
from socket_bloc.bloc._scheduler import LoopScheduler
from socket_bloc.bloc.broadcast import Broadcast

__all__ = ["Pipeline"]

Event = TypeVar("Event")


class Pipeline(Generic[Event]):
    """What `Bloc.on` registers. It is subscribed to with its first event, and again after it has failed."""

    def __init__(
        self,
        name: str,
        transformer: EventTransformer[Event],
        mapper: EventMapper[Event],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._events = Broadcast[Event](name)
        self._handled = transformer(self._events.observable, mapper)
        self._on_error = on_error
        self._subscription: DisposableBase | None = None
        self._ended = asyncio.Event()
        self._ended.set()

    def push(self, event: Event) -> None:
        """Let an event in."""
        if self._subscription is None:
            self._subscribe()
        self._events.push(event)

    def complete(self) -> None:
        """Let no more events in."""
        self._events.complete()

    async def drain(self) -> None:
        """Wait for the events that are here, where the transformer is `sequential`."""
        if isinstance(self._handled, Draining):
            await self._ended.wait()

    def dispose(self) -> None:
        """Cancel what is still here."""
        if self._subscription is not None:
            self._subscription.dispose()

    def _subscribe(self) -> None:
        self._ended.clear()
        scheduler = LoopScheduler(asyncio.get_running_loop())
        self._subscription = subscription = SingleAssignmentDisposable()
        subscription.disposable = self._handled.subscribe(
            on_error=self._fail, on_completed=self._ended.set, scheduler=scheduler
        )

    def _fail(self, error: Exception) -> None:
        self._subscription = None
        self._ended.set()
        self._on_error(error)
