"""Which of its events a handler gets, and when: in parallel, one by one, the first, the latest.

A transformer is a function of the events and of a mapper, which makes of an event the Observable of its
handling; any RxPY pipeline that subscribes to what the mapper makes will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TypeVar

from reactivex import Observable
from reactivex import operators as ops
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler.scheduler import Scheduler
from reactivex.typing import RelativeTime

from socket_bloc.bloc._lane import Draining, EventMapper, EventTransformer, Lane

__all__ = [
    "EventMapper",
    "EventTransformer",
    "concurrent",
    "debounce",
    "droppable",
    "restartable",
    "sequential",
    "throttle",
]

Event = TypeVar("Event")


def concurrent() -> EventTransformer[Event]:
    """Handle each event at once, beside those still being handled. (Dart: `concurrent`)"""

    def admit(lane: Lane[Event], event: Event) -> None:
        lane.start(event)

    return _transformer(admit)


def sequential() -> EventTransformer[Event]:
    """Handle events one after the other; closing the bloc waits for all of them. (Dart: `sequential`)"""

    def admit(lane: Lane[Event], event: Event) -> None:
        if lane.is_free:
            lane.start(event)
        else:
            lane.enqueue(event)

    return _transformer(admit, Draining)


def droppable() -> EventTransformer[Event]:
    """Drop the events that come while one is being handled. (Dart: `droppable`)"""

    def admit(lane: Lane[Event], event: Event) -> None:
        if lane.is_free:
            lane.start(event)

    return _transformer(admit)


def restartable() -> EventTransformer[Event]:
    """Cancel the handling of an event when the next one comes. (Dart: `restartable`)"""

    def admit(lane: Lane[Event], event: Event) -> None:
        lane.cancel()
        lane.start(event)

    return _transformer(admit)


def debounce(duration: RelativeTime, then: EventTransformer[Event] | None = None) -> EventTransformer[Event]:
    """Handle an event when no other has come for `duration` (seconds, or a timedelta).

    What is left over is for the transformer `then`, `concurrent()` unless another one is given.
    """
    return lambda events, mapper: (then or concurrent())(events.pipe(ops.debounce(duration)), mapper)


def throttle(duration: RelativeTime, then: EventTransformer[Event] | None = None) -> EventTransformer[Event]:
    """Handle an event, then drop those that come within `duration` (seconds, or a timedelta) of it.

    What is left over is for the transformer `then`, `concurrent()` unless another one is given.
    """

    def transform(events: Observable[Event], mapper: EventMapper[Event]) -> Observable[Event]:
        next_at = -math.inf

        def is_due(event: Event) -> bool:
            nonlocal next_at
            now = monotonic()  # Rx's own operator would look at the time of day, which may be set back
            if now < next_at:
                return False
            next_at = now + Scheduler.to_seconds(duration)
            return True

        return (then or concurrent())(events.pipe(ops.filter(is_due)), mapper)

    return transform


def _transformer(
    admit: Callable[[Lane[Event], Event], None], pipeline: type[Observable[Event]] = Observable
) -> EventTransformer[Event]:
    def transform(events: Observable[Event], mapper: EventMapper[Event]) -> Observable[Event]:
        def subscribe(
            observer: ObserverBase[Event], scheduler: SchedulerBase | None = None
        ) -> DisposableBase:
            lane = Lane(mapper, observer)
            source = events.subscribe(
                partial(admit, lane), observer.on_error, lane.finish, scheduler=scheduler
            )
            return CompositeDisposable(source, lane)

        return pipeline(subscribe)

    return transform
