"""One handler at work on one event."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable
from contextvars import Context, ContextVar
from enum import Enum, auto
from typing import Any, Generic, TypeAlias, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, OnCompleted
from reactivex.internal import noop

from socket_bloc.bloc._source import Source
from socket_bloc.bloc._work import Work
from socket_bloc.bloc.emitter import Emitter
from socket_bloc.bloc.errors import EmitterError

__all__ = ["EventHandler", "Run", "current_run"]

Event = TypeVar("Event")
State = TypeVar("State")
T = TypeVar("T")

EventHandler: TypeAlias = Callable[[Event, Emitter[State]], Awaitable[None] | None]
"""A function of an event and an `Emitter`; it is run inline; what it gives to be awaited is awaited."""

_EMIT_AFTER_END = (
    "emit was called after an event handler completed normally. "
    "An async handler must await all that it starts: await emit.for_each(...), await asyncio.sleep(...)."
)
_LEFT_PENDING = (
    "An event handler completed but left pending subscriptions behind. "
    "Await what emit.on_each(...) and emit.for_each(...) give, or return it from the handler."
)


class Phase(Enum):
    """How far a run has come."""

    RUNNING = auto()
    ENDED = auto()
    CANCELLED = auto()
    CLOSING = auto()
    """It has closed its own bloc: it goes on to its end, but what it emits is ignored."""


class Run(DisposableBase, Emitter[State], Generic[Event, State]):
    """One handler at work on one event, and the emitter that it emits with.

    Disposing it cancels the handler.
    """

    __slots__ = ("_event", "_on_completed", "_phase", "_sources", "_task", "_work")

    def __init__(self, work: Work[Event, State], event: Event, on_completed: OnCompleted) -> None:
        self._work = work
        self._event = event
        self._on_completed = on_completed
        self._phase = Phase.RUNNING
        self._sources: tuple[Source[Any], ...] = ()
        self._task: asyncio.Future[None] | None = None

    @property
    def is_done(self) -> bool:
        return self._phase is not Phase.RUNNING

    @property
    def is_listening(self) -> bool:
        """Whether a source that the handler listens to has not ended."""
        return bool(self._sources) and not all(source.ended.done() for source in self._sources)

    @classmethod
    def current(cls, work: Work[Any, Any]) -> Run[Any, Any] | None:
        """The run of `work` whose handler is the caller, or started what is; if there is one."""
        run = current_run.get()
        return run if run is not None and run._work is work else None

    def start(self, handler: EventHandler[Event, State], context: Context) -> None:
        """Call the handler; to its end where it is a plain function, else go on in a task."""
        try:
            task = context.run(self._call, handler)
        except Exception as error:
            self._end(error)
        except BaseException:  # to be let through, but with nobody left waiting for this run
            self._end(None)
            raise
        else:
            if task is None:
                self._end(None)
            else:
                self._task = task
                self._work.own(task, self)
                task.add_done_callback(self._end_task)

    def __call__(self, state: State) -> None:
        if self._phase is Phase.RUNNING:
            outside = current_run.set(None)  # a listener that closes the bloc is not this handler
            try:
                self._work.emit(self._event, state)
            finally:
                current_run.reset(outside)
        elif self._phase is Phase.ENDED:
            raise EmitterError(_EMIT_AFTER_END)

    def on_each(
        self,
        source: Observable[T] | AsyncIterable[T],
        on_data: Callable[[T], None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> Awaitable[None]:
        if self._phase is Phase.ENDED:
            raise EmitterError(_EMIT_AFTER_END)
        if self._phase is not Phase.RUNNING:
            nothing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            nothing.cancel()
            return nothing
        listening = Source(source, on_data, on_error, self._work.own_reader)
        self._sources = (*(other for other in self._sources if not other.ended.done()), listening)
        if not listening.ended.done() and (self.is_done or self._work.is_closing):
            self.abandon()
        return listening.ended

    def abandon(self, phase: Phase = Phase.CANCELLED) -> None:
        """Ignore what the handler emits from now on, and end what it listens to."""
        if self._phase is Phase.RUNNING:
            self._phase = phase
        for source in self._sources:
            source.ended.cancel()

    def dispose(self) -> None:
        """Cancel the handler; the end of its run is told to nobody.

        A handler that has not begun yet gets as far as its first await, and what it emits there counts.
        """
        self._on_completed = noop
        if self._task is not None and _has_not_begun(self._task):
            asyncio.get_running_loop().call_soon(self._cancel)
        else:
            self._cancel()

    def spare(self) -> None:
        """The handler has closed its bloc: it is neither heard any more nor cancelled."""
        self.abandon(Phase.CLOSING)

    def release(self) -> None:
        """The handler waits for its bloc to close: the bloc must not wait for the handler."""
        if self._task is not None:
            self._work.disown(self._task)
        self._complete()

    def _cancel(self) -> None:
        self.abandon()
        if self._task is not None and self._phase is not Phase.CLOSING:
            self._task.cancel()

    def _call(self, handler: EventHandler[Event, State]) -> asyncio.Future[None] | None:
        current_run.set(self)
        result = handler(self._event, self)
        return asyncio.ensure_future(result) if isinstance(result, Awaitable) else None

    def _end_task(self, task: asyncio.Future[None]) -> None:
        self._work.disown(task)
        self._task = None  # else each would keep the other, by way of the context
        if task.cancelled() or isinstance(task.exception(), KeyboardInterrupt | SystemExit):
            self.abandon()
            self._end(None)  # an interrupt has been raised by the loop already
        else:
            self._end(task.exception())

    def _end(self, error: BaseException | None) -> None:
        if error is None and self._phase is Phase.RUNNING and self.is_listening:
            error = EmitterError(_LEFT_PENDING)
        self.abandon(Phase.ENDED)
        self._work.ended(self._event, error)
        self._complete()

    def _complete(self) -> None:
        on_completed, self._on_completed = self._on_completed, noop
        on_completed()


current_run: ContextVar[Run[Any, Any] | None] = ContextVar("current_run", default=None)
"""The run whose handler is the caller, or started what is; set to None for what is none of its doing."""


def _has_not_begun(task: asyncio.Future[None]) -> bool:
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    return inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
