"""What blocs and cubits have in common: a state, the stream of its changes, an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Generic, Self, TypeVar

from reactivex import Observable

from socket_bloc.bloc._closing import Closing
from socket_bloc.bloc._report import safely
from socket_bloc.bloc.broadcast import Broadcast
from socket_bloc.bloc.change import Change
from socket_bloc.bloc.errors import BlocClosedError, BlocError

__all__ = ["BlocBase"]

State = TypeVar("State")


class BlocBase(Generic[State]):
    """The base of `Cubit` and `Bloc`. (Dart: `BlocBase`)

    A bloc belongs to one event loop, and so to one thread.
    """

    def __init__(self, initial_state: State) -> None:
        from socket_bloc.bloc.bloc import Bloc  # here, as Bloc is built upon this class

        self._state = initial_state
        self._has_emitted = False
        self._states = Broadcast[State](f"{type(self).__name__}.stream")
        self._closing: Closing | None = None
        self._observer = Bloc.observer
        self._loop = _running_loop()
        self._observer.on_create(self)

    @property
    def state(self) -> State:
        """The current state."""
        return self._state

    @property
    def stream(self) -> Observable[State]:
        """The states that come from now on; hot, without a replay. It completes when the bloc is closed.

        A listener is called at once by each `emit`, in the order of the states; where it raises, the
        event loop's exception handler is told, and nobody else is affected.
        """
        return self._states.observable

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closing is not None

    def emit(self, state: State) -> None:
        """Set and publish a new state; one that equals the last one is dropped, but not the first.

        Raises `BlocClosedError` after `close`, and what `on_change` raises; `on_error` is told of both.
        """
        try:
            if self.is_closed:
                raise BlocClosedError(f"Cannot emit new states after calling close on {type(self).__name__}")
            if self._is_new(state):
                self._change(state)
        except Exception as error:
            self.add_error(error)
            raise

    def add_error(self, error: Exception) -> None:
        """Report an error to `on_error`. It changes nothing else, and never raises."""
        safely(self.on_error, error)
        safely(self._observer.on_error, self, error)

    def on_change(self, change: Change[State]) -> None:
        """A new state is about to be set. Empty; to raise here refuses it."""

    def on_error(self, error: Exception) -> None:
        """A handler failed, or an error was added; its traceback is on it. Empty."""

    def close(self) -> Awaitable[None]:
        """Close at once; await the result to know that nothing of the bloc is left.

        The result is the same at each call. To cancel who awaits it does not stop the closing. A
        subclass that has to clean up overrides `_close`.
        """
        if self._closing is None:
            task = self._bind_loop("close").create_task(self._close())
            self._closing = Closing(task, self._release_current)
        return self._closing

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def wait_until_idle(self) -> None:
        """Wait until no event waits and no handler is at work; a cubit always is idle."""

    async def _close(self) -> None:
        """What `close` does, once; a subclass adds its own clean-up and awaits `super()._close()`.

        Before that call, events already added and handlers are still under way; after it, they have
        ended, and the stream has completed.
        """
        safely(self._observer.on_close, self)
        self._states.complete()

    def _release_current(self) -> None:
        """Somebody is about to wait for the end of `close`."""

    def _is_new(self, state: State) -> bool:
        return not (self._has_emitted and state == self._state)

    def _change(self, state: State) -> None:
        self._tell_change(state)
        self._set(state)

    def _tell_change(self, state: State) -> None:
        change = Change(current_state=self._state, next_state=state)
        self._observer.on_change(self, change)
        self.on_change(change)

    def _set(self, state: State) -> None:
        self._state = state
        self._has_emitted = True
        self._states.push(state)

    def _bind_loop(self, method: str) -> asyncio.AbstractEventLoop:
        """The running loop, which must be the same at each call."""
        loop = _running_loop()
        if loop is None or self._loop not in (None, loop):
            raise BlocError(
                f"{method} must be called where the event loop of the {type(self).__name__} runs; "
                f"from another thread, call loop.call_soon_threadsafe(bloc.{method}, ...)"
            )
        self._loop = loop
        return loop


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
