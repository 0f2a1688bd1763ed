"""The Observable that a transformer gets for each event: to subscribe to it is to start the handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, OnCompleted, OnError, OnNext, SchedulerBase
from reactivex.internal import noop

from socket_bloc.bloc._run import Run
from socket_bloc.bloc._work import Work
from socket_bloc.bloc.emitter import Emitter

__all__ = ["EventHandler", "Handling"]

Event = TypeVar("Event")
State = TypeVar("State")

EventHandler: TypeAlias = Callable[[Event, Emitter[State]], Awaitable[None] | None]
"""A function of an event and an `Emitter`; it is run inline; what it gives to be awaited is awaited."""


class Handling(Observable[Event], Generic[Event, State]):
    """One event with its handler. Each subscription is a run of it, in the context of the event's `add`.

    It emits nothing, completes when the handler has ended, and never fails, as an error would end most
    pipelines for good. It subscribes by itself, without Rx's trampoline and auto-detach, as these cost
    more than all the rest of an event; it needs neither, since it completes once, and not after `dispose`.
    """

    def __init__(self, work: Work[Event, State], handler: EventHandler[Event, State], event: Event) -> None:
        super().__init__()
        self._work = work
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
        if isinstance(on_next, ObserverBase):
            on_completed = on_next.on_completed
        run = Run(self._work, self._event, on_completed or noop)
        run.start(partial(self._handler, self._event, Emitter(run)), self._context)
        return run
