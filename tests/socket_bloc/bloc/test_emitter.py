"""The emitter: states, sources to listen to, and its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import reactivex as rx
import reactivex.operators as ops
from reactivex import Observable
from reactivex.subject import BehaviorSubject, Subject

from socket_bloc.bloc import Emitter, EmitterError, EventMapper, concurrent, restartable
from tests.socket_bloc.bloc.blocs import DONE, OneHandlerBloc, Recorder, iterate_loop, listen, until


async def one_two_three() -> AsyncIterator[int]:
    for item in (1, 2, 3):
        yield item


class OneTwoThree:
    """An async iterator that is no generator, and so has nothing to close."""

    def __init__(self) -> None:
        self._items = iter((1, 2, 3))

    def __aiter__(self) -> OneTwoThree:
        return self

    async def __anext__(self) -> int:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


async def then_fail(items: AsyncIterator[int], error: Exception) -> AsyncIterator[int]:
    async for item in items:
        yield item
    raise error


def observable() -> Any:
    return rx.of(1, 2, 3)


def failing_observable(error: Exception) -> Any:
    return rx.concat(rx.of(1, 2, 3), rx.throw(error))


SOURCES = [
    pytest.param(observable, id="observable"),
    pytest.param(one_two_three, id="async generator"),
    pytest.param(OneTwoThree, id="async iterator"),
]
FAILING = [
    pytest.param(failing_observable, id="observable"),
    pytest.param(lambda error: then_fail(one_two_three(), error), id="async generator"),
]


async def run(handler: Callable[[Any, Emitter[Any]], Any]) -> list[Any]:
    """Return what a bloc with this handler emits for one event."""
    bloc = OneHandlerBloc(handler)
    heard = listen(bloc)
    bloc.add("go")
    await bloc.wait_until_idle()
    await bloc.close()
    assert heard.pop() == DONE
    return heard


@pytest.mark.parametrize("source", SOURCES)
async def test_for_each_emits_a_state_for_each_item_and_ends_with_the_source(source: Any) -> None:
    # Dart: bloc_test.dart
    async def handler(event: str, emit: Emitter[Any]) -> None:
        await emit.for_each(source(), on_data=lambda item: item * 10)
        emit("after")

    assert await run(handler) == [10, 20, 30, "after"]


@pytest.mark.parametrize("source", SOURCES)
async def test_on_each_calls_back_with_each_item_and_ends_with_the_source(source: Any) -> None:
    # Dart: bloc_test.dart
    async def handler(event: str, emit: Emitter[Any]) -> None:
        await emit.on_each(source(), on_data=lambda item: emit(f"item {item}"))
        emit("after")

    assert await run(handler) == ["item 1", "item 2", "item 3", "after"]


async def test_a_handler_may_return_the_awaitable_of_for_each() -> None:
    # Dart: bloc_test.dart
    assert await run(lambda event, emit: emit.for_each(observable(), on_data=lambda item: item)) == [1, 2, 3]


@pytest.mark.parametrize("failing", FAILING)
async def test_for_each_with_on_error_ends_with_the_state_for_the_error(failing: Any) -> None:
    # Dart: bloc_test.dart
    async def handler(event: str, emit: Emitter[Any]) -> None:
        await emit.for_each(failing(ValueError("lost")), on_data=lambda item: item, on_error=str)
        emit("after")

    assert await run(handler) == [1, 2, 3, "lost", "after"]


@pytest.mark.parametrize("failing", FAILING)
async def test_on_each_with_on_error_calls_it_with_the_error_and_returns(failing: Any) -> None:
    # Dart: bloc_test.dart
    async def handler(event: str, emit: Emitter[Any]) -> None:
        await emit.on_each(failing(ValueError("lost")), on_data=emit, on_error=lambda error: emit(str(error)))
        emit("after")

    assert await run(handler) == [1, 2, 3, "lost", "after"]


@pytest.mark.parametrize("method", ["for_each", "on_each"])
@pytest.mark.parametrize("failing", FAILING)
async def test_without_on_error_the_error_is_raised_where_the_handler_awaits(
    failing: Any, method: str
) -> None:
    # Dart: bloc_test.dart
    async def handler(event: str, emit: Emitter[Any]) -> None:
        on_data = emit if method == "on_each" else int
        with pytest.raises(ValueError, match="lost"):
            await getattr(emit, method)(failing(ValueError("lost")), on_data=on_data)
        emit(-1)

    assert await run(handler) == [1, 2, 3, -1]


@pytest.mark.parametrize("failing", FAILING)
async def test_an_uncaught_error_of_a_source_fails_the_handler(
    failing: Any, recorder: Recorder, loop_errors: list[dict[str, Any]]
) -> None:
    # Dart: bloc_test.dart
    error = ValueError("lost")
    heard = await run(lambda event, emit: emit.for_each(failing(error), on_data=lambda item: item))
    assert heard == [1, 2, 3]
    assert [reported for _, reported in recorder.of("on_error")] == [error]
    assert [context["exception"] for context in loop_errors] == [error]
    loop_errors.clear()


@pytest.mark.parametrize("method", ["for_each", "on_each"])
@pytest.mark.parametrize("source", SOURCES)
async def test_what_on_data_raises_is_raised_where_the_handler_awaits(source: Any, method: str) -> None:
    def fail(item: int) -> int:
        raise ValueError(f"at {item}")

    async def handler(event: str, emit: Emitter[Any]) -> None:
        with pytest.raises(ValueError, match="at 1"):
            await getattr(emit, method)(source(), on_data=fail)
        emit("after")

    assert await run(handler) == ["after"]


async def test_what_on_error_raises_is_raised_where_the_handler_awaits() -> None:
    def fail(error: Exception) -> int:
        raise LookupError("worse") from error

    async def handler(event: str, emit: Emitter[Any]) -> None:
        with pytest.raises(LookupError, match="worse"):
            await emit.for_each(rx.throw(ValueError("lost")), on_data=int, on_error=fail)
        emit("after")

    assert await run(handler) == ["after"]


async def test_an_async_generator_is_closed_when_on_data_raises() -> None:
    closed: list[str] = []

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    async def handler(event: str, emit: Emitter[Any]) -> None:
        with pytest.raises(ZeroDivisionError):
            await emit.on_each(endless(), on_data=lambda item: emit(item // 0))

    await run(handler)
    assert closed == ["closed"]


async def test_an_async_generator_is_closed_when_its_handler_is_cancelled() -> None:
    closed: list[str] = []

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.005)
            closed.append("closed")

    bloc = OneHandlerBloc(lambda event, emit: emit.for_each(endless(), on_data=lambda item: item))
    bloc.add("go")
    await iterate_loop()
    assert bloc.state == 1
    await bloc.close()
    assert closed == ["closed"]


async def test_a_source_that_is_neither_observable_nor_iterable_is_rejected(
    loop_errors: list[dict[str, Any]],
) -> None:
    source: Any = [1, 2, 3]
    await run(lambda event, emit: emit.for_each(source, on_data=lambda item: item))
    assert [type(context["exception"]) for context in loop_errors] == [TypeError]
    assert "'list'" in str(loop_errors[0]["exception"])
    loop_errors.clear()


@pytest.mark.parametrize("method", ["for_each", "on_each"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_source_that_is_not_awaited_fails_the_handler(
    method: str, is_async: bool, recorder: Recorder, loop_errors: list[dict[str, Any]]
) -> None:
    # Dart: bloc_test.dart
    source: Subject[int] = Subject()

    def handler(event: str, emit: Emitter[Any]) -> Any:
        getattr(emit, method)(source, on_data=lambda item: item)
        return asyncio.sleep(0) if is_async else None

    bloc = OneHandlerBloc(handler)
    bloc.add("go")
    await bloc.wait_until_idle()
    ((_, _, error),) = recorder.of("on_done")
    assert isinstance(error, EmitterError)
    assert "left pending subscriptions behind" in str(error)
    assert recorder.of("on_error") == [(bloc, error)]
    await iterate_loop()
    assert source.observers == []
    await bloc.close()
    assert [context["exception"] for context in loop_errors] == [error]
    loop_errors.clear()


async def test_a_source_that_has_ended_need_not_be_awaited(recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    source: Subject[int] = Subject()

    def handler(event: str, emit: Emitter[Any]) -> None:
        emit.for_each(source, on_data=lambda item: item)
        source.on_next(1)
        source.on_completed()

    assert await run(handler) == [1]
    assert recorder.of("on_error") == []


async def test_a_synchronous_source_has_ended_when_the_call_returns() -> None:
    def handler(event: str, emit: Emitter[Any]) -> None:
        emit.for_each(observable(), on_data=lambda item: item)
        emit("after")

    assert await run(handler) == [1, 2, 3, "after"]


async def test_a_source_that_never_pauses_does_not_block_the_loop() -> None:
    bloc = OneHandlerBloc(lambda event, emit: emit.for_each(rx.interval(0), on_data=lambda tick: tick))
    bloc.add("go")
    await until(lambda: bloc.state > 10)
    await bloc.close()


async def test_a_handler_that_is_cancelled_while_it_subscribes_does_not_go_on_listening() -> None:
    source = BehaviorSubject(1)
    stop: Subject[None] = Subject()
    observers: list[int] = []

    async def handler(event: str, emit: Emitter[Any]) -> None:
        emit.on_each(source, on_data=lambda item: stop.on_next(None))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            observers.append(len(source.observers))

    def until_stop(events: Observable[str], mapper: EventMapper[str]) -> Observable[str]:
        return concurrent()(events, mapper).pipe(ops.take_until(stop))

    bloc = OneHandlerBloc(handler, until_stop)
    bloc.add("go")
    await bloc.wait_until_idle()
    assert observers == [0]
    await bloc.close()


async def test_a_source_is_subscribed_to_by_the_call_and_not_by_the_await() -> None:
    source: Subject[int] = Subject()

    async def handler(event: str, emit: Emitter[Any]) -> None:
        listening = emit.for_each(source, on_data=lambda item: item)
        source.on_next(1)
        source.on_completed()
        await listening

    assert await run(handler) == [1]


async def test_a_handler_may_listen_to_several_sources_at_once() -> None:
    first: Subject[str] = Subject()
    second: Subject[str] = Subject()

    async def handler(event: str, emit: Emitter[Any]) -> None:
        await asyncio.gather(
            emit.for_each(first, on_data=lambda item: f"first {item}"),
            emit.for_each(second, on_data=lambda item: f"second {item}"),
        )
        emit("both")

    bloc = OneHandlerBloc(handler)
    heard = listen(bloc)
    bloc.add("go")
    await iterate_loop()
    second.on_next("a")
    first.on_next("b")
    first.on_completed()
    second.on_next("c")
    second.on_completed()
    await bloc.wait_until_idle()
    await bloc.close()
    assert heard == ["second a", "first b", "second c", "both", DONE]


async def test_a_handler_may_stop_listening_after_a_timeout() -> None:
    source: Subject[int] = Subject()

    async def handler(event: str, emit: Emitter[Any]) -> None:
        try:
            async with asyncio.timeout(0):
                await emit.for_each(source, on_data=lambda item: item)
        except TimeoutError:
            emit("given up")

    assert await run(handler) == ["given up"]
    assert source.observers == []


@pytest.mark.parametrize("seconds", [0, 0.001])
async def test_the_timers_of_a_source_run_on_the_loop_and_not_on_a_thread(seconds: float) -> None:
    threads: set[int] = set()

    async def handler(event: str, emit: Emitter[Any]) -> None:
        ticks = rx.timer(seconds, seconds).pipe(rx.operators.take(3))
        await emit.on_each(ticks, on_data=lambda tick: threads.add(threading.get_ident()))

    await run(handler)
    assert threads == {threading.get_ident()}


async def test_a_listening_handler_that_is_restarted_emits_each_state_once() -> None:
    # Dart: bloc_test.dart
    source: Subject[int] = Subject()
    bloc = OneHandlerBloc(lambda event, emit: emit.for_each(source, on_data=lambda item: item), restartable())
    heard = listen(bloc)
    bloc.add("go")
    bloc.add("go")
    await iterate_loop()
    assert len(source.observers) == 1
    for item in range(5):
        source.on_next(item)
    await bloc.close()
    assert heard == [0, 1, 2, 3, 4, DONE]


async def test_what_late_callbacks_of_a_restarted_handler_emit_is_ignored() -> None:
    # Dart: bloc_test.dart
    sources = {name: Subject[int]() for name in ("first", "second")}
    late: list[Callable[[], None]] = []

    async def handler(event: str, emit: Emitter[Any]) -> None:
        await emit.on_each(sources[event], on_data=lambda item: late.append(lambda: emit(item)))

    bloc = OneHandlerBloc(handler, restartable())
    heard = listen(bloc)
    bloc.add("first")
    await iterate_loop()
    sources["first"].on_next(1)
    bloc.add("second")
    await iterate_loop()
    sources["second"].on_next(2)
    for callback in late:
        callback()
    assert heard == [2]
    await bloc.close()


async def test_a_late_callback_can_ask_whether_its_handler_is_done() -> None:
    # Dart: bloc_test.dart
    asked: list[bool] = []

    async def handler(event: str, emit: Emitter[Any]) -> None:
        asyncio.get_running_loop().call_soon(lambda: asked.append(emit.is_done))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.001, lambda: asked.append(emit.is_done))

    await run(handler)
    await until(lambda: len(asked) == 2)
    assert asked == [False, True]


@pytest.mark.parametrize("use", ["emit", "for_each", "on_each"])
async def test_using_the_emitter_after_the_handler_has_ended_raises(use: str, recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    emitters: list[Emitter[Any]] = []
    bloc = OneHandlerBloc(lambda event, emit: emitters.append(emit))
    bloc.add("go")
    await bloc.wait_until_idle()
    (emit,) = emitters
    assert emit.is_done
    with pytest.raises(EmitterError, match="emit was called after an event handler completed normally"):
        emit(1) if use == "emit" else getattr(emit, use)(observable(), on_data=lambda item: item)
    assert bloc.state == 0
    assert recorder.of("on_error") == []
    await bloc.close()


async def test_what_is_emitted_after_a_cancellation_is_ignored() -> None:
    emitters: list[Emitter[Any]] = []

    async def handler(event: str, emit: Emitter[Any]) -> None:
        emitters.append(emit)
        try:
            await asyncio.Event().wait()
        finally:
            emit("while it ends")

    bloc = OneHandlerBloc(handler, restartable())
    heard = listen(bloc)
    bloc.add("first")
    await iterate_loop()
    bloc.add("second")
    await iterate_loop()
    assert [emit.is_done for emit in emitters] == [True, False]
    emitters[0]("after its end")
    with pytest.raises(asyncio.CancelledError):
        await emitters[0].for_each(observable(), on_data=lambda item: item)
    await bloc.close()
    assert heard == [DONE]
