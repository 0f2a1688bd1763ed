"""A bloc: events in, states out, and the hooks in between."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any

import pytest
import reactivex.operators as ops
from reactivex import Observable
from reactivex.scheduler.eventloop import AsyncIOScheduler

from socket_bloc.bloc import (
    Bloc,
    BlocBase,
    BlocClosedError,
    BlocObserver,
    Change,
    Emitter,
    MultiBlocObserver,
    Transition,
)
from tests.socket_bloc.bloc.blocs import (
    DONE,
    CounterBloc,
    CounterEvent,
    Decrement,
    HookedBloc,
    Increment,
    OneHandlerBloc,
    Recorder,
    iterate_loop,
    listen,
)


def transition(current: int, event: CounterEvent, following: int) -> Transition[CounterEvent, int]:
    return Transition(current_state=current, event=event, next_state=following)


def change(current: int, following: int) -> Change[int]:
    return Change(current_state=current, next_state=following)


async def test_one_event_passes_all_hooks_in_order(recorder: Recorder) -> None:
    # Dart: bloc_test.dart, bloc_observer_test.dart
    bloc = HookedBloc(recorder)
    heard = listen(bloc)
    bloc.add(Increment())
    await bloc.close()
    step, event = transition(0, Increment(), 1), Increment()
    assert recorder.calls == [
        ("on_create", bloc),
        ("on_event", bloc, event),
        (".on_event", event),
        ("on_transition", bloc, step),
        (".on_transition", step),
        ("on_change", bloc, change(0, 1)),
        (".on_change", change(0, 1)),
        ("on_done", bloc, event, None),
        (".on_done", event, None),
        ("on_close", bloc),
    ]
    assert heard == [1, DONE]


async def test_on_event_is_called_for_all_added_events_before_the_first_is_handled(
    recorder: Recorder,
) -> None:
    # Dart: bloc_test.dart
    bloc = OneHandlerBloc(lambda event, emit: emit("same"))
    for event in "abc":
        bloc.add(event)
    await bloc.close()
    assert recorder.names[:4] == ["on_create", "on_event", "on_event", "on_event"]
    assert len(recorder.of("on_transition")) == len(recorder.of("on_change")) == 1
    assert [event for _, event, _ in recorder.of("on_done")] == ["a", "b", "c"]


async def test_each_event_causes_a_transition(recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    bloc = CounterBloc()
    heard = listen(bloc)
    events = [Decrement(), Increment(2), Increment(3)]
    for event in events:
        bloc.add(event)
    await bloc.close()
    assert heard == [-1, 1, 4, DONE]
    assert [step for _, step in recorder.of("on_transition")] == [
        transition(0, events[0], -1),
        transition(-1, events[1], 1),
        transition(1, events[2], 4),
    ]


async def test_an_event_is_not_handled_inside_add_but_soon_after(recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    async with CounterBloc() as bloc:
        bloc.add(Increment())
        assert bloc.state == 0
        assert recorder.names == ["on_create", "on_event"]
        await iterate_loop(1)
        assert bloc.state == 1
        assert len(recorder.of("on_transition")) == 1


async def test_every_listener_gets_the_states_of_every_event() -> None:
    # Dart: bloc_test.dart
    bloc = CounterBloc()
    first, second = listen(bloc), listen(bloc)
    bloc.add(Increment())
    bloc.add(Increment())
    await bloc.close()
    assert first == second == [1, 2, DONE]


async def test_emit_on_the_bloc_itself_sets_the_state_at_once(recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    async with CounterBloc() as bloc:
        heard = listen(bloc)
        bloc.emit(42)
        assert (bloc.state, heard) == (42, [42])
        assert recorder.names == ["on_create", "on_change"]


async def test_emit_on_a_closed_bloc_raises_and_is_reported(recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    bloc = CounterBloc()
    await bloc.close()
    with pytest.raises(BlocClosedError, match="Cannot emit new states after calling close") as raised:
        bloc.emit(42)
    assert bloc.state == 0
    assert recorder.of("on_error") == [(bloc, raised.value)]


@pytest.mark.parametrize(
    ("emitted", "heard"),
    [([1, 2, 1, 1], [1, 2, 1]), ([0, 0, 1], [0, 1]), ([1, 1], [1]), ([0], [0])],
)
async def test_a_handler_s_state_that_equals_the_current_one_is_dropped_except_the_first(
    emitted: list[int], heard: list[int], recorder: Recorder
) -> None:
    # Dart: bloc_test.dart
    def handler(event: object, emit: Emitter[int]) -> None:
        for state in emitted:
            emit(state)

    bloc = OneHandlerBloc(handler)
    states = listen(bloc)
    bloc.add("go")
    await bloc.close()
    assert states == [*heard, DONE]
    assert len(recorder.of("on_transition")) == len(heard)


async def test_events_that_lead_to_the_same_state_cause_one_transition() -> None:
    # Dart: bloc_test.dart
    bloc = OneHandlerBloc(lambda event, emit: (emit(1), emit(1))[0])
    heard = listen(bloc)
    for _ in range(3):
        bloc.add("go")
    await bloc.close()
    assert heard == [1, DONE]


async def test_a_subclass_may_filter_its_stream() -> None:
    # Dart: bloc_test.dart
    class Calm(CounterBloc):
        @property
        def stream(self) -> Observable[int]:
            scheduler = AsyncIOScheduler(asyncio.get_running_loop())
            return super().stream.pipe(ops.debounce(0.01, scheduler))

    bloc = Calm()
    heard = listen(bloc)
    for _ in range(3):
        bloc.add(Increment())
    await bloc.close()
    assert heard == [3, DONE]


async def test_members_of_an_enum_are_events() -> None:
    class Key(Enum):
        UP = 1
        DOWN = -1

    class Keys(Bloc[Key, int]):
        def __init__(self) -> None:
            super().__init__(0)
            self.on(Key, lambda event, emit: emit(self.state + event.value))

    bloc = Keys()
    heard = listen(bloc)
    for key in (Key.UP, Key.UP, Key.DOWN):
        bloc.add(key)
    await bloc.close()
    assert heard == [1, 2, 1, DONE]


async def test_a_handler_may_be_a_method_of_the_bloc() -> None:
    class Methodical(Bloc[CounterEvent, int]):
        def __init__(self) -> None:
            super().__init__(0)
            self.on(Increment, self._increment)
            self.on(Decrement, self._decrement)

        def _increment(self, event: Increment, emit: Emitter[int]) -> None:
            emit(self.state + event.by)

        async def _decrement(self, event: Decrement, emit: Emitter[int]) -> None:
            await asyncio.sleep(0)
            emit(self.state - event.by)

    async with Methodical() as bloc:
        bloc.add(Increment(5))
        bloc.add(Decrement(2))
        await bloc.wait_until_idle()
        assert bloc.state == 3


def test_the_hooks_of_an_observer_do_nothing() -> None:
    # Dart: bloc_observer_test.dart
    class Watched(BlocObserver):
        pass

    Bloc.observer = Watched()
    bloc = CounterBloc()
    watched, error = Bloc.observer, ValueError("nothing happens")
    watched.on_event(bloc, Increment())
    watched.on_transition(bloc, transition(0, Increment(), 1))
    watched.on_change(bloc, change(0, 1))
    watched.on_error(bloc, error)
    watched.on_done(bloc, Increment())
    watched.on_done(bloc, Increment(), error)
    watched.on_close(bloc)


async def test_several_observers_are_each_notified_once_in_order(loop_errors: list[Any]) -> None:
    # Dart: bloc_observer_test.dart
    order: list[tuple[str, str]] = []

    class Named(Recorder):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def on_event(self, bloc: Bloc[Any, Any], event: Any) -> None:
            super().on_event(bloc, event)
            order.append((self.name, event))

    first, second = Named("first"), Named("second")
    Bloc.observer = MultiBlocObserver([first, second])

    def handler(event: str, emit: Emitter[str]) -> None:
        emit(event)
        raise ValueError("after the state")

    bloc = OneHandlerBloc(handler)
    bloc.add("go")
    await bloc.close()
    hooks = ["on_create", "on_event", "on_transition", "on_change", "on_error", "on_done", "on_close"]
    assert first.names == second.names == hooks
    assert first.calls == second.calls
    assert order == [("first", "go"), ("second", "go")]
    loop_errors.clear()


async def test_a_bloc_notifies_the_observer_that_was_set_when_it_was_created(recorder: Recorder) -> None:
    bloc = CounterBloc()
    Bloc.observer = later = Recorder()
    bloc.add(Increment())
    await bloc.close()
    assert later.calls == []
    assert recorder.names[-1] == "on_close"


def test_an_observer_can_read_the_state_of_a_bloc_that_is_being_created() -> None:
    seen: list[object] = []

    class Reading(BlocObserver):
        def on_create(self, bloc: BlocBase[Any]) -> None:
            seen.append((bloc.state, bloc.is_closed, bloc.stream is bloc.stream))

    Bloc.observer = Reading()
    CounterBloc(7)
    assert seen == [(7, False, True)]


async def test_idle_means_that_no_event_is_pending_and_no_handler_is_running() -> None:
    gate = asyncio.Event()

    async def handler(event: str, emit: Emitter[str]) -> None:
        await gate.wait()
        emit(event)
        if event == "first":
            bloc.add("second")

    bloc = OneHandlerBloc(handler)
    await bloc.wait_until_idle()
    bloc.add("first")
    idle = asyncio.ensure_future(bloc.wait_until_idle())
    await iterate_loop(5)
    assert not idle.done()
    gate.set()
    await idle
    assert bloc.state == "second"
    await bloc.close()
