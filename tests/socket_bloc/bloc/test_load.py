"""Many events at once: no recursion, no quadratic time, and a loop that is never blocked."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import reactivex.operators as ops
from reactivex import Observable

from socket_bloc.bloc import (
    Emitter,
    EventMapper,
    EventTransformer,
    concurrent,
    droppable,
    restartable,
    sequential,
)
from socket_bloc.bloc._loop import MAX_SECONDS, MAX_STEPS
from tests.socket_bloc.bloc.blocs import DONE, OneHandlerBloc, listen, until

EVENTS = 100_000
FEWER = 20_000


class LoopIterations:
    """Counts the iterations of the loop while it is entered; each may run one time slice."""

    async def __aenter__(self) -> LoopIterations:
        self.count = 0
        self._task = asyncio.create_task(self._count())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.count += 1


@pytest.mark.parametrize("transformer", [concurrent, sequential, droppable, restartable])
async def test_a_hundred_thousand_events_are_handled_in_time_slices(
    transformer: Callable[[], EventTransformer[Any]],
) -> None:
    bloc = OneHandlerBloc(lambda event, emit: emit(bloc.state + 1), transformer())
    seen: list[int] = []
    bloc.stream.subscribe(seen.append)
    for _ in range(EVENTS):
        bloc.add("go")
    async with LoopIterations() as iterations:
        await bloc.close()
    assert bloc.state == len(seen) == EVENTS
    assert iterations.count >= EVENTS // MAX_STEPS


async def test_slow_handlers_end_their_time_slice_early() -> None:
    def handler(event: int, emit: Emitter[int]) -> None:
        end = time.perf_counter() + MAX_SECONDS
        while time.perf_counter() < end:
            pass

    bloc = OneHandlerBloc(handler)
    for event in range(5):
        bloc.add(event)
    async with LoopIterations() as iterations:
        await bloc.close()
    assert iterations.count >= 5


async def test_plain_events_that_wait_for_an_async_one_are_handled_in_time_slices() -> None:
    gate = asyncio.Event()
    delivered: list[int] = []

    def counted(events: Observable[int], mapper: EventMapper[int]) -> Observable[int]:
        return sequential()(events.pipe(ops.do_action(delivered.append)), mapper)

    def handler(event: int, emit: Emitter[int]) -> Any:
        return gate.wait() if event == 0 else emit(event)

    bloc = OneHandlerBloc(handler, counted)
    heard = listen(bloc)
    for event in range(FEWER):
        bloc.add(event)
    await until(lambda: len(delivered) == FEWER)
    assert heard == []
    gate.set()
    async with LoopIterations() as iterations:
        await bloc.close()
    assert heard == [*range(1, FEWER), DONE]
    assert iterations.count >= FEWER // MAX_STEPS


async def test_a_handler_that_adds_the_next_event_does_not_block_the_loop() -> None:
    def handler(event: int, emit: Emitter[int]) -> None:
        emit(event)
        if event < FEWER:
            bloc.add(event + 1)

    bloc = OneHandlerBloc(handler)
    bloc.add(1)
    async with LoopIterations() as iterations:
        await bloc.wait_until_idle()
    assert bloc.state == FEWER
    assert iterations.count >= FEWER // MAX_STEPS
    await bloc.close()


async def test_a_listener_that_emits_a_hundred_thousand_times_does_not_recurse() -> None:
    bloc = OneHandlerBloc(lambda event, emit: emit(1))
    bloc.stream.subscribe(lambda state: bloc.emit(state + 1) if state < EVENTS else None)
    heard = listen(bloc)
    bloc.add("go")
    await bloc.wait_until_idle()
    assert heard == [*range(1, EVENTS + 1)]
    await bloc.close()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_handled_event_is_freed_without_the_garbage_collector(is_async: bool) -> None:
    class Event: ...

    def handle(event: Event, emit: Emitter[int]) -> None:
        emit(bloc.state + 1)

    async def handle_later(event: Event, emit: Emitter[int]) -> None:
        await asyncio.sleep(0)
        emit(bloc.state + 1)

    async with OneHandlerBloc(handle_later if is_async else handle) as bloc:
        gc.disable()
        try:
            event = Event()
            alive = weakref.ref(event)
            bloc.add(event)
            del event
            await bloc.wait_until_idle()
            await asyncio.sleep(0)
            assert bloc.state == 1
            assert alive() is None
        finally:
            gc.enable()


async def test_the_time_for_an_event_does_not_grow_with_the_number_of_events() -> None:
    async def seconds(events: int) -> float:
        bloc = OneHandlerBloc(lambda event, emit: emit(event), sequential())
        for event in range(events):
            bloc.add(event)
        start = time.process_time()
        await bloc.close()
        return time.process_time() - start

    await seconds(1_000)
    few = min([await seconds(2_000) for _ in range(3)])
    many = await seconds(40_000)
    assert many < few * 20 * 4  # quadratic time would be 20 times as much for each event


async def test_a_thousand_async_handlers_run_concurrently_and_are_cancelled_together() -> None:
    begun = ended = 0

    async def handler(event: int, emit: Emitter[int]) -> None:
        nonlocal begun, ended
        begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1

    bloc = OneHandlerBloc(handler)
    for event in range(1_000):
        bloc.add(event)
    await until(lambda: begun == 1_000)
    await bloc.close()
    assert ended == 1_000
