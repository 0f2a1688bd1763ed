"""The blocs, events and observers that several tests use."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from socket_bloc.bloc import (
    Bloc,
    BlocBase,
    BlocObserver,
    Change,
    Cubit,
    Emitter,
    EventTransformer,
    Transition,
)

DONE = "done"
"""Stands for the completion of the stream in what `listen` collects."""


@dataclass(frozen=True)
class CounterEvent:
    """The base of the events below."""


@dataclass(frozen=True)
class Increment(CounterEvent):
    by: int = 1


@dataclass(frozen=True)
class Decrement(CounterEvent):
    by: int = 1


class CounterCubit(Cubit[int]):
    def __init__(self, initial: int = 0) -> None:
        super().__init__(initial)

    def increment(self) -> None:
        self.emit(self.state + 1)


class CounterBloc(Bloc[CounterEvent, int]):
    def __init__(self, initial: int = 0) -> None:
        super().__init__(initial)
        self.on(Increment, lambda event, emit: emit(self.state + event.by))
        self.on(Decrement, lambda event, emit: emit(self.state - event.by))


class OneHandlerBloc(Bloc[Any, Any]):
    """Handles every event with the given handler."""

    def __init__(
        self,
        handler: Callable[[Any, Emitter[Any]], Awaitable[None] | None],
        transformer: EventTransformer[Any] | None = None,
        initial: Any = 0,
    ) -> None:
        super().__init__(initial)
        self.on(object, handler, transformer=transformer)


class Recorder(BlocObserver):
    """Records each call of a hook with its arguments; those of the bloc's own hooks have a leading dot."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of a hook."""
        return [call[1:] for call in self.calls if call[0] == name]

    def on_create(self, bloc: BlocBase[Any]) -> None:
        self.calls.append(("on_create", bloc))

    def on_event(self, bloc: Bloc[Any, Any], event: Any) -> None:
        self.calls.append(("on_event", bloc, event))

    def on_transition(self, bloc: Bloc[Any, Any], transition: Transition[Any, Any]) -> None:
        self.calls.append(("on_transition", bloc, transition))

    def on_change(self, bloc: BlocBase[Any], change: Change[Any]) -> None:
        self.calls.append(("on_change", bloc, change))

    def on_error(self, bloc: BlocBase[Any], error: Exception) -> None:
        self.calls.append(("on_error", bloc, error))

    def on_done(self, bloc: Bloc[Any, Any], event: Any, error: Exception | None = None) -> None:
        self.calls.append(("on_done", bloc, event, error))

    def on_close(self, bloc: BlocBase[Any]) -> None:
        self.calls.append(("on_close", bloc))


class HookedBloc(CounterBloc):
    """Records the calls of its own hooks with its observer."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        super().__init__()

    def on_event(self, event: CounterEvent) -> None:
        self._recorder.calls.append((".on_event", event))

    def on_transition(self, transition: Transition[CounterEvent, int]) -> None:
        self._recorder.calls.append((".on_transition", transition))

    def on_change(self, change: Change[int]) -> None:
        self._recorder.calls.append((".on_change", change))

    def on_error(self, error: Exception) -> None:
        self._recorder.calls.append((".on_error", error))

    def on_done(self, event: CounterEvent, error: Exception | None = None) -> None:
        self._recorder.calls.append((".on_done", event, error))


def listen(bloc: BlocBase[Any]) -> list[Any]:
    """Return a list that collects what the stream emits from now on, with `DONE` at the completion."""
    heard: list[Any] = []
    bloc.stream.subscribe(heard.append, on_completed=lambda: heard.append(DONE))
    return heard


async def iterate_loop(count: int = 3) -> None:
    """Let the event loop run a few iterations; nothing in these tests needs more."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that needs the loop to run, and time to pass."""
    async with asyncio.timeout(10):
        for _ in itertools.takewhile(lambda _: not condition(), itertools.count()):
            await asyncio.sleep(0.001)
