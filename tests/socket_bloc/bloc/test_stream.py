"""The stream of states: one order for all listeners, whatever a listener does."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from reactivex.abc import DisposableBase
from reactivex.subject import Subject

from tests.socket_bloc.bloc.blocs import (
    DONE,
    CounterBloc,
    CounterCubit,
    Increment,
    OneHandlerBloc,
    Recorder,
    listen,
)


def test_all_listeners_get_what_a_listener_emits_in_the_same_order() -> None:
    cubit = CounterCubit()
    first: list[int] = []

    def chase(state: int) -> None:
        first.append(state)
        if state < 3:
            cubit.increment()

    cubit.stream.subscribe(chase)
    second = listen(cubit)
    cubit.increment()
    assert first == second == [1, 2, 3]


def test_the_state_may_be_newer_than_the_one_a_listener_gets() -> None:
    # Dart: cubit_test.dart
    cubit = CounterCubit()
    cubit.stream.subscribe(lambda state: cubit.emit(10) if state == 1 else None)
    seen: list[tuple[int, int]] = []
    cubit.stream.subscribe(lambda state: seen.append((state, cubit.state)))
    cubit.increment()
    assert seen == [(1, 10), (10, 10)]


async def test_a_listener_that_raises_affects_no_other_and_fails_no_handler(
    recorder: Recorder, loop_errors: list[dict[str, Any]]
) -> None:
    error = ValueError("listener")

    def fail(state: int) -> None:
        raise error

    bloc = CounterBloc()
    before = listen(bloc)
    bloc.stream.subscribe(fail)
    after = listen(bloc)
    bloc.add(Increment())
    bloc.add(Increment())
    await bloc.close()
    assert before == after == [1, 2, DONE]
    assert recorder.of("on_error") == []
    assert [done[2] for done in recorder.of("on_done")] == [None, None]
    assert [context["exception"] for context in loop_errors] == [error, error]
    assert loop_errors[0]["message"] == "an observer of CounterBloc.stream failed"
    loop_errors.clear()


async def test_a_listener_that_raises_a_cancellation_does_not_cancel_the_handler(
    loop_errors: list[dict[str, Any]],
) -> None:
    async def handler(event: str, emit: Any) -> None:
        emit(1)
        await asyncio.sleep(0)
        emit(2)

    def fail(state: int) -> None:
        raise asyncio.CancelledError

    bloc = OneHandlerBloc(handler)
    bloc.stream.subscribe(fail)
    heard = listen(bloc)
    bloc.add("go")
    await bloc.wait_until_idle()
    assert heard == [1, 2]
    await bloc.close()
    assert len(loop_errors) == 2
    loop_errors.clear()


async def test_a_listener_that_raises_on_completion_affects_no_other(
    loop_errors: list[dict[str, Any]],
) -> None:
    def fail() -> None:
        raise ValueError("at the end")

    cubit = CounterCubit()
    cubit.stream.subscribe(on_completed=fail)
    heard = listen(cubit)
    await cubit.close()
    assert heard == [DONE]
    assert [str(context["exception"]) for context in loop_errors] == ["at the end"]
    loop_errors.clear()


def test_a_listener_may_unsubscribe_itself() -> None:
    cubit = CounterCubit()
    once: list[int] = []

    def take(state: int) -> None:
        once.append(state)
        subscription.dispose()

    subscription: DisposableBase = cubit.stream.subscribe(take)
    other = listen(cubit)
    cubit.increment()
    cubit.increment()
    assert once == [1]
    assert other == [1, 2]


@pytest.mark.parametrize("leave", ["by disposing", "by the close"])
async def test_a_listener_that_has_unsubscribed_can_be_collected(leave: str) -> None:
    class Listener:
        def listen(self, state: int) -> None: ...

    cubit, listener = CounterCubit(), Listener()
    subscription = cubit.stream.subscribe(listener.listen)
    alive = weakref.ref(listener)
    del listener
    if leave == "by disposing":
        subscription.dispose()
    else:
        await cubit.close()
    del subscription
    gc.collect()
    assert alive() is None
    await cubit.close()


def test_a_listener_may_unsubscribe_another_which_then_gets_nothing_more() -> None:
    cubit = CounterCubit()
    heard: list[int] = []
    cubit.stream.subscribe(lambda state: later.dispose())
    later = cubit.stream.subscribe(heard.append)
    cubit.increment()
    assert heard == []


def test_a_listener_added_by_a_listener_gets_only_what_is_emitted_afterwards() -> None:
    cubit = CounterCubit()
    late: list[int] = []

    def first(state: int) -> None:
        if state == 1:
            cubit.emit(2)
            cubit.stream.subscribe(late.append)
            cubit.emit(3)

    cubit.stream.subscribe(first)
    heard = listen(cubit)
    cubit.increment()
    assert heard == [1, 2, 3]
    assert late == [3]


async def test_what_is_emitted_during_a_delivery_comes_before_the_completion() -> None:
    cubit = CounterCubit()

    def last_word(state: int) -> None:
        if state == 1:
            cubit.increment()
            cubit.close()

    cubit.stream.subscribe(last_word)
    heard = listen(cubit)
    cubit.increment()
    await cubit.close()
    assert heard == [1, 2, DONE]


def test_nobody_can_push_into_the_stream() -> None:
    stream = CounterCubit().stream
    assert not isinstance(stream, Subject)
    for name in ("on_next", "on_error", "on_completed", "push", "emit"):
        assert not hasattr(stream, name)


def test_a_keyboard_interrupt_in_a_listener_propagates_and_breaks_nothing() -> None:
    cubit = CounterCubit()
    interrupted = False

    def interrupt(state: int) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    cubit.stream.subscribe(interrupt)
    heard = listen(cubit)
    with pytest.raises(KeyboardInterrupt):
        cubit.increment()
    cubit.increment()
    assert heard == [2]


def test_rx_operators_work_on_the_stream() -> None:
    cubit = CounterCubit()
    heard: list[int] = []
    cubit.stream.map(lambda state: state // 2).distinct_until_changed().subscribe(heard.append)
    for _ in range(5):
        cubit.increment()
    assert heard == [0, 1, 2]
