"""Which events a handler gets, and when; and any RxPY pipeline as a transformer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import reactivex as rx
import reactivex.operators as ops
from reactivex import Observable
from reactivex.observer import Observer
from reactivex.subject import Subject

from socket_bloc.bloc import (
    Bloc,
    Emitter,
    EventMapper,
    EventTransformer,
    concurrent,
    debounce,
    droppable,
    restartable,
    sequential,
    throttle,
)
from tests.socket_bloc.bloc.blocs import (
    DONE,
    CounterEvent,
    Decrement,
    Increment,
    OneHandlerBloc,
    Recorder,
    iterate_loop,
    listen,
    until,
)


class Watched:
    """A bloc whose handler waits until the test lets it go on."""

    def __init__(self, transformer: EventTransformer[Any] | None) -> None:
        self.started: list[Any] = []
        self.cancelled: list[Any] = []
        self.gates: dict[Any, asyncio.Event] = {}
        self.bloc = OneHandlerBloc(self._handle, transformer)
        self.heard = listen(self.bloc)

    async def _handle(self, event: Any, emit: Emitter[Any]) -> None:
        self.started.append(event)
        self.gates[event] = asyncio.Event()
        try:
            await self.gates[event].wait()
        except asyncio.CancelledError:
            self.cancelled.append(event)
            raise
        emit(event)

    async def add(self, *events: Any) -> None:
        for event in events:
            self.bloc.add(event)
        await iterate_loop(5)

    async def let_end(self, *events: Any) -> None:
        for event in events:
            self.gates[event].set()
            await iterate_loop(5)


async def test_without_a_transformer_events_are_handled_concurrently() -> None:
    # Dart: bloc_event_transformer_test.dart, concurrent_test.dart
    watched = Watched(None)
    await watched.add(1, 2, 3)
    assert watched.started == [1, 2, 3]
    await watched.let_end(2, 1, 3)
    assert watched.heard == [2, 1, 3]
    await watched.bloc.close()


async def test_sequential_starts_one_event_at_a_time() -> None:
    # Dart: sequential_test.dart
    watched = Watched(sequential())
    await watched.add(1, 2, 3)
    assert watched.started == [1]
    await watched.let_end(1)
    assert watched.started == [1, 2]
    await watched.let_end(2)
    await watched.let_end(3)
    assert watched.heard == [1, 2, 3]
    await watched.add(4)
    await watched.let_end(4)
    assert watched.heard == [1, 2, 3, 4]
    await watched.bloc.close()


async def test_droppable_drops_events_while_busy_and_accepts_again_when_idle() -> None:
    # Dart: droppable_test.dart
    watched = Watched(droppable())
    await watched.add(1, 2, 3)
    assert watched.started == [1]
    await watched.let_end(1)
    assert watched.heard == [1]
    await watched.add(4)
    await watched.let_end(4)
    assert watched.heard == [1, 4]
    await watched.bloc.close()


async def test_restartable_cancels_the_running_handler() -> None:
    # Dart: restartable_test.dart
    watched = Watched(restartable())
    for event in (1, 2, 3):
        await watched.add(event)
    assert watched.started == [1, 2, 3]
    assert watched.cancelled == [1, 2]
    await watched.let_end(3)
    assert watched.heard == [3]
    await watched.bloc.close()


async def test_restartable_starts_every_event_of_those_added_together(recorder: Recorder) -> None:
    # Dart: restartable_test.dart
    watched = Watched(restartable())
    await watched.add(1, 2, 3)
    assert watched.started == [1, 2, 3]
    assert watched.cancelled == [1, 2]
    await watched.let_end(3)
    assert watched.heard == [3]
    assert recorder.of("on_done") == [(watched.bloc, event, None) for event in (1, 2, 3)]
    assert recorder.of("on_error") == []
    await watched.bloc.close()


async def test_restartable_also_cancels_a_handler_that_is_about_to_resume() -> None:
    watched = Watched(restartable())
    await watched.add(1)
    watched.bloc.add(2)
    await watched.let_end(1)
    assert watched.heard == []
    assert watched.cancelled == [1]
    await watched.let_end(2)
    assert watched.heard == [2]
    await watched.bloc.close()


async def test_cancelling_a_handler_unsubscribes_it_from_its_source() -> None:
    # Dart: droppable_test.dart
    source: Subject[int] = Subject()
    bloc = OneHandlerBloc(lambda event, emit: emit.for_each(source, on_data=lambda item: item), droppable())
    bloc.add("go")
    await iterate_loop()
    assert len(source.observers) == 1
    await bloc.close()
    assert source.observers == []


@pytest.mark.parametrize("make", [concurrent, sequential, droppable, restartable])
@pytest.mark.parametrize("ends_last", ["the events", "the handling"])
def test_a_pipeline_completes_when_the_events_and_their_handlers_have_ended(
    make: Callable[[], EventTransformer[int]], ends_last: str
) -> None:
    # Dart: concurrent_test.dart, sequential_test.dart, droppable_test.dart, restartable_test.dart
    events: Subject[int] = Subject()
    handling: Subject[int] = Subject()
    completed: list[str] = []
    pipeline = make()(events, lambda event: handling)
    pipeline.subscribe(on_completed=lambda: completed.append("completed"))
    events.on_next(1)
    first, last = (handling, events) if ends_last == "the events" else (events, handling)
    first.on_completed()
    assert completed == []
    last.on_completed()
    assert completed == ["completed"]


@pytest.mark.parametrize("make", [concurrent, sequential, droppable, restartable])
def test_disposing_a_pipeline_cancels_the_running_handlers_and_starts_no_more(
    make: Callable[[], EventTransformer[int]],
) -> None:
    events: Subject[int] = Subject()
    handlings: list[Subject[int]] = []

    def mapper(event: int) -> Observable[int]:
        handlings.append(Subject())
        return handlings[-1]

    subscription = make()(events, mapper).subscribe()
    events.on_next(1)
    events.on_next(2)
    subscription.dispose()
    assert events.observers == []
    assert all(handling.observers == [] for handling in handlings)
    handlings[0].on_completed()
    assert all(handling.observers == [] for handling in handlings)


@pytest.mark.parametrize("make", [sequential, droppable, restartable])
async def test_handlers_that_share_a_transformer_have_pipelines_of_their_own(
    make: Callable[[], EventTransformer[Any]],
) -> None:
    # Dart: bloc_event_transformer_test.dart
    shared = make()
    started: list[Any] = []
    gate = asyncio.Event()

    class Two(Bloc[CounterEvent, int]):
        def __init__(self) -> None:
            super().__init__(0)
            self.on(Increment, self._handle, transformer=shared)
            self.on(Decrement, self._handle, transformer=shared)

        async def _handle(self, event: CounterEvent, emit: Emitter[int]) -> None:
            started.append(event)
            await gate.wait()

    bloc = Two()
    bloc.add(Increment())
    bloc.add(Decrement())
    await iterate_loop()
    assert started == [Increment(), Decrement()]
    gate.set()
    await bloc.close()


async def test_sequential_keeps_the_order_of_plain_events_behind_an_async_one() -> None:
    gate = asyncio.Event()

    def handler(event: int, emit: Emitter[int]) -> Any:
        async def slowly() -> None:
            await gate.wait()
            emit(event)

        return slowly() if event == 1 else emit(event)

    bloc = OneHandlerBloc(handler, sequential())
    heard = listen(bloc)
    for event in (1, 2, 3):
        bloc.add(event)
    await iterate_loop()
    assert heard == []
    gate.set()
    await bloc.close()
    assert heard == [1, 2, 3, DONE]


async def test_debounce_handles_the_last_event_of_a_burst_on_the_loop() -> None:
    # Dart: bloc_bloc_test_test.dart
    threads: set[int] = set()
    handled = asyncio.Event()

    def handler(event: int, emit: Emitter[int]) -> None:
        threads.add(threading.get_ident())
        emit(event)
        handled.set()

    bloc = OneHandlerBloc(handler, debounce(0.01))
    heard = listen(bloc)
    for event in (1, 2, 3):
        bloc.add(event)
    await iterate_loop(5)
    assert heard == []
    await handled.wait()
    assert heard == [3]
    assert threads == {threading.get_ident()}
    await bloc.close()


async def test_debounce_passes_events_on_to_another_transformer() -> None:
    started: list[int] = []

    async def handler(event: int, emit: Emitter[int]) -> None:
        started.append(event)
        await asyncio.sleep(60 if event == 1 else 0)
        emit(event)

    bloc = OneHandlerBloc(handler, debounce(timedelta(milliseconds=1), then=restartable()))
    heard = listen(bloc)
    bloc.add(1)
    await until(lambda: started == [1])
    bloc.add(2)
    await until(lambda: started == [1, 2])
    await bloc.wait_until_idle()
    assert heard == [2]
    await bloc.close()


async def test_throttle_handles_the_first_event_of_a_burst() -> None:
    # Dart: bloc_test.dart
    class Counter(Bloc[CounterEvent, int]):
        def __init__(self) -> None:
            super().__init__(0)
            self.on(Increment, lambda event, emit: emit(self.state + 1), transformer=throttle(60))
            self.on(Decrement, lambda event, emit: emit(self.state - 1))

    bloc = Counter()
    heard = listen(bloc)
    for event in (Increment(), Increment(), Decrement(), Decrement()):
        bloc.add(event)
    await bloc.close()
    assert heard == [1, 0, -1, DONE]


async def test_throttle_handles_the_next_event_when_its_time_has_passed() -> None:
    bloc = OneHandlerBloc(lambda event, emit: emit(event), throttle(0.005))
    heard = listen(bloc)
    event = 0
    while len(heard) < 3:
        bloc.add(event := event + 1)
        await asyncio.sleep(0.001)
    await bloc.close()
    assert heard[0] == 1


async def test_plain_rx_operators_make_a_transformer() -> None:
    # Dart: bloc_event_transformer_test.dart
    def odd_and_distinct(events: Observable[int], mapper: EventMapper[int]) -> Observable[int]:
        return events.pipe(
            ops.filter(lambda event: event % 2 == 1),
            ops.distinct_until_changed(),
            ops.flat_map(mapper),
        )

    bloc = OneHandlerBloc(lambda event, emit: emit(event), odd_and_distinct)
    heard = listen(bloc)
    for event in (1, 1, 2, 3, 4, 5, 5):
        bloc.add(event)
    await bloc.close()
    assert heard == [1, 3, 5, DONE]


@pytest.mark.parametrize(
    ("operator", "started", "heard"),
    [
        (ops.flat_map, [1, 2, 3], [1, 2, 3]),
        (ops.concat_map, [1, 2, 3], [1, 2, 3]),
        (ops.switch_map, [1, 2, 3], [3]),
        (lambda mapper: rx.compose(ops.map(mapper), ops.exclusive()), [1], [1]),
    ],
    ids=["flat_map", "concat_map", "switch_map", "exclusive"],
)
async def test_a_handler_starts_when_an_operator_subscribes_and_not_when_it_maps(
    operator: Callable[[Any], Any], started: list[int], heard: list[int]
) -> None:
    watched = Watched(lambda events, mapper: events.pipe(operator(mapper)))
    await watched.add(1, 2, 3)
    for event in (1, 2, 3):
        if event in watched.gates:
            await watched.let_end(event)
    assert watched.started == started
    assert watched.heard == heard
    await watched.bloc.close()


@pytest.mark.parametrize("operator", [ops.flat_map, ops.concat_map, ops.switch_map])
async def test_closing_cancels_the_running_handlers_of_a_pipeline_of_rx_operators(
    operator: Callable[[Any], Any], recorder: Recorder
) -> None:
    watched = Watched(lambda events, mapper: events.pipe(operator(mapper)))
    await watched.add(1, 2)
    await asyncio.wait_for(watched.bloc.close(), 5)
    assert watched.heard == [DONE]
    assert watched.cancelled == watched.started
    assert recorder.of("on_error") == []


async def test_closing_also_cancels_handlers_that_a_pipeline_started_on_its_own() -> None:
    watched = Watched(
        lambda events, mapper: events.pipe(ops.do_action(lambda event: mapper(event).subscribe()))
    )
    await watched.add(1)
    await asyncio.wait_for(watched.bloc.close(), 5)
    assert watched.cancelled == [1]


async def test_the_timers_of_a_pipeline_run_on_the_loop_without_an_explicit_scheduler() -> None:
    threads: set[int] = set()
    bloc = OneHandlerBloc(
        lambda event, emit: threads.add(threading.get_ident()) or emit(event),
        lambda events, mapper: events.pipe(ops.delay(0.001), ops.debounce(0.001), ops.flat_map(mapper)),
    )
    heard = listen(bloc)
    bloc.add(1)
    await until(lambda: heard == [1])
    assert threads == {threading.get_ident()}
    await bloc.close()


async def test_a_handler_that_ends_its_own_pipeline_while_it_starts_is_cancelled() -> None:
    stop: Subject[None] = Subject()
    cancelled: list[str] = []

    async def wait(event: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(event)
            raise

    def handler(event: str, emit: Emitter[Any]) -> Awaitable[None]:
        stop.on_next(None)
        return wait(event)

    def until_stop(events: Observable[str], mapper: EventMapper[str]) -> Observable[str]:
        return concurrent()(events, mapper).pipe(ops.take_until(stop))

    bloc = OneHandlerBloc(handler, until_stop)
    bloc.add("go")
    await iterate_loop(5)
    assert cancelled == ["go"]
    await bloc.close()


async def test_an_operator_may_run_a_handler_more_than_once() -> None:
    runs: list[int] = []
    bloc = OneHandlerBloc(
        lambda event, emit: runs.append(event),
        lambda events, mapper: events.pipe(ops.flat_map(lambda event: mapper(event).pipe(ops.repeat(3)))),
    )
    bloc.add(7)
    await bloc.close()
    assert runs == [7, 7, 7]


async def test_the_observable_of_a_handler_takes_an_observer_and_can_be_piped() -> None:
    ended: list[str] = []

    def transformer(events: Observable[int], mapper: EventMapper[int]) -> Observable[int]:
        def handle(event: int) -> None:
            mapper(event).subscribe(Observer(on_completed=lambda: ended.append(f"{event} by an observer")))
            done = mapper(event).pipe(ops.finally_action(lambda: ended.append(f"{event} by a pipe")))
            done.pipe(ops.throttle_first(1)).subscribe()

        return events.pipe(ops.do_action(handle))

    bloc = OneHandlerBloc(lambda event, emit: emit(event), transformer)
    bloc.add(1)
    await bloc.close()
    assert ended == ["1 by an observer", "1 by a pipe"]


async def test_the_observable_of_a_cancelled_handler_does_not_complete() -> None:
    completed: list[int] = []

    def transformer(events: Observable[int], mapper: EventMapper[int]) -> Observable[int]:
        def handle(event: int) -> None:
            handling = mapper(event).subscribe(on_completed=lambda: completed.append(event))
            if event == 1:
                handling.dispose()

        return events.pipe(ops.do_action(handle))

    bloc = OneHandlerBloc(lambda event, emit: asyncio.sleep(0), transformer)
    bloc.add(1)
    bloc.add(2)
    await bloc.wait_until_idle()
    assert completed == [2]
    await bloc.close()


async def test_transformers_can_be_nested() -> None:
    watched = Watched(lambda events, mapper: sequential()(events.pipe(ops.filter(lambda e: e > 1)), mapper))
    await watched.add(1, 2, 3)
    assert watched.started == [2]
    closing = asyncio.ensure_future(watched.bloc.close())
    await watched.let_end(2)
    await watched.let_end(3)
    await closing
    assert watched.heard == [2, 3, DONE]


async def test_closing_unsubscribes_a_pipeline_from_everything_else_that_it_listens_to() -> None:
    other: Subject[int] = Subject()
    bloc = OneHandlerBloc(
        lambda event, emit: emit(event),
        lambda events, mapper: events.pipe(ops.merge(other), ops.flat_map(mapper)),
    )
    heard = listen(bloc)
    bloc.add(1)
    await iterate_loop()
    other.on_next(2)
    await bloc.close()
    assert heard == [1, 2, DONE]
    assert other.observers == []


async def test_a_pipeline_that_takes_a_limited_number_of_events_takes_no_more() -> None:
    bloc = OneHandlerBloc(
        lambda event, emit: emit(event),
        lambda events, mapper: events.pipe(ops.take(2), ops.flat_map(mapper)),
    )
    heard = listen(bloc)
    for event in (1, 2, 3):
        bloc.add(event)
    await bloc.close()
    assert heard == [1, 2, DONE]
