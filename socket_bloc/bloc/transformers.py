"""Which events a handler gets, and when: concurrently, one after another, only the first, only the latest.

A transformer is a function of the events and of a mapper, which makes an Observable of an event: to
subscribe to it is to run the handler. Any RxPY pipeline that subscribes to what the mapper makes will do.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final, Generic, TypeAlias, TypeVar

from reactivex import Observable
from reactivex import operators as ops
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.scheduler.scheduler import Scheduler
from reactivex.typing import RelativeTime

from socket_bloc.bloc._loop import time_slice

__all__ = [
    "DrainsOnClose",
    "EventMapper",
    "EventTransformer",
    "concurrent",
    "debounce",
    "droppable",
    "restartable",
    "sequential",
    "throttle",
]

Event = TypeVar("Event")

EventMapper: TypeAlias = Callable[[Event], Observable[Event]]
"""Makes an Observable of an event, which runs the handler on subscription, emits nothing, and completes."""

EventTransformer: TypeAlias = Callable[[Observable[Event], EventMapper[Event]], Observable[Event]]
"""Makes one Observable of the events and the mapper, to which the bloc subscribes."""


def concurrent() -> EventTransformer[Event]:
    """Handle each event at once, beside those still being handled. (Dart: `concurrent`)"""

    def admit(handlers: HandlerGroup[Event], event: Event) -> None:
        handlers.start(event)

    return _transformer(admit)


def sequential() -> EventTransformer[Event]:
    """Handle events one after another; closing the bloc waits for all of them. (Dart: `sequential`)"""

    def admit(handlers: HandlerGroup[Event], event: Event) -> None:
        if handlers.is_idle:
            handlers.start(event)
        else:
            handlers.enqueue(event)

    return _transformer(admit, DrainsOnClose)


def droppable() -> EventTransformer[Event]:
    """Drop the events that come while one is being handled. (Dart: `droppable`)"""

    def admit(handlers: HandlerGroup[Event], event: Event) -> None:
        if handlers.is_idle:
            handlers.start(event)

    return _transformer(admit)


def restartable() -> EventTransformer[Event]:
    """Cancel the handling of an event when the next one comes. (Dart: `restartable`)"""

    def admit(handlers: HandlerGroup[Event], event: Event) -> None:
        handlers.cancel()
        handlers.start(event)

    return _transformer(admit)


def debounce(duration: RelativeTime, then: EventTransformer[Event] | None = None) -> EventTransformer[Event]:
    """Handle an event when no other has come for `duration` (seconds, or a timedelta).

    The remaining events go through the transformer `then`, by default `concurrent()`.
    """
    return lambda events, mapper: (then or concurrent())(events.pipe(ops.debounce(duration)), mapper)


def throttle(duration: RelativeTime, then: EventTransformer[Event] | None = None) -> EventTransformer[Event]:
    """Handle an event, then drop those that come within `duration` (seconds, or a timedelta) of it.

    The remaining events go through the transformer `then`, by default `concurrent()`.
    """

    def transform(events: Observable[Event], mapper: EventMapper[Event]) -> Observable[Event]:
        next_at = -math.inf

        def is_due(event: Event) -> bool:
            nonlocal next_at
            now = monotonic()  # Rx's own operator uses the time of day, which may be set back
            if now < next_at:
                return False
            next_at = now + Scheduler.to_seconds(duration)
            return True

        return (then or concurrent())(events.pipe(ops.filter(is_due)), mapper)

    return transform


class DrainsOnClose(Observable[Event]):
    """A pipeline that a closing bloc waits for."""


_NOT_YET: Final = Disposable()


class HandlerGroup(DisposableBase, Generic[Event]):
    """Starts, queues and cancels the handlers of one pipeline, and completes it after the last of them."""

    def __init__(self, mapper: EventMapper[Event], observer: ObserverBase[Event]) -> None:
        self._mapper = mapper
        self._observer = observer
        self._started: dict[object, DisposableBase] = {}
        self._waiting: deque[Observable[Event]] = deque()
        self._is_advancing = False
        self._is_finishing = False

    @property
    def is_idle(self) -> bool:
        """Whether no handler is running or waiting."""
        return not self._started and not self._waiting

    def start(self, event: Event) -> None:
        """Handle an event, beside those being handled."""
        self._subscribe(self._mapper(event))

    def enqueue(self, event: Event) -> None:
        """Handle an event after all those before it."""
        self._waiting.append(self._mapper(event))  # mapped here, since that takes the context of its add

    def cancel(self) -> None:
        """Cancel the running handlers."""
        started, self._started = self._started, {}
        for subscription in started.values():
            subscription.dispose()

    def finish(self) -> None:
        """No more events will come."""
        self._is_finishing = True
        self._advance()

    def dispose(self) -> None:
        """Cancel the running handlers, and forget the waiting ones."""
        self._waiting.clear()
        self.cancel()

    def _subscribe(self, handler: Observable[Event]) -> None:
        key = object()
        self._started[key] = _NOT_YET  # it may end before `subscribe` returns
        subscription = handler.subscribe(
            self._observer.on_next, self._observer.on_error, partial(self._end, key)
        )
        if key in self._started:
            self._started[key] = subscription
        else:
            subscription.dispose()

    def _end(self, key: object) -> None:
        self._started.pop(key, None)
        if self._waiting or self._is_finishing:
            self._advance()

    def _advance(self) -> None:
        if self._is_advancing:  # a handler has ended within the loop below
            return
        self._is_advancing = True
        try:
            for _ in time_slice():
                if self._started or not self._waiting:
                    break
                self._subscribe(self._waiting.popleft())
            else:
                asyncio.get_running_loop().call_soon(self._advance)
        finally:
            self._is_advancing = False
        if self._is_finishing and self.is_idle:
            self._observer.on_completed()


def _transformer(
    admit: Callable[[HandlerGroup[Event], Event], None], pipeline: type[Observable[Event]] = Observable
) -> EventTransformer[Event]:
    """A transformer that decides about each event by itself; `pipeline` is the kind of its result."""

    def transform(events: Observable[Event], mapper: EventMapper[Event]) -> Observable[Event]:
        def subscribe(
            observer: ObserverBase[Event], scheduler: SchedulerBase | None = None
        ) -> DisposableBase:
            handlers = HandlerGroup(mapper, observer)
            source = events.subscribe(
                partial(admit, handlers), observer.on_error, handlers.finish, scheduler=scheduler
            )
            return CompositeDisposable(source, handlers)

        return pipeline(subscribe)

    return transform
