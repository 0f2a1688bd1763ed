"""The Observable that a transformer gets for each event: to subscribe to it is to start the handler."""

from __future__ import annotations

from contextvars import copy_context
from typing import Generic, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, OnCompleted, OnError, OnNext, SchedulerBase
from reactivex.internal import noop

from socket_bloc.bloc._run import EventHandler, Run
from socket_bloc.bloc._work import Work

__all__ = ["Handling"]

Event = TypeVar("Event")
State = TypeVar("State")


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
        run.start(self._handler, self._context)
        return run
