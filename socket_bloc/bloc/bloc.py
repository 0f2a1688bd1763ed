"""The bloc: events in, states out. Each step on the way has a module of its own:

add -> Inbox -> Pipeline -> transformer -> HandlerObservable -> HandlerRun -> handler -> stream
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from socket_bloc.bloc._inbox import Inbox
from socket_bloc.bloc._pipeline import Pipeline
from socket_bloc.bloc._report import report, safely
from socket_bloc.bloc._run import HandlerObservable, RunningHandlers, current_run
from socket_bloc.bloc.base import BlocBase
from socket_bloc.bloc.emitter import EventHandler
from socket_bloc.bloc.errors import BlocClosedError, BlocError, DuplicateHandlerError, MissingHandlerError
from socket_bloc.bloc.observer import BlocObserver
from socket_bloc.bloc.transformers import EventTransformer, concurrent
from socket_bloc.bloc.transition import Transition

__all__ = ["Bloc"]

E = TypeVar("E")
Event = TypeVar("Event")
State = TypeVar("State")


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
        self._pipelines: dict[type, Pipeline[Any]] = {}
        self._routes: dict[type, tuple[Pipeline[Any], ...]] = {}
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
        if event_type in self._pipelines:
            raise DuplicateHandlerError(
                f"on({event_type.__name__}) was called multiple times. "
                "There should only be a single event handler per event type."
            )
        self._pipelines[event_type] = Pipeline(
            f"the events of {type(self).__name__}",
            transformer or type(self).transformer,
            partial(HandlerObservable, self._handlers, handler),
            self._fail_pipeline,
        )
        self._routes.clear()

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
        for pipeline in self._pipelines.values():
            pipeline.complete()
        for pipeline in self._pipelines.values():
            await pipeline.drain()
        for pipeline in self._pipelines.values():
            pipeline.dispose()
        self._handlers.cancel()
        await self._handlers.wait_until_idle()
        await super()._close()

    def _release_current(self) -> None:
        if run := self._handlers.current():
            run.complete_early()

    def _add(self, event: Event, *, while_closing: bool = False) -> None:
        """`add`; a subclass whose `_close` still has to take events in says `while_closing`."""
        self._bind_loop("add")
        if not self._route(event):
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

    def _route(self, event: Event) -> tuple[Pipeline[Any], ...]:
        route = self._routes.get(type(event))
        if route is None:
            matching = (pipe for kind, pipe in self._pipelines.items() if isinstance(event, kind))
            route = self._routes[type(event)] = tuple(matching)
        return route

    def _deliver(self, event: Event) -> None:
        current_run.set(None)  # the handler that has added the event has no part in what follows
        for pipeline in self._route(event):
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
