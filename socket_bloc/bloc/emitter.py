"""What an event handler is, and the emitter that it emits states with. `_run` implements it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Generic, TypeAlias, TypeVar

from reactivex import Observable

__all__ = ["Emitter", "EventHandler"]

Event = TypeVar("Event")
State = TypeVar("State")
State_contra = TypeVar("State_contra", contravariant=True)
T = TypeVar("T")


class Emitter(ABC, Generic[State_contra]):
    """Emits the states of one handler for one event. (Dart: `Emitter`)

    Using it after the handler has ended raises an `EmitterError`. After the handler was cancelled,
    what it still emits is ignored.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, state: State_contra) -> None:
        """Set and publish a new state; one that equals the last one is dropped."""

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """Whether the handler has ended or was cancelled."""

    @abstractmethod
    def on_each(
        self,
        source: Observable[T] | AsyncIterable[T],
        on_data: Callable[[T], None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> Awaitable[None]:
        """Call `on_data` with each item of a source; await the result, which is done when the source is.

        Subscribes at once. If the source fails, the await raises its error; with `on_error`, that is
        called instead, and the await returns. The await also raises what a callback raises.
        """

    def for_each(
        self,
        source: Observable[T] | AsyncIterable[T],
        on_data: Callable[[T], State_contra],
        on_error: Callable[[Exception], State_contra] | None = None,
    ) -> Awaitable[None]:
        """Emit the state that `on_data` makes of each item; otherwise the same as `on_each`.

        If the source fails, the last state is the one that `on_error` makes of the error.
        """
        return self.on_each(
            source,
            lambda item: self(on_data(item)),
            None if on_error is None else lambda error: self(on_error(error)),
        )


EventHandler: TypeAlias = Callable[[Event, Emitter[State]], Awaitable[None] | None]
"""A function of an event and an `Emitter`, called inline; if it returns an awaitable, that is awaited."""
