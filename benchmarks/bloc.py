"""Events per second through a bloc, beside a bare RxPY Subject that does the same.

    python -m benchmarks.bloc [--events N] [--rounds N]

Each event goes through one handler, causes one transition, and reaches one listener. The Subject is fed
by one `call_soon` for each event, and folds with `scan`. All figures come from one run, whose rounds take
turns, and are the best of them: on a busy machine compare the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias

from reactivex import operators as ops
from reactivex.subject import Subject

from socket_bloc.bloc import (
    Bloc,
    Emitter,
    EventTransformer,
    concurrent,
    droppable,
    restartable,
    sequential,
)

Measure: TypeAlias = Callable[[], Coroutine[Any, Any, float]]

TRANSFORMERS: tuple[Callable[[], EventTransformer[int]], ...] = (
    concurrent,
    sequential,
    droppable,
    restartable,
)


class Sum(Bloc[int, int]):
    """Adds up its events."""

    def __init__(self, transformer: EventTransformer[int], *, is_async: bool) -> None:
        super().__init__(0)
        self.on(int, self._handle_async if is_async else self._handle, transformer=transformer)

    def _handle(self, event: int, emit: Emitter[int]) -> None:
        emit(self.state + event)

    async def _handle_async(self, event: int, emit: Emitter[int]) -> None:
        emit(self.state + event)


async def through_subject(events: int) -> float:
    """Seconds that the bare Subject takes."""
    loop = asyncio.get_running_loop()
    all_heard = loop.create_future()
    subject: Subject[int] = Subject()

    def listen(total: int) -> None:
        if total == events:
            all_heard.set_result(None)

    subject.pipe(ops.scan(lambda total, event: total + event, 0)).subscribe(listen)
    start = perf_counter()
    for _ in range(events):
        loop.call_soon(subject.on_next, 1)
    await all_heard
    return perf_counter() - start


async def through_bloc(transformer: EventTransformer[int], events: int, *, is_async: bool) -> float:
    """Seconds that a bloc takes; of the events that its transformer cancels or drops, too."""
    heard = 0

    def listen(_: int) -> None:
        nonlocal heard
        heard += 1

    async with Sum(transformer, is_async=is_async) as bloc:
        bloc.stream.subscribe(listen)
        start = perf_counter()
        for _ in range(events):
            bloc.add(1)
        await bloc.wait_until_idle()
        seconds = perf_counter() - start
        if heard != bloc.state or (not is_async and heard != events):
            raise AssertionError(f"of {events} events, {bloc.state} were handled and {heard} were heard")
    return seconds


def cases(events: int) -> Mapping[str, Measure]:
    """What is measured, by name."""
    subject: Measure = partial(through_subject, events)
    found = {"bare Subject, scan": subject}
    for is_async in (False, True):
        for make in TRANSFORMERS:
            name = f"{'async' if is_async else 'sync'}, {make.__name__}"
            found[name] = partial(through_bloc, make(), events, is_async=is_async)
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=50_000, help="events in each round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each case")
    options = parser.parse_args()
    measured = cases(options.events)
    best = dict.fromkeys(measured, float("inf"))
    for _ in range(options.rounds):
        for name, measure in measured.items():
            gc.collect()
            best[name] = min(best[name], asyncio.run(measure()))
    bare = best["bare Subject, scan"]
    print(f"{options.events} events, best of {options.rounds} rounds\n")
    print(f"{'':24}{'events/s':>10}{'of the Subject':>16}")
    for name, seconds in best.items():
        print(f"{name:24}{options.events / seconds:>10,.0f}{bare / seconds:>16.2f}")


if __name__ == "__main__":
    main()
