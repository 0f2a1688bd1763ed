"""Blocs, and the observer that is notified of what happens in them.

An event takes this way, each part of it in a module of its own:

    add -> Inbox -> Pipeline -> transformer -> HandlerObservable -> HandlerRun -> handler -> stream

The hooks, who is notified of them, and who calls them are one contract, and so they share this module.
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


class BlocObserver:
    """Is told what happens in each bloc that is made while this is `Bloc.observer`.

    Every method is empty here; override those of interest. Each comes before the bloc's own method of
    that name, except for `on_error`, which comes after it. (Dart: `BlocObserver`)
    """

    def on_create(self, bloc: BlocBase[Any]) -> None:
        """A bloc has been made; what its subclass sets up is not there yet."""

    def on_event(self, bloc: Bloc[Any, Any], event: Any) -> None:
        """An event is being added. To raise here refuses it."""

    def on_transition(self, bloc: Bloc[Any, Any], transition: Transition[Any, Any]) -> None:
        """A handler emits a new state. To raise here refuses it, and fails the handler."""

    def on_change(self, bloc: BlocBase[Any], change: Change[Any]) -> None:
        """A new state is about to be set. To raise here refuses it."""

    def on_error(self, bloc: BlocBase[Any], error: Exception) -> None:
        """A handler failed, or an error was added; its traceback is on it."""

    def on_done(self, bloc: Bloc[Any, Any], event: Any, error: Exception | None = None) -> None:
        """A handler has ended; `error` is what it raised, None also where it was cancelled."""

    def on_close(self, bloc: BlocBase[Any]) -> None:
        """The bloc has come to rest; its stream completes next."""


class Bloc(BlocBase[State], Generic[Event, State]):
    """Subclass it, and register a handler for each type of event in `__init__`. (Dart: `Bloc`)

    class CounterBloc(Bloc[CounterEvent, int]):
        def __init__(self) -> None:
            super().__init__(0)
            self.on(Increment, lambda event, emit: emit(self.state + event.by))
    """

    observer: ClassVar[BlocObserver] = BlocObserver()
    """Watches every bloc and cubit that is made from now on; set it on `Bloc` itself."""

    transformer: ClassVar[EventTransformer[Any]] = concurrent()
    """What `on` takes where it is given none; set it on `Bloc`, or on a subclass."""

    def __init__(self, initial_state: State) -> None:
        self._pipelines = Pipelines(f"the events of {type(self).__name__}", self._fail_pipeline)
        self._inbox = Inbox[Event](self._deliver)
        self._handlers = RunningHandlers[Event, State](self._transition, self._handled)
        super().__init__(initial_state)

    def on(
        self,
        event_type: type[E],
        handler: EventHandler[E, State],
        *,
        transformer: EventTransformer[E] | None = None,
    ) -> None:
        """Register what handles the events of a type, and of its subclasses.

        Every handler whose type matches gets an event, in the order of registration.

        Raises `DuplicateHandlerError` where the very type has a handler already.
        """
        mapper = partial(HandlerObservable, self._handlers, handler)
        self._pipelines.register(event_type, transformer or type(self).transformer, mapper)

    def add(self, event: Event) -> None:
        """Have an event handled, in a later turn of the loop; `on_event` is told of it here.

        Raises `MissingHandlerError`, `BlocClosedError`, and what `on_event` raises; `on_error` is told of
        the last two. Raises `BlocError` where the loop of this bloc does not run in this thread.
        """
        self._add(event)

    def on_event(self, event: Event) -> None:
        """An event is being added. Empty; to raise here refuses it."""

    def on_transition(self, transition: Transition[Event, State]) -> None:
        """A handler emits a new state. Empty; to raise here refuses it, and fails the handler."""

    def on_done(self, event: Event, error: Exception | None = None) -> None:
        """A handler has ended; `error` is what it raised, None also where it was cancelled. Empty."""

    def close(self) -> Awaitable[None]:
        """Close at once; await the result to know that nothing of the bloc is left.

        Events already added are still handled, as far as this needs no waiting: `sequential` handlers are
        let run to their end, all others, and those that listen to a source, are cancelled. The handler
        that calls this is neither cancelled nor heard any more.
        """
        closing = super().close()
        if run := self._handlers.current():
            run.detach()
        return closing

    async def wait_until_idle(self) -> None:
        """Wait until no event waits and no handler is at work; a handler must not wait for this.

        A bloc is also idle while a transformer holds an event back, as `debounce` does.
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
        """`add`; a subclass whose `_close` still has to take events in says `while_closing`."""
        self._bind_loop("add")
        if not self._pipelines.of(event):
            name = type(event).__name__
            raise MissingHandlerError(
                f"add({name}) was called without a registered event handler. "
                f"Register one in __init__: self.on({name}, handler)"
            )
        try:
            self._tell_event(event)
            if self.is_closed and not while_closing:
                raise BlocClosedError(f"Cannot add new events after calling close on {type(self).__name__}")
        except Exception as error:
            self.add_error(error)
            raise
        self._inbox.put(event)

    def _deliver(self, event: Event) -> None:
        current_run.set(None)  # the handler that has added the event has no part in what follows
        for pipeline in self._pipelines.of(event):
            pipeline.push(event)

    def _transition(self, event: Event, state: State) -> None:
        if self._is_new(state) and not self._states.is_completed:
            self._tell_transition(event, state)
            self._change(state)

    def _tell_event(self, event: Event) -> None:
        self._observer.on_event(self, event)
        self.on_event(event)

    def _tell_transition(self, event: Event, state: State) -> None:
        transition = Transition(current_state=self._state, event=event, next_state=state)
        self._observer.on_transition(self, transition)
        self.on_transition(transition)

    def _handled(self, event: Event, error: BaseException | None) -> None:
        failure = error if isinstance(error, Exception) else None
        if failure is not None:
            self.add_error(failure)
        safely(self._observer.on_done, self, event, failure)
        safely(self.on_done, event, failure)
        if error is not None:
            report(f"the handler of {type(event).__name__} in {type(self).__name__} failed", error)

    def _fail_pipeline(self, error: Exception) -> None:
        self.add_error(error)
        report(f"a transformer of {type(self).__name__} failed; it starts anew with the next event", error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
