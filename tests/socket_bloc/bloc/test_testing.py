"""`bloc_test`: what passes, what fails, and that it restores what it sets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex as rx
from reactivex.subject import Subject

from socket_bloc.bloc import Bloc, BlocClosedError, Emitter, debounce, testing
from socket_bloc.bloc.testing import bloc_test
from tests.socket_bloc.bloc.blocs import (
    CounterBloc,
    CounterCubit,
    Increment,
    OneHandlerBloc,
    Recorder,
    iterate_loop,
)


class SlowCubit(CounterCubit):
    """Increments some time after it is asked to, unnoticed by `wait_until_idle`."""

    def increment_later(self) -> None:
        asyncio.get_running_loop().call_later(0.005, self._increment_if_open)

    def _increment_if_open(self) -> None:
        if not self.is_closed:
            self.increment()


def slow_bloc() -> OneHandlerBloc:
    async def handler(event: Any, emit: Emitter[Any]) -> None:
        await asyncio.sleep(0.005)
        emit(event)

    return OneHandlerBloc(handler)


def failing_bloc() -> OneHandlerBloc:
    def handler(event: Any, emit: Emitter[Any]) -> None:
        raise ValueError(event)

    return OneHandlerBloc(handler)


async def test_without_act_nothing_is_emitted() -> None:
    # Dart: bloc_bloc_test_test.dart, cubit_bloc_test_test.dart
    await bloc_test(build=CounterBloc, expect=[])
    await bloc_test(build=CounterCubit, expect=[])


async def test_act_may_be_plain_or_async_and_expect_too() -> None:
    # Dart: bloc_bloc_test_test.dart
    async def act(bloc: CounterBloc) -> None:
        await asyncio.sleep(0)
        bloc.add(Increment())

    async def expect() -> list[object]:
        await asyncio.sleep(0)
        return [1]

    await bloc_test(build=CounterBloc, act=lambda bloc: bloc.add(Increment()), expect=[1])
    await bloc_test(build=CounterBloc, act=lambda bloc: bloc.add(Increment()), expect=lambda: [1])
    await bloc_test(build=CounterBloc, act=act, expect=expect)
    await bloc_test(build=CounterCubit, act=CounterCubit.increment, expect=[1])


async def test_the_seed_is_emitted_first_and_not_compared() -> None:
    # Dart: bloc_bloc_test_test.dart
    await bloc_test(build=CounterBloc, seed=10, act=lambda bloc: bloc.add(Increment()), expect=[11])
    await bloc_test(build=CounterCubit, seed=lambda: 10, act=CounterCubit.increment, expect=[11])


async def test_skip_leaves_out_the_first_states() -> None:
    # Dart: bloc_bloc_test_test.dart
    def act(bloc: CounterBloc) -> None:
        bloc.add(Increment())
        bloc.add(Increment())

    await bloc_test(build=CounterBloc, act=act, skip=1, expect=[2])


async def test_wait_is_for_what_the_bloc_does_not_know_of() -> None:
    # Dart: cubit_bloc_test_test.dart
    await bloc_test(build=SlowCubit, act=SlowCubit.increment_later, wait=0.02, expect=[1])
    await bloc_test(build=SlowCubit, act=SlowCubit.increment_later, expect=[])


async def test_without_wait_it_waits_until_the_bloc_is_idle() -> None:
    def act(bloc: OneHandlerBloc) -> None:
        for event in (1, 2):
            bloc.add(event)

    await bloc_test(build=slow_bloc, act=act, expect=[1, 2])
    await bloc_test(build=slow_bloc, act=act, wait=0, expect=[])


async def test_without_wait_a_debounce_is_cut_short() -> None:
    # Dart: bloc_bloc_test_test.dart
    def build() -> OneHandlerBloc:
        return OneHandlerBloc(lambda event, emit: emit(event), debounce(60))

    await bloc_test(build=build, act=lambda bloc: (bloc.add(1), bloc.add(2)), expect=[2])


async def test_a_bloc_that_does_not_become_idle_is_closed_after_a_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source: Subject[int] = Subject()

    def build() -> OneHandlerBloc:
        return OneHandlerBloc(lambda event, emit: emit.for_each(source, on_data=lambda item: item))

    async def act(bloc: OneHandlerBloc) -> None:
        bloc.add("watch")
        await iterate_loop()
        source.on_next(1)

    await bloc_test(build=build, act=act, wait=0, expect=[1])
    monkeypatch.setattr(testing, "IDLE_TIMEOUT", 0.001)
    await bloc_test(build=build, act=act, expect=[1])
    with pytest.raises(AssertionError, match=r"still at work after 0\.001 s; say how long to `wait` for it"):
        await bloc_test(build=build, act=act, expect=[1, 2])


async def test_wrong_states_fail_and_show_the_difference() -> None:
    # Dart: bloc_bloc_test_test.dart
    with pytest.raises(AssertionError) as failed:
        await bloc_test(
            build=CounterBloc,
            act=lambda bloc: (bloc.add(Increment()), bloc.add(Increment())),
            expect=[1, 3],
        )
    assert str(failed.value) == "\n".join(
        ["the states are not as expected", "- expected", "+ actual", "", "  1", "- 3", "+ 2"]
    )


async def test_states_that_only_look_the_same_fail_and_say_so() -> None:
    # Dart: bloc_bloc_test_test.dart
    class Opaque:
        def __repr__(self) -> str:
            return "Opaque()"

    with pytest.raises(AssertionError, match=r"Opaque\(\)\nThey look the same, but are not equal"):
        await bloc_test(
            build=lambda: OneHandlerBloc(lambda event, emit: emit(Opaque())),
            act=lambda bloc: bloc.add("go"),
            expect=[Opaque()],
        )


async def test_an_unhandled_error_fails_the_test() -> None:
    # Dart: bloc_bloc_test_test.dart
    with pytest.raises(ValueError, match="lost"):
        await bloc_test(build=failing_bloc, act=lambda bloc: bloc.add("lost"), expect=[])


async def test_an_error_of_a_listener_fails_the_test_even_if_other_errors_are_expected() -> None:
    def fail(state: object) -> None:
        raise LookupError("listener")

    def act(bloc: CounterBloc) -> None:
        bloc.stream.subscribe(fail)
        bloc.add_error(ValueError("expected"))
        bloc.add(Increment())

    with pytest.raises(LookupError, match="listener"):
        await bloc_test(build=CounterBloc, act=act, errors=[ValueError])


async def test_errors_are_matched_in_order_by_type_or_by_value() -> None:
    # Dart: bloc_bloc_test_test.dart, cubit_bloc_test_test.dart
    def act(bloc: OneHandlerBloc) -> None:
        bloc.add_error(LookupError("first"))
        bloc.add("second")

    for errors in ([LookupError, ValueError], [LookupError("first"), Exception]):
        await bloc_test(build=failing_bloc, act=act, errors=errors)
    await bloc_test(build=failing_bloc, act=act, errors=lambda: [LookupError, ValueError("second")])
    for errors in ([ValueError, LookupError], [LookupError], [], [LookupError("other"), ValueError]):
        with pytest.raises(AssertionError, match="the errors are not as expected"):
            await bloc_test(build=failing_bloc, act=act, errors=errors)


async def test_what_act_raises_is_an_error_like_any_other() -> None:
    # Dart: bloc_bloc_test_test.dart
    async def act(bloc: CounterBloc) -> None:
        await bloc.close()
        bloc.add(Increment())

    await bloc_test(build=CounterBloc, act=act, errors=[BlocClosedError])
    with pytest.raises(BlocClosedError):
        await bloc_test(build=CounterBloc, act=act)


async def test_add_error_alone_does_not_fail_a_test() -> None:
    # Dart: cubit_bloc_test_test.dart
    await bloc_test(build=CounterCubit, act=lambda cubit: cubit.add_error(ValueError()), expect=[])


async def test_a_report_of_the_loop_without_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def act(cubit: CounterCubit) -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "a socket was left open"})
        cubit.increment()

    await bloc_test(build=CounterCubit, act=act, expect=[1])
    assert "a socket was left open" in caplog.text


async def test_verify_is_called_with_the_closed_bloc_after_the_comparison() -> None:
    # Dart: bloc_bloc_test_test.dart
    verified: list[Any] = []

    async def verify(bloc: CounterBloc) -> None:
        await asyncio.sleep(0)
        verified.append((bloc.state, bloc.is_closed))

    await bloc_test(build=CounterBloc, act=lambda bloc: bloc.add(Increment()), verify=verify)
    await bloc_test(build=CounterBloc, verify=lambda bloc: verified.append(bloc.state))
    assert verified == [(1, True), 0]
    await bloc_test(build=CounterBloc, verify=lambda bloc: bloc.state == 0)
    with pytest.raises(AssertionError, match="verify returned False"):
        await bloc_test(build=CounterBloc, verify=lambda bloc: bloc.state == 1)
    with pytest.raises(AssertionError, match="states"):
        await bloc_test(build=CounterBloc, expect=[5], verify=verify)
    assert len(verified) == 2


async def test_the_current_observer_is_still_notified_and_is_restored_even_after_a_failure(
    recorder: Recorder,
) -> None:
    # Dart: bloc_observer_test.dart
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    await bloc_test(build=CounterBloc, act=lambda bloc: bloc.add(Increment()), expect=[1])
    hooks = ["on_create", "on_event", "on_transition", "on_change", "on_done", "on_close"]
    assert recorder.names == hooks
    assert Bloc.observer is recorder
    for build in (failing_bloc, lambda: 1 // 0):
        with pytest.raises((ValueError, ZeroDivisionError)):
            await bloc_test(build=build, act=lambda bloc: bloc.add("bad"))
        assert Bloc.observer is recorder
        assert loop.get_exception_handler() is handler


async def test_a_bloc_is_closed_even_if_act_raises(recorder: Recorder) -> None:
    with pytest.raises(ZeroDivisionError):
        await bloc_test(build=CounterBloc, act=lambda bloc: 1 // 0)
    assert recorder.names == ["on_create", "on_close"]


async def test_it_uses_the_stream_that_a_subclass_has_overridden() -> None:
    class Doubled(CounterBloc):
        @property
        def stream(self) -> rx.Observable[int]:
            return super().stream.map(lambda state: state * 2)

    await bloc_test(build=Doubled, act=lambda bloc: bloc.add(Increment()), expect=[2])
