"""Running a handler for an event, from the subscription that starts it to its end.

A transformer gets a `HandlerObservable` for each event; each subscription to it is a `HandlerRun`; the
`RunningHandlers` of a bloc are how it cancels them and waits for them. Which events a handler gets, and
when, is decided in `transformers`; what a handler listens to is in `_source`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from contextvars import Context, ContextVar, copy_context
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, OnCompleted, OnError, OnNext, SchedulerBase
from reactivex.internal import noop

from socket_bloc.bloc._source import Source
from socket_bloc.bloc.emitter import Emitter, EventHandler
from socket_bloc.bloc.errors import EmitterError

__all__ = ["HandlerObservable", "HandlerRun", "RunningHandlers", "current_run"]

Event = TypeVar("Event")
State = TypeVar("State")
T = TypeVar("T")

_EMIT_AFTER_END = (
    "emit was called after an event handler completed normally. "
    "An async handler must await all that it starts: await emit.for_each(...), await asyncio.sleep(...)."
)
_LEFT_PENDING = (
    "An event handler completed but left pending subscriptions behind. "
    "Await what emit.on_each(...) and emit.for_each(...) give, or return it from the handler."
)


class HandlerObservable(Observable[Event], Generic[Event, State]):
    """A handler for one event. Each subscription runs it, in the context of the event's `add`.

    It emits nothing, completes when the handler has ended, and never fails, since an error would end most
    pipelines for good. It bypasses Rx's trampoline and auto-detach, which cost more than all the rest of
    an event; it needs neither, since it completes once, and not after `dispose`.
    """

    def __init__(
        self, handlers: RunningHandlers[Event, State], handler: EventHandler[Event, State], event: Event
    ) -> None:
        super().__init__()
        self._handlers = handlers
        self._handler = handler
        self._event = event
        self._context = copy_context()

    def subscribe(
        self,
        on_next: ObserverBase[Event] | OnNext[Event] | None = None,
        on_error: OnError | None = None,
        on_completed: OnCompleted | None = None,
        *,
        scheduler: SchedulerBase | None = None,
    ) -> DisposableBase:
        """Start the handler; dispose of the result to cancel it."""
        if on_completed is None and isinstance(on_next, ObserverBase):
            on_completed = on_next.on_completed
        run = HandlerRun(self._handlers, self._event, on_completed or noop)
        run.start(self._handler, self._context)
        return run


class Phase(Enum):
    """Whether a handler may emit; if not, why."""

    RUNNING = auto()
    ENDED = auto()
    CANCELLED = auto()
    DETACHED = auto()
    """The handler has closed its own bloc: it runs to its end, but what it emits is ignored."""


class HandlerRun(DisposableBase, Emitter[State], Generic[Event, State]):
    """One handler running for one event, and the emitter that it is given. Dispose of it to cancel it."""

    __slots__ = ("_event", "_handlers", "_on_completed", "_phase", "_sources", "_task")

    def __init__(
        self, handlers: RunningHandlers[Event, State], event: Event, on_completed: OnCompleted
    ) -> None:
        self._handlers = handlers
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

    def belongs_to(self, handlers: RunningHandlers[Any, Any]) -> bool:
        """Whether this is a run of that bloc."""
        return self._handlers is handlers

    def start(self, handler: EventHandler[Event, State], context: Context) -> None:
        """Call the handler: a plain function runs to its end, a coroutine goes on in a task."""
        try:
            task = context.run(self._call, handler)
        except Exception as error:
            self._end(error)
        except BaseException:  # goes through, but must not leave the transformer waiting for this run
            self._end(None)
            raise
        else:
            if task is None:
                self._end(None)
            else:
                self._task = task
                self._handlers.add(task, self)
                task.add_done_callback(self._end_task)

    def __call__(self, state: State) -> None:
        if self._phase is Phase.RUNNING:
            token = current_run.set(None)  # a listener that closes the bloc is not this handler
            try:
                self._handlers.emit(self._event, state)
            finally:
                current_run.reset(token)
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
            cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            return cancelled
        listening = Source(source, on_data, on_error, self._handlers.add_reader)
        self._sources = (*(other for other in self._sources if not other.ended.done()), listening)
        if not listening.ended.done() and (self.is_done or self._handlers.is_closing):
            self.stop_emitting()
        return listening.ended

    def stop_emitting(self, phase: Phase = Phase.CANCELLED) -> None:
        """Ignore what the handler emits from now on, and end what it listens to."""
        if self._phase is Phase.RUNNING:
            self._phase = phase
        for source in self._sources:
            source.ended.cancel()

    def dispose(self) -> None:
        """Cancel the handler, without reporting its end to the transformer.

        A handler that has not started yet runs to its first await, and what it emits there counts.
        """
        self._on_completed = noop
        if self._task is not None and _has_not_started(self._task):
            asyncio.get_running_loop().call_soon(self._cancel)
        elif self._phase is not Phase.ENDED:  # as a plain handler has, before its subscription is kept
            self._cancel()

    def detach(self) -> None:
        """Ignore what the handler emits, but do not cancel it: it has closed its own bloc."""
        self.stop_emitting(Phase.DETACHED)

    def complete_early(self) -> None:
        """Do not let the bloc wait for this handler, which waits for the bloc to close."""
        if self._task is not None:
            self._handlers.discard(self._task)
        self._complete()

    def _cancel(self) -> None:
        self.stop_emitting()
        if self._task is not None and self._phase is not Phase.DETACHED:
            self._task.cancel()

    def _call(self, handler: EventHandler[Event, State]) -> asyncio.Future[None] | None:
        current_run.set(self)
        result = handler(self._event, self)
        return asyncio.ensure_future(result) if isinstance(result, Awaitable) else None

    def _end_task(self, task: asyncio.Future[None]) -> None:
        self._handlers.discard(task)
        self._task = None  # otherwise task and run keep each other alive, through the context
        if task.cancelled() or isinstance(task.exception(), KeyboardInterrupt | SystemExit):
            self.stop_emitting()
            self._end(None)  # the loop has raised an interrupt already
        else:
            self._end(task.exception())

    def _end(self, error: BaseException | None) -> None:
        if error is None and self._phase is Phase.RUNNING and self.is_listening:
            error = EmitterError(_LEFT_PENDING)
        self.stop_emitting(Phase.ENDED)
        self._handlers.ended(self._event, error)
        self._complete()

    def _complete(self) -> None:
        on_completed, self._on_completed = self._on_completed, noop
        on_completed()


class RunningHandlers(Generic[Event, State]):
    """The running handlers of one bloc, with all their tasks."""

    def __init__(
        self,
        emit: Callable[[Event, State], None],
        ended: Callable[[Event, BaseException | None], None],
    ) -> None:
        """`emit` is called with each state of a handler, `ended` when a handler has ended."""
        self.emit = emit
        self.ended = ended
        self.is_closing = False
        self._tasks: dict[asyncio.Future[None], HandlerRun[Event, State] | None] = {}
        self._emptied = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether no task is left."""
        return not self._tasks

    async def wait_until_idle(self) -> None:
        """Wait until no task is left."""
        while self._tasks:
            await self._emptied.wait()

    def current(self) -> HandlerRun[Any, Any] | None:
        """The run whose handler is the caller, or has started the caller; None outside a handler."""
        run = current_run.get()
        return run if run is not None and run.belongs_to(self) else None

    def add(self, task: asyncio.Future[None], run: HandlerRun[Event, State] | None = None) -> None:
        """Keep the task, of `run` if given, until it is discarded."""
        self._tasks[task] = run
        self._emptied.clear()

    def add_reader(self, task: asyncio.Task[None]) -> None:
        """Keep a task that reads a source until it is done."""
        self.add(task)
        task.add_done_callback(self.discard)

    def discard(self, task: asyncio.Future[None]) -> None:
        """Do not wait for this task any longer."""
        self._tasks.pop(task, None)
        if not self._tasks:
            self._emptied.set()

    def stop_listening(self) -> None:
        """End all listening to sources, now and from now on; a handler that listens is cancelled."""
        self.is_closing = True
        for run in self._runs():
            if run.is_listening:
                run.stop_emitting()

    def cancel(self) -> None:
        """Cancel every handler."""
        for run in self._runs():
            run.dispose()

    def _runs(self) -> Iterator[HandlerRun[Event, State]]:
        return (run for run in tuple(self._tasks.values()) if run is not None)


current_run: ContextVar[HandlerRun[Any, Any] | None] = ContextVar("current_run", default=None)
"""The run whose handler is the caller, or has started the caller; None for what no handler started."""


def _has_not_started(task: asyncio.Future[None]) -> bool:
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    return inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
