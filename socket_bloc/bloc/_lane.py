"""The handlings of one pipeline: those under way, and those that wait for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Generic, TypeAlias, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase
from reactivex.disposable import Disposable

from socket_bloc.bloc._loop import time_slice

__all__ = ["Draining", "EventMapper", "EventTransformer", "Lane"]

Event = TypeVar("Event")

EventMapper: TypeAlias = Callable[[Event], Observable[Event]]
"""Makes of an event the Observable of its handling: it starts on subscription, emits nothing, completes."""

EventTransformer: TypeAlias = Callable[[Observable[Event], EventMapper[Event]], Observable[Event]]
"""Makes of the events and the mapper one Observable, to which the bloc subscribes."""

_NOT_YET: Final = Disposable()


class Draining(Observable[Event]):
    """A pipeline that a closing bloc lets run to its end."""


class Lane(DisposableBase, Generic[Event]):
    """Starts handlings as it is told to, and completes `observer` when the last one has ended."""

    def __init__(self, mapper: EventMapper[Event], observer: ObserverBase[Event]) -> None:
        self._mapper = mapper
        self._observer = observer
        self._started: dict[object, DisposableBase] = {}
        self._waiting: deque[Observable[Event]] = deque()
        self._is_advancing = False
        self._is_finishing = False

    @property
    def is_free(self) -> bool:
        """Whether no handling is under way or waits."""
        return not self._started and not self._waiting

    def start(self, event: Event) -> None:
        """Handle an event, beside those under way."""
        self._subscribe(self._mapper(event))

    def enqueue(self, event: Event) -> None:
        """Handle an event after all those before it."""
        self._waiting.append(self._mapper(event))  # mapped here, since that takes the context of its add

    def cancel(self) -> None:
        """Cancel what is under way."""
        started, self._started = self._started, {}
        for handling in started.values():
            handling.dispose()

    def finish(self) -> None:
        """No more events will come."""
        self._is_finishing = True
        self._advance()

    def dispose(self) -> None:
        """Cancel everything."""
        self._waiting.clear()
        self.cancel()

    def _subscribe(self, handling: Observable[Event]) -> None:
        key = object()
        self._started[key] = _NOT_YET  # it may end before `subscribe` returns
        subscription = handling.subscribe(
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
        if self._is_advancing:  # a handling has ended within the loop below
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
        if self._is_finishing and self.is_free:
            self._observer.on_completed()
