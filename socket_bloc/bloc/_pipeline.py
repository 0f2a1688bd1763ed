"""The pipelines of a bloc: one for each registered type of event, from `add` to the handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reactivex.abc import DisposableBase
from reactivex.disposable import SingleAssignmentDisposable

from socket_bloc.bloc._loop import LoopScheduler
from socket_bloc.bloc.broadcast import Broadcast
from socket_bloc.bloc.errors import DuplicateHandlerError
from socket_bloc.bloc.transformers import DrainsOnClose, EventMapper, EventTransformer

__all__ = ["Pipeline", "Pipelines"]

E = TypeVar("E")
Event = TypeVar("Event")


class Pipelines:
    """The pipelines of one bloc, in the order of their registration."""

    def __init__(self, name: str, on_error: Callable[[Exception], None]) -> None:
        """`name` is how error reports call the events; `on_error` is called when a transformer fails."""
        self._name = name
        self._on_error = on_error
        self._by_type: dict[type, Pipeline[Any]] = {}
        self._routes: dict[type, tuple[Pipeline[Any], ...]] = {}

    def register(self, event_type: type[E], transformer: EventTransformer[E], mapper: EventMapper[E]) -> None:
        """Add a pipeline for a type of event. Raises `DuplicateHandlerError` if there is one."""
        if event_type in self._by_type:
            raise DuplicateHandlerError(
                f"on({event_type.__name__}) was called multiple times. "
                "There should only be a single event handler per event type."
            )
        self._by_type[event_type] = Pipeline(self._name, transformer, mapper, self._on_error)
        self._routes.clear()

    def of(self, event: object) -> tuple[Pipeline[Any], ...]:
        """Return the pipelines for this event: those of its type and of its base types."""
        route = self._routes.get(type(event))
        if route is None:
            matching = (pipeline for kind, pipeline in self._by_type.items() if isinstance(event, kind))
            route = self._routes[type(event)] = tuple(matching)
        return route

    async def drain(self) -> None:
        """Accept no more events, and wait for those in the `sequential` pipelines."""
        for pipeline in self._by_type.values():
            pipeline.complete()
        for pipeline in self._by_type.values():
            await pipeline.drain()

    def dispose(self) -> None:
        """Cancel whatever is still in a pipeline."""
        for pipeline in self._by_type.values():
            pipeline.dispose()


class Pipeline(Generic[Event]):
    """Leads the events of one type through a transformer to their handler.

    It is subscribed to when the first event comes, and again after the transformer has failed.
    """

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
        """Put an event in."""
        if self._subscription is None:
            self._subscribe()
        self._events.push(event)

    def complete(self) -> None:
        """Accept no more events."""
        self._events.complete()

    async def drain(self) -> None:
        """Wait for the events inside, if the transformer is `sequential`."""
        if isinstance(self._handled, DrainsOnClose):
            await self._ended.wait()

    def dispose(self) -> None:
        """Cancel whatever is still inside."""
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
