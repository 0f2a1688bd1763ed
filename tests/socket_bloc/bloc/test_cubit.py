"""A cubit, and what it shares with every bloc."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from socket_bloc.bloc import Bloc, BlocClosedError, BlocError, Change, Cubit
from tests.socket_bloc.bloc.blocs import DONE, CounterCubit, Recorder, iterate_loop, listen


class OwnHooksCubit(CounterCubit):
    def __init__(self) -> None:
        self.changes: list[Change[int]] = []
        self.errors: list[Exception] = []
        super().__init__()

    def on_change(self, change: Change[int]) -> None:
        self.changes.append(change)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)


def change(current: Any, following: Any) -> Change[Any]:
    return Change(current_state=current, next_state=following)


def test_the_observer_is_notified_once_of_each_new_cubit(recorder: Recorder) -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    assert recorder.calls == [("on_create", cubit)]


def test_a_cubit_starts_with_its_initial_state() -> None:
    # Dart: cubit_test.dart
    assert CounterCubit().state == 0


async def test_closing_without_an_emit_changes_nothing(recorder: Recorder) -> None:
    # Dart: cubit_test.dart
    cubit = OwnHooksCubit()
    await cubit.close()
    assert cubit.changes == []
    assert recorder.names == ["on_create", "on_close"]


def test_both_hooks_are_called_once_for_each_change(recorder: Recorder) -> None:
    # Dart: cubit_test.dart
    cubit = OwnHooksCubit()
    cubit.increment()
    cubit.increment()
    assert cubit.changes == [change(0, 1), change(1, 2)]
    assert recorder.of("on_change") == [(cubit, change(0, 1)), (cubit, change(1, 2))]


def test_on_change_is_called_before_the_state_is_set() -> None:
    seen: list[int] = []

    class Looking(CounterCubit):
        def on_change(self, change: Change[int]) -> None:
            seen.append(self.state)

    cubit = Looking()
    cubit.increment()
    assert seen == [0]
    assert cubit.state == 1


async def test_a_listener_gets_the_states_and_the_completion() -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    heard = listen(cubit)
    cubit.increment()
    await cubit.close()
    assert heard == [1, DONE]


@pytest.mark.parametrize(
    ("emitted", "heard"),
    [
        ([0, 0], [0]),  # the first emit goes out even where it equals the initial state
        ([0, 1], [0, 1]),
        ([1, 1, 2, 2, 3, 3], [1, 2, 3]),
        ([1, 2, 1, 1], [1, 2, 1]),
    ],
)
def test_a_state_that_equals_the_current_one_is_dropped_except_the_first(
    emitted: list[int], heard: list[int]
) -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    states = listen(cubit)
    for state in emitted:
        cubit.emit(state)
    assert states == heard


async def test_a_listener_of_a_silent_cubit_gets_only_the_completion() -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    heard = listen(cubit)
    await cubit.close()
    assert heard == [DONE]


def test_every_listener_gets_every_state() -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    first, second = listen(cubit), listen(cubit)
    cubit.increment()
    assert first == second == [1]


def test_a_listener_gets_only_what_is_emitted_after_it_subscribed() -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    cubit.increment()
    heard = listen(cubit)
    cubit.increment()
    assert heard == [2]


async def test_states_emitted_from_a_task_arrive_in_order() -> None:
    # Dart: cubit_test.dart
    class Slow(CounterCubit):
        async def increment_later(self) -> None:
            await asyncio.sleep(0)
            self.increment()

    async with Slow() as cubit:
        heard = listen(cubit)
        for _ in range(3):
            await cubit.increment_later()
        assert heard == [1, 2, 3]


async def test_emit_raises_at_once_after_a_close_that_nobody_awaits(recorder: Recorder) -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    heard = listen(cubit)
    cubit.increment()
    cubit.close()
    with pytest.raises(BlocClosedError, match="Cannot emit new states after calling close") as raised:
        cubit.increment()
    assert cubit.state == 1
    assert recorder.of("on_error") == [(cubit, raised.value)]
    await iterate_loop()
    assert heard == [1, DONE]


async def test_add_error_calls_both_hooks_and_changes_nothing_else(recorder: Recorder) -> None:
    # Dart: cubit_test.dart
    cubit = OwnHooksCubit()
    heard = listen(cubit)
    error = ValueError("reported")
    cubit.add_error(error)
    assert cubit.errors == [error]
    assert recorder.of("on_error") == [(cubit, error)]
    assert (cubit.state, cubit.is_closed, heard) == (0, False, [])


async def test_the_observer_is_notified_once_of_the_close(recorder: Recorder) -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    await cubit.close()
    await cubit.close()
    assert recorder.of("on_close") == [(cubit,)]


async def test_a_subscriber_after_the_close_gets_the_completion_at_once() -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    cubit.increment()
    await cubit.close()
    assert listen(cubit) == [DONE]


async def test_a_cubit_is_closed_as_soon_as_close_is_called() -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    assert not cubit.is_closed
    closing = cubit.close()
    assert cubit.is_closed
    await closing


async def test_async_with_closes_on_exit_also_when_the_body_raises() -> None:
    cubit = CounterCubit()
    heard = listen(cubit)

    async def use() -> None:
        async with cubit as entered:
            assert entered is cubit
            raise LookupError

    with pytest.raises(LookupError):
        await use()
    assert heard == [DONE]


def test_without_a_loop_a_cubit_can_be_created_and_can_emit_but_cannot_be_closed() -> None:
    cubit = CounterCubit()
    heard = listen(cubit)
    cubit.increment()
    assert heard == [1]
    with pytest.raises(BlocError, match=r"close must be called where the event loop .* runs"):
        cubit.close()
    assert not cubit.is_closed


def test_without_a_loop_what_a_listener_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    cubit = CounterCubit()
    error = ValueError("listener")

    def fail(state: int) -> None:
        raise error

    cubit.stream.subscribe(fail)
    heard = listen(cubit)
    cubit.increment()
    assert heard == [1]
    assert [(record.message, record.exc_info and record.exc_info[1]) for record in caplog.records] == [
        ("an observer of CounterCubit.stream failed", error)
    ]


def test_an_on_change_that_raises_rejects_the_state(recorder: Recorder) -> None:
    error = ValueError("refused")

    class Refusing(CounterCubit):
        def on_change(self, change: Change[int]) -> None:
            raise error

    cubit = Refusing()
    heard = listen(cubit)
    with pytest.raises(ValueError, match="refused"):
        cubit.increment()
    assert cubit.state == 0
    assert heard == []
    assert recorder.of("on_error") == [(cubit, error)]


def test_a_state_that_cannot_be_compared_is_rejected(recorder: Recorder) -> None:
    class Vague:
        def __eq__(self, other: object) -> bool:
            raise TypeError("neither equal nor different")

    cubit = Cubit[object](Vague())
    cubit.emit(Vague())  # the first one is not compared
    last = cubit.state
    with pytest.raises(TypeError, match="neither"):
        cubit.emit(Vague())
    assert cubit.state is last
    assert len(recorder.of("on_error")) == 1


def test_a_state_may_be_none() -> None:
    # Dart: transition_test.dart
    cubit = Cubit[int | None](0)
    heard = listen(cubit)
    cubit.emit(None)
    cubit.emit(None)
    assert heard == [None]


def test_a_cubit_notifies_the_observer_that_was_set_when_it_was_created(recorder: Recorder) -> None:
    cubit = CounterCubit()
    Bloc.observer = later = Recorder()
    cubit.increment()
    assert recorder.names == ["on_create", "on_change"]
    assert later.calls == []


async def test_a_cubit_is_always_idle() -> None:
    async with CounterCubit() as cubit:
        await cubit.wait_until_idle()
