"""What a handler emits its states with."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex import Observable

if TYPE_CHECKING:
    from socket_bloc.bloc._run import Run

__all__ = ["Emitter"]

State_contra = TypeVar("State_contra", contravariant=True)
T = TypeVar("T")


class Emitter(Generic[State_contra]):
    """Belongs to one handler at work on one event. (Dart: `Emitter`)

    After the handler's end it must not be used: that raises an `EmitterError`. After the handler was
    cancelled, what it still emits is ignored.
    """

    __slots__ = ("_run",)

    def __init__(self, run: Run[Any, State_contra]) -> None:
        self._run = run

    def __call__(self, state: State_contra) -> None:
        """Set and publish a new state; one that equals the last one is dropped."""
        self._run.emit(state)

    @property
    def is_done(self) -> bool:
        """Whether the handler has ended or was cancelled."""
        return self._run.is_over

    def on_each(
        self,
        source: Observable[T] | AsyncIterable[T],
        on_data: Callable[[T], None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> Awaitable[None]:
        """Call `on_data` with each item of a source; await the result, which is done when the source is.

        It subscribes at once. Where the source fails, the await raises that error; with `on_error`, this
        is called instead, and the await returns. What a callback raises is raised by the await.
        """
        return self._run.listen(source, on_data, on_error)

    def for_each(
        self,
        source: Observable[T] | AsyncIterable[T],
        on_data: Callable[[T], State_contra],
        on_error: Callable[[Exception], State_contra] | None = None,
    ) -> Awaitable[None]:
        """Emit the state that `on_data` makes of each item; else the same as `on_each`.

        Where the source fails, the state that `on_error` makes of the error is the last one.
        """
        return self._run.listen(
            source,
            lambda item: self(on_data(item)),
            None if on_error is None else lambda error: self(on_error(error)),
        )
