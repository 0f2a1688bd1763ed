"""Undo and redo."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from socket_bloc.bloc import (
    BlocClosedError,
    Change,
    Redo,
    ReplayBloc,
    ReplayCubit,
    ReplayEvent,
    Transition,
    Undo,
)
from tests.socket_bloc.bloc.blocs import DONE, Recorder, listen


class CounterCubit(ReplayCubit[int]):
    def __init__(self, limit: int | None = None) -> None:
        super().__init__(0, limit=limit)

    def increment(self) -> None:
        self.emit(self.state + 1)


@dataclass(frozen=True)
class Add:
    number: int


class SumBloc(ReplayBloc[Add, int]):
    def __init__(self) -> None:
        super().__init__(0)
        self.on(Add, lambda event, emit: emit(self.state + event.number))


def test_undo_returns_to_the_previous_state_and_redo_reverts_it() -> None:
    # Dart: replay_cubit_test.dart
    cubit = CounterCubit()
    heard = listen(cubit)
    assert (cubit.can_undo, cubit.can_redo) == (False, False)
    cubit.increment()
    cubit.increment()
    assert (cubit.can_undo, cubit.can_redo) == (True, False)
    cubit.undo()
    cubit.undo()
    assert (cubit.can_undo, cubit.can_redo) == (False, True)
    cubit.redo()
    assert heard == [1, 2, 1, 0, 1]


def test_undo_and_redo_do_nothing_without_a_history() -> None:
    # Dart: replay_cubit_test.dart
    cubit = CounterCubit()
    heard = listen(cubit)
    cubit.undo()
    cubit.redo()
    assert heard == []


def test_a_new_state_discards_what_was_undone() -> None:
    # Dart: replay_cubit_test.dart
    cubit = CounterCubit()
    cubit.increment()
    cubit.undo()
    cubit.emit(10)
    assert not cubit.can_redo
    cubit.undo()
    assert cubit.state == 0


def test_a_dropped_state_is_not_in_the_history() -> None:
    cubit = CounterCubit()
    cubit.increment()
    cubit.emit(1)
    cubit.undo()
    assert (cubit.state, cubit.can_undo) == (0, False)


@pytest.mark.parametrize(("limit", "state"), [(0, 3), (1, 2), (2, 1), (None, 0)])
def test_the_history_keeps_no_more_states_than_the_limit(limit: int | None, state: int) -> None:
    # Dart: replay_cubit_test.dart
    cubit = CounterCubit(limit)
    for _ in range(3):
        cubit.increment()
    for _ in range(3):
        cubit.undo()
    assert cubit.state == state


def test_clearing_the_history_keeps_the_state() -> None:
    # Dart: replay_cubit_test.dart
    cubit = CounterCubit()
    cubit.increment()
    cubit.increment()
    cubit.undo()
    cubit.clear_history()
    assert (cubit.state, cubit.can_undo, cubit.can_redo) == (1, False, False)


def test_an_on_change_that_raises_rejects_an_undo() -> None:
    class Stubborn(CounterCubit):
        def on_change(self, change: Change[int]) -> None:
            if change.next_state < change.current_state:
                raise ValueError("never back")

    cubit = Stubborn()
    cubit.increment()
    with pytest.raises(ValueError, match="never back"):
        cubit.undo()
    assert (cubit.state, cubit.can_undo, cubit.can_redo) == (1, True, False)


async def test_a_closed_cubit_cannot_be_replayed(recorder: Recorder) -> None:
    cubit = CounterCubit()
    cubit.increment()
    await cubit.close()
    with pytest.raises(BlocClosedError) as raised:
        cubit.undo()
    assert cubit.state == 1
    assert recorder.of("on_error") == [(cubit, raised.value)]


async def test_the_hooks_of_a_bloc_are_called_for_an_undo_as_for_an_event(recorder: Recorder) -> None:
    # Dart: replay_bloc_test.dart
    bloc = SumBloc()
    heard = listen(bloc)
    bloc.add(Add(5))
    await bloc.wait_until_idle()
    recorder.calls.clear()
    bloc.undo()
    bloc.redo()

    def calls_of(event: ReplayEvent, current: int, following: int) -> list[tuple[object, ...]]:
        return [
            ("on_event", bloc, event),
            ("on_transition", bloc, Transition(current_state=current, event=event, next_state=following)),
            ("on_change", bloc, Change(current_state=current, next_state=following)),
        ]

    assert recorder.calls == [*calls_of(Undo(), 5, 0), *calls_of(Redo(), 0, 5)]
    await bloc.close()
    assert heard == [5, 0, 5, DONE]
