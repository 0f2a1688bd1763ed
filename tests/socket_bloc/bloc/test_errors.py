"""Failures inside a bloc: where they are reported, and that everything else goes on."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import reactivex as rx
import reactivex.operators as ops

from socket_bloc.bloc import (
    Bloc,
    BlocBase,
    BlocObserver,
    Change,
    Emitter,
    EventTransformer,
    Transition,
    concurrent,
    droppable,
    restartable,
    sequential,
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
    listen,
)

TRANSFORMERS = [concurrent, sequential, droppable, restartable]


class FailingBloc(HookedBloc):
    """Fails to increment, and can decrement."""

    def __init__(self, recorder: Recorder, error: Exception) -> None:
        super().__init__(recorder)
        self._error = error
        self.on(CounterEvent, self._fail)

    def _fail(self, event: CounterEvent, emit: Emitter[int]) -> None:
        if isinstance(event, Increment):
            raise self._error


async def test_a_handler_that_raises_is_reported_three_times_in_order(
    recorder: Recorder, loop_errors: list[dict[str, Any]]
) -> None:
    # Dart: bloc_test.dart
    error = ValueError("cannot")
    bloc = FailingBloc(recorder, error)
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: recorder.calls.append(("loop", context["message"], context["exception"]))
    )
    recorder.calls.clear()
    bloc.add(Increment())
    await bloc.wait_until_idle()
    assert recorder.calls[-5:] == [
        (".on_error", error),
        ("on_error", bloc, error),
        ("on_done", bloc, Increment(), error),
        (".on_done", Increment(), error),
        ("loop", "the handler of Increment in FailingBloc failed", error),
    ]
    assert traceback.extract_tb(error.__traceback__)[-1].name == "_fail"
    await bloc.close()


@pytest.mark.parametrize("transformer", TRANSFORMERS)
@pytest.mark.parametrize("is_async", [False, True])
async def test_after_a_handler_has_failed_the_next_event_is_handled(
    transformer: Callable[[], EventTransformer[Any]], is_async: bool, loop_errors: list[dict[str, Any]]
) -> None:
    # Dart: bloc_test.dart
    def handle(event: int, emit: Emitter[int]) -> None:
        if event < 0:
            raise ValueError("negative")
        emit(event)

    async def handle_later(event: int, emit: Emitter[int]) -> None:
        await asyncio.sleep(0)
        handle(event, emit)

    bloc = OneHandlerBloc(handle_later if is_async else handle, transformer())
    heard = listen(bloc)
    for event in (-1, 1, -2, 2):
        bloc.add(event)
        await bloc.wait_until_idle()
    await bloc.close()
    assert heard == [1, 2, DONE]
    assert [str(context["exception"]) for context in loop_errors] == ["negative", "negative"]
    loop_errors.clear()


async def test_an_on_transition_that_raises_rejects_the_state_and_fails_the_handler(
    recorder: Recorder, loop_errors: list[dict[str, Any]]
) -> None:
    # Dart: bloc_test.dart
    error = ValueError("refused")

    class Refusing(CounterBloc):
        def on_transition(self, transition: Transition[CounterEvent, int]) -> None:
            raise error

    bloc = Refusing()
    heard = listen(bloc)
    bloc.add(Increment())
    await bloc.close()
    assert bloc.state == 0
    assert heard == [DONE]
    assert recorder.of("on_error") == [(bloc, error)]
    assert recorder.of("on_done") == [(bloc, Increment(), error)]
    assert [context["exception"] for context in loop_errors] == [error]
    loop_errors.clear()


async def test_an_on_change_that_raises_inside_a_handler_is_reported_once(
    recorder: Recorder, loop_errors: list[dict[str, Any]]
) -> None:
    error = ValueError("refused")

    class Refusing(CounterBloc):
        def on_change(self, change: Change[int]) -> None:
            raise error

    bloc = Refusing()
    bloc.add(Increment())
    await bloc.close()
    assert bloc.state == 0
    assert recorder.of("on_error") == [(bloc, error)]
    loop_errors.clear()


async def test_a_handler_may_catch_what_a_hook_raises(recorder: Recorder) -> None:
    class Refusing(OneHandlerBloc):
        def on_transition(self, transition: Transition[Any, Any]) -> None:
            if transition.next_state == "bad":
                raise ValueError("refused")

    def handler(event: str, emit: Emitter[str]) -> None:
        with pytest.raises(ValueError, match="refused"):
            emit("bad")
        emit("good")

    bloc = Refusing(handler)
    bloc.add("go")
    await bloc.close()
    assert bloc.state == "good"
    assert recorder.of("on_error") == []


@pytest.mark.parametrize("hook", ["on_error", "on_done", "on_close"])
async def test_a_hook_that_comes_too_late_to_reject_anything_stops_nothing_by_raising(
    hook: str, loop_errors: list[dict[str, Any]]
) -> None:
    called: list[str] = []

    class Failing(BlocObserver):
        def fail(self, where: str) -> None:
            called.append(where)
            if where == hook:
                raise LookupError(where)

        def on_error(self, bloc: BlocBase[Any], error: Exception) -> None:
            self.fail("on_error")

        def on_done(self, bloc: Bloc[Any, Any], event: Any, error: Exception | None = None) -> None:
            self.fail("on_done")

        def on_close(self, bloc: BlocBase[Any]) -> None:
            self.fail("on_close")

    def handler(event: str, emit: Emitter[str]) -> None:
        if event == "bad":
            raise ValueError(event)
        emit(event)

    Bloc.observer = Failing()
    bloc = OneHandlerBloc(handler, sequential())
    heard = listen(bloc)
    bloc.add("bad")
    bloc.add("good")
    await bloc.close()
    assert heard == ["good", DONE]
    assert called == ["on_error", "on_done", "on_done", "on_close"]
    failures = [context for context in loop_errors if isinstance(context["exception"], LookupError)]
    assert len(failures) == called.count(hook)
    assert failures[0]["message"].endswith(f"Failing.{hook} failed")
    loop_errors.clear()


async def test_add_error_does_not_raise_what_on_error_raises(loop_errors: list[dict[str, Any]]) -> None:
    class Failing(CounterBloc):
        def on_error(self, error: Exception) -> None:
            raise LookupError("on_error") from error

    async with Failing() as bloc:
        bloc.add_error(ValueError("reported"))
    assert [str(context["exception"]) for context in loop_errors] == ["on_error"]
    loop_errors.clear()


async def test_a_transformer_that_fails_is_reported_and_restarts(
    recorder: Recorder, loop_errors: list[dict[str, Any]]
) -> None:
    def even_only(event: int) -> bool:
        if event < 0:
            raise ValueError("negative")
        return event % 2 == 0

    bloc = OneHandlerBloc(
        lambda event, emit: emit(event),
        lambda events, mapper: events.pipe(ops.filter(even_only), ops.flat_map(mapper)),
    )
    heard = listen(bloc)
    for event in (2, -1, 3, 4):
        bloc.add(event)
    await bloc.close()
    assert heard == [2, 4, DONE]
    assert [str(error) for _, error in recorder.of("on_error")] == ["negative"]
    assert [context["message"] for context in loop_errors] == [
        "a transformer of OneHandlerBloc failed; it restarts with the next event"
    ]
    loop_errors.clear()


async def test_a_sequential_pipeline_that_has_failed_does_not_block_the_close(
    loop_errors: list[dict[str, Any]],
) -> None:
    def fail(event: int) -> bool:
        raise ValueError(event)

    bloc = OneHandlerBloc(
        lambda event, emit: emit(event),
        lambda events, mapper: sequential()(events.pipe(ops.filter(fail)), mapper),
    )
    bloc.add(1)
    await bloc.wait_until_idle()
    await asyncio.wait_for(bloc.close(), 5)
    assert len(loop_errors) == 1
    loop_errors.clear()


@pytest.mark.parametrize("transformer", [concurrent, sequential])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_handler_propagates_and_the_bloc_can_still_be_closed(
    transformer: Callable[[], EventTransformer[Any]], is_async: bool, exception: type[BaseException]
) -> None:
    def handle(event: str, emit: Emitter[str]) -> None:
        if event == "stop":
            raise exception
        emit(event)

    async def handle_later(event: str, emit: Emitter[str]) -> None:
        handle(event, emit)

    async def add(bloc: OneHandlerBloc) -> None:
        bloc.add("stop")
        bloc.add("after")
        await bloc.wait_until_idle()

    async def close(bloc: OneHandlerBloc) -> None:
        await asyncio.wait_for(bloc.close(), 5)

    bloc = OneHandlerBloc(handle_later if is_async else handle, transformer())
    heard = listen(bloc)
    loop = asyncio.new_event_loop()
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: reports.append(context))
    try:
        with pytest.raises(exception):
            loop.run_until_complete(add(bloc))
        loop.run_until_complete(close(bloc))
        for task in asyncio.all_tasks(loop):
            loop.run_until_complete(task)
    finally:
        loop.close()
    assert heard == ["after", DONE]
    assert reports == []


async def test_a_handler_whose_own_task_is_cancelled_has_no_error(recorder: Recorder) -> None:
    async def handler(event: str, emit: Emitter[str]) -> None:
        emit("begun")
        emit.on_each(rx.never(), on_data=emit)
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    bloc = OneHandlerBloc(handler)
    bloc.add("go")
    await bloc.close()
    assert recorder.of("on_done") == [(bloc, "go", None)]
    assert recorder.of("on_error") == []


async def test_a_base_exception_of_a_handler_is_reported(
    recorder: Recorder, loop_errors: list[dict[str, Any]]
) -> None:
    class Odd(BaseException):
        pass

    async def handler(event: str, emit: Emitter[str]) -> None:
        raise Odd

    bloc = OneHandlerBloc(handler)
    bloc.add("go")
    await bloc.close()
    assert recorder.of("on_done") == [(bloc, "go", None)]
    assert [type(context["exception"]) for context in loop_errors] == [Odd]
    loop_errors.clear()


async def test_a_report_names_types_and_no_values(loop_errors: list[dict[str, Any]]) -> None:
    class Secretive(CounterBloc):
        def on_event(self, event: CounterEvent) -> None:
            pass

    def handler(event: CounterEvent, emit: Emitter[int]) -> None:
        raise ValueError("plain")

    bloc = Secretive(initial=987654321)
    bloc.on(CounterEvent, handler)
    bloc.add(Decrement(by=123456789))
    await bloc.close()
    (context,) = loop_errors
    assert context.keys() == {"message", "exception"}
    assert "123456789" not in str(context)
    assert "987654321" not in str(context)
    loop_errors.clear()
