"""A hot stream that delivers to all observers in the same order, whatever one of them does.

An Rx `Subject` does not guarantee this: if an observer pushes, the later ones get the newer item first;
if it raises, they get nothing.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from enum import Enum
from typing import Final, Generic, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable

from socket_bloc.bloc._loop import report

__all__ = ["Broadcast"]

T = TypeVar("T")


class _Mark(Enum):
    END = "completion"


_END: Final = _Mark.END


class Broadcast(Generic[T]):
    """The producer's side of a stream; subscribers get its `observable`, into which they cannot push."""

    def __init__(self, name: str) -> None:
        """`name` is how error reports call this stream if an observer fails."""
        self.observable: Observable[T] = Observable(self._subscribe)
        self.is_completed = False
        self._name = name
        self._observers: tuple[ObserverBase[T], ...] = ()
        self._waiting: deque[tuple[T | _Mark, tuple[ObserverBase[T], ...]]] = deque()
        self._is_delivering = False

    def push(self, item: T) -> None:
        """Deliver an item to the current observers; from inside an observer, after the items before it."""
        if self._observers:
            self._waiting.append((item, self._observers))
            self._deliver()

    def complete(self) -> None:
        """Complete the stream, after the items before; later subscribers only see the completion."""
        self.is_completed = True
        self._waiting.append((_END, self._observers))
        self._observers = ()
        self._deliver()

    def _subscribe(self, observer: ObserverBase[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
        if self.is_completed:
            observer.on_completed()
            return Disposable()
        self._observers = (*self._observers, observer)
        return Disposable(lambda: self._remove(observer))

    def _remove(self, observer: ObserverBase[T]) -> None:
        self._observers = tuple(other for other in self._observers if other is not observer)

    def _deliver(self) -> None:
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._waiting:
                item, observers = self._waiting.popleft()
                for observer in observers:
                    try:
                        if item is _END:
                            observer.on_completed()
                        else:
                            observer.on_next(item)
                    except (Exception, CancelledError) as error:
                        report(f"an observer of {self._name} failed", error)
        finally:
            self._is_delivering = False
