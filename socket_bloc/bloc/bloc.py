"""`Bloc`, its base class, and the observer of all blocs.

The path of an event, each step but the first in a module of its own:

    add -> Inbox -> Pipeline -> transformer -> HandlerObservable -> HandlerRun -> handler -> stream

The hooks, who calls them, and who is notified are one contract, and so they share this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from reactivex import Observable

from socket_bloc.bloc._inbox import Inbox
from socket_bloc.bloc._loop import Closing, report, safely
from socket_bloc.bloc._pipeline import Pipelines
from socket_bloc.bloc._run import HandlerObservable, RunningHandlers, current_run
from socket_bloc.bloc.broadcast import Broadcast
from socket_bloc.bloc.change import Change, Transition
from socket_bloc.bloc.emitter import EventHandler
from socket_bloc.bloc.errors import BlocClosedError, BlocError, MissingHandlerError
from socket_bloc.bloc.transformers import EventTransformer, concurrent

__all__ = ["Bloc", "BlocBase", "BlocObserver"]

E = TypeVar("E")
Event = TypeVar("Event")
State = TypeVar("State")


class BlocBase(Generic[State]):
    """The base of `Cubit` and `Bloc`. (Dart: `BlocBase`)

    A bloc belongs to one event loop, and so to one thread.
    """

    def __init__(self, initial_state: State) -> None:
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
        """The states emitted from now on: hot, without replay; completes when the bloc is closed.

        Each `emit` calls the listeners at once, in the order of the states. What a listener raises goes
        to the event loop's exception handler, and affects no other listener.
        """
        return self._states.observable

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closing is not None

    def emit(self, state: State) -> None:
        """Set and publish a new state. A state that equals the current one is dropped, except the first.

        Raises `BlocClosedError` after `close`, and what `on_change` raises; both are reported to `on_error`.
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
        """Report an error to `on_error`. Changes nothing else, and never raises."""
        safely(self.on_error, error)
        safely(self._observer.on_error, self, error)

    def on_change(self, change: Change[State]) -> None:
        """Called before a new state is set. Does nothing; an override that raises rejects the state."""

    def on_error(self, error: Exception) -> None:
        """Called with the error, and its traceback, of a handler or of `add_error`. Does nothing."""

    def close(self) -> Awaitable[None]:
        """Close at once; await the result to know that nothing of the bloc is left.

        Every call returns the same awaitable, and cancelling a task that awaits it does not stop the
        closing. A subclass that has to clean up overrides `_close`.
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
        """Wait until no event is pending and no handler is running; a cubit is always idle."""

    async def _close(self) -> None:
        """Do the work of `close`, once. An override adds its own clean-up and awaits `super()._close()`.

        Until that call, events are still pending and handlers still running; after it, they have ended,
        and the stream has completed.
        """
        safely(self._observer.on_close, self)
        self._states.complete()

    def _release_current(self) -> None:
        """Called before a task starts to wait for the end of `close`."""

    def _is_new(self, state: State) -> bool:
        return not (self._has_emitted and state == self._state)

    def _change(self, state: State) -> None:
        self._notify_change(state)
        self._set(state)

    def _notify_change(self, state: State) -> None:
        change = Change(current_state=self._state, next_state=state)
        self._observer.on_change(self, change)
        self.on_change(change)

    def _set(self, state: State) -> None:
        self._state = state
        self._has_emitted = True
        self._states.push(state)

    def _bind_loop(self, method: str) -> asyncio.AbstractEventLoop:
        """Return the running loop. Raises `BlocError` unless it is the one of the first call."""
        loop = _running_loop()
        if loop is None or self._loop not in (None, loop):
            raise BlocError(
                f"{method} must be called where the event loop of the {type(self).__name__} runs; "
                f"from another thread, call loop.call_soon_threadsafe(bloc.{method}, ...)"
            )
        self._loop = loop
        return loop


class BlocObserver:
    """Is notified of what happens in every bloc created while it is `Bloc.observer`.

    The methods do nothing; override those of interest. Each is called before the bloc's own hook of that
    name, except `on_error`, which is called after it. (Dart: `BlocObserver`)
    """

    def on_create(self, bloc: BlocBase[Any]) -> None:
        """Called when a bloc is created, before the `__init__` of its subclass goes on."""

    def on_event(self, bloc: Bloc[Any, Any], event: Any) -> None:
        """Called when an event is added. Raising rejects the event."""

    def on_transition(self, bloc: Bloc[Any, Any], transition: Transition[Any, Any]) -> None:
        """Called when a handler emits a new state. Raising rejects the state, and fails the handler."""

    def on_change(self, bloc: BlocBase[Any], change: Change[Any]) -> None:
        """Called before a new state is set. Raising rejects the state."""

    def on_error(self, bloc: BlocBase[Any], error: Exception) -> None:
        """Called with the error, and its traceback, of a handler or of `add_error`."""

    def on_done(self, bloc: Bloc[Any, Any], event: Any, error: Exception | None = None) -> None:
        """Called when a handler has ended. `error` is what it raised; None if it was cancelled."""

    def on_close(self, bloc: BlocBase[Any]) -> None:
        """Called when no handler is left, before the stream completes."""


class Bloc(BlocBase[State], Generic[Event, State]):
    """Subclass it, and register a handler for each type of event in `__init__`. (Dart: `Bloc`)

    class CounterBloc(Bloc[CounterEvent, int]):
        def __init__(self) -> None:
            super().__init__(0)
            self.on(Increment, lambda event, emit: emit(self.state + event.by))
    """

    observer: ClassVar[BlocObserver] = BlocObserver()
    """The observer of every bloc and cubit created from now on; set it on `Bloc` itself."""

    transformer: ClassVar[EventTransformer[Any]] = concurrent()
    """The default transformer of `on`; set it on `Bloc` or on a subclass."""

    def __init__(self, initial_state: State) -> None:
        self._pipelines = Pipelines(f"the events of {type(self).__name__}", self._pipeline_failed)
        self._inbox = Inbox[Event](self._deliver)
        self._handlers = RunningHandlers[Event, State](self._transition, self._handler_ended)
        super().__init__(initial_state)

    def on(
        self,
        event_type: type[E],
        handler: EventHandler[E, State],
        *,
        transformer: EventTransformer[E] | None = None,
    ) -> None:
        """Register a handler for the events of a type and of its subclasses.

        An event goes to every handler whose type matches, in the order of registration.

        Raises `DuplicateHandlerError` if this exact type has a handler already.
        """
        mapper = partial(HandlerObservable, self._handlers, handler)
        self._pipelines.register(event_type, transformer or type(self).transformer, mapper)

    def add(self, event: Event) -> None:
        """Add an event, to be handled after this call, on the event loop; `on_event` is called here.

        Raises `MissingHandlerError`, `BlocClosedError`, and what `on_event` raises; the last two are
        reported to `on_error`. Raises `BlocError` if this thread does not run the loop of the bloc.
        """
        self._add(event)

    def on_event(self, event: Event) -> None:
        """Called when an event is added. Does nothing; an override that raises rejects the event."""

    def on_transition(self, transition: Transition[Event, State]) -> None:
        """Called when a handler emits a new state. Does nothing.

        An override that raises rejects the state, and fails the handler.
        """

    def on_done(self, event: Event, error: Exception | None = None) -> None:
        """Called when a handler has ended. Does nothing.

        `error` is what the handler raised; None if it was cancelled.
        """

    def close(self) -> Awaitable[None]:
        """Close at once; await the result to know that nothing of the bloc is left.

        Events already added are still delivered. `sequential` handlers run to their end; all others, and
        those that listen to a source, are cancelled at their next await. A handler that calls this is not
        cancelled, but what it emits afterwards is ignored.
        """
        closing = super().close()
        if run := self._handlers.current():
            run.detach()
        return closing

    async def wait_until_idle(self) -> None:
        """Wait until no event is pending and no handler is running; a handler must not wait for this.

        An event that a transformer holds back, as `debounce` does, is not pending.
        """
        if self._handlers.current():
            raise BlocError("A handler cannot wait until its own bloc is idle, since it is at work itself")
        while not (self._inbox.emptied.is_set() and self._handlers.is_idle):
            await self._inbox.emptied.wait()
            await self._handlers.wait_until_idle()

    async def _close(self) -> None:
        self._handlers.stop_listening()
        await self._inbox.emptied.wait()
        await self._pipelines.drain()
        self._pipelines.dispose()
        self._handlers.cancel()
        await self._handlers.wait_until_idle()
        await super()._close()

    def _release_current(self) -> None:
        if run := self._handlers.current():
            run.complete_early()

    def _add(self, event: Event, *, while_closing: bool = False) -> None:
        """Add an event; `while_closing` is for a subclass whose `_close` still accepts events."""
        self._bind_loop("add")
        if not self._pipelines.of(event):
            name = type(event).__name__
            raise MissingHandlerError(
                f"add({name}) was called without a registered event handler. "
                f"Register one in __init__: self.on({name}, handler)"
            )
        try:
            self._notify_event(event)
            if self.is_closed and not while_closing:
                raise BlocClosedError(f"Cannot add new events after calling close on {type(self).__name__}")
        except Exception as error:
            self.add_error(error)
            raise
        self._inbox.put(event)

    def _deliver(self, event: Event) -> None:
        current_run.set(None)  # the event may have been added by a handler, which is not the caller here
        for pipeline in self._pipelines.of(event):
            pipeline.push(event)

    def _transition(self, event: Event, state: State) -> None:
        if self._is_new(state) and not self._states.is_completed:
            self._notify_transition(event, state)
            self._change(state)

    def _notify_event(self, event: Event) -> None:
        self._observer.on_event(self, event)
        self.on_event(event)

    def _notify_transition(self, event: Event, state: State) -> None:
        transition = Transition(current_state=self._state, event=event, next_state=state)
        self._observer.on_transition(self, transition)
        self.on_transition(transition)

    def _handler_ended(self, event: Event, error: BaseException | None) -> None:
        failure = error if isinstance(error, Exception) else None
        if failure is not None:
            self.add_error(failure)
        safely(self._observer.on_done, self, event, failure)
        safely(self.on_done, event, failure)
        if error is not None:
            report(f"the handler of {type(event).__name__} in {type(self).__name__} failed", error)

    def _pipeline_failed(self, error: Exception) -> None:
        self.add_error(error)
        report(f"a transformer of {type(self).__name__} failed; it restarts with the next event", error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
