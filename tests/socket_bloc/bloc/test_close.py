"""Closing: what is still handled, what is cancelled, and that nothing is left."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import reactivex.operators as ops
from reactivex.subject import Subject

from socket_bloc.bloc import (
    BlocClosedError,
    BlocError,
    Emitter,
    EventTransformer,
    concurrent,
    debounce,
    droppable,
    restartable,
    sequential,
)
from tests.socket_bloc.bloc.blocs import (
    DONE,
    CounterBloc,
    CounterCubit,
    CounterEvent,
    Increment,
    OneHandlerBloc,
    Recorder,
    iterate_loop,
    listen,
)

Make = Callable[[], EventTransformer[Any]]
TRANSFORMERS: list[Make] = [concurrent, sequential, droppable, restartable]
CANCELLING: list[Make] = [concurrent, droppable, restartable]


class Gates:
    """A handler that reports its start and, once the gate of its event is open, its end."""

    def __init__(self) -> None:
        self.opened: dict[Any, asyncio.Event] = {}

    def open(self, event: Any) -> None:
        self.opened.setdefault(event, asyncio.Event()).set()

    async def handle(self, event: Any, emit: Emitter[Any]) -> None:
        emit(f"{event} begins")
        await self.opened.setdefault(event, asyncio.Event()).wait()
        emit(f"{event} ends")


def others() -> set[asyncio.Task[Any]]:
    """All tasks except that of the test."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


@pytest.mark.parametrize("transformer", TRANSFORMERS)
async def test_events_already_added_are_still_handled(transformer: Make) -> None:
    # Dart: bloc_test.dart
    bloc = OneHandlerBloc(lambda event, emit: emit(event), transformer())
    heard = listen(bloc)
    for event in (1, 2, 3):
        bloc.add(event)
    await bloc.close()
    assert heard == [1, 2, 3, DONE]


@pytest.mark.parametrize("transformer", TRANSFORMERS)
async def test_a_bloc_without_events_closes(transformer: Make) -> None:
    bloc = OneHandlerBloc(lambda event, emit: emit(event), transformer())
    heard = listen(bloc)
    await asyncio.wait_for(bloc.close(), 5)
    assert heard == [DONE]


@pytest.mark.parametrize("transformer", [concurrent, restartable])
async def test_what_an_async_handler_emits_before_its_first_await_is_still_set(transformer: Make) -> None:
    # Dart: bloc_test.dart
    bloc = OneHandlerBloc(Gates().handle, transformer())
    heard = listen(bloc)
    for event in "ab":
        bloc.add(event)
    await bloc.close()
    assert heard == ["a begins", "b begins", DONE]


async def test_sequential_handlers_run_to_their_end(recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    gates = Gates()
    bloc = OneHandlerBloc(gates.handle, sequential())
    heard = listen(bloc)
    for event in "ab":
        bloc.add(event)
    await iterate_loop()
    closing = asyncio.ensure_future(bloc.close())
    await iterate_loop()
    assert (bloc.is_closed, heard) == (True, ["a begins"])
    gates.open("a")
    await iterate_loop(5)
    assert not closing.done()
    gates.open("b")
    await closing
    assert heard == ["a begins", "a ends", "b begins", "b ends", DONE]
    assert recorder.of("on_done") == [(bloc, "a", None), (bloc, "b", None)]
    assert recorder.names.count("on_close") == 1
    assert recorder.of("on_error") == []


@pytest.mark.parametrize("transformer", CANCELLING)
async def test_other_running_handlers_are_cancelled_without_an_error(
    transformer: Make, recorder: Recorder
) -> None:
    # Dart: bloc_event_transformer_test.dart
    bloc = OneHandlerBloc(Gates().handle, transformer())
    heard = listen(bloc)
    bloc.add("a")
    await iterate_loop()
    await bloc.close()
    assert heard == ["a begins", DONE]
    assert recorder.of("on_done") == [(bloc, "a", None)]
    assert recorder.of("on_error") == []
    assert others() == set()


async def test_other_handlers_keep_running_until_the_sequential_ones_have_ended() -> None:
    gates = Gates()
    bloc = OneHandlerBloc(gates.handle)
    bloc.on(int, gates.handle, transformer=sequential())
    heard = listen(bloc)
    bloc.add("concurrent")
    bloc.add(1)
    await iterate_loop()
    heard.clear()
    bloc.close()
    gates.open("concurrent")
    await iterate_loop(5)
    assert heard == ["concurrent ends"]
    gates.open(1)
    await bloc.close()
    assert heard == ["concurrent ends", "1 ends", DONE]


async def test_a_cancelled_handler_may_clean_up_before_the_close_is_done() -> None:
    cleaned: list[str] = []

    async def handler(event: str, emit: Emitter[str]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.001)
            cleaned.append(event)

    bloc = OneHandlerBloc(handler)
    bloc.add("go")
    await iterate_loop()
    await bloc.close()
    assert cleaned == ["go"]


@pytest.mark.parametrize("transformer", TRANSFORMERS)
async def test_a_handler_that_listens_to_a_source_is_cancelled(transformer: Make, recorder: Recorder) -> None:
    source: Subject[int] = Subject()
    bloc = OneHandlerBloc(lambda event, emit: emit.for_each(source, on_data=lambda item: item), transformer())
    heard = listen(bloc)
    bloc.add("go")
    await iterate_loop()
    source.on_next(1)
    await asyncio.wait_for(bloc.close(), 5)
    source.on_next(2)
    assert source.observers == []
    assert heard == [1, DONE]
    assert recorder.of("on_done") == [(bloc, "go", None)]
    assert recorder.of("on_error") == []


async def test_a_handler_that_would_wait_for_a_source_while_its_bloc_closes_is_cancelled() -> None:
    source: Subject[int] = Subject()
    gates = Gates()

    async def handler(event: str, emit: Emitter[Any]) -> None:
        await gates.handle(event, emit)
        await emit.for_each(source, on_data=lambda item: item)
        emit("never")

    bloc = OneHandlerBloc(handler, sequential())
    heard = listen(bloc)
    for event in "ab":
        bloc.add(event)
        gates.open(event)
    await asyncio.wait_for(bloc.close(), 5)
    assert heard == ["a begins", "a ends", "b begins", "b ends", DONE]


async def test_a_source_that_emits_while_the_bloc_closes_does_no_harm() -> None:
    # Dart: bloc_test.dart
    source: Subject[int] = Subject()

    class Watching(OneHandlerBloc):
        def __init__(self) -> None:
            super().__init__(self._watch)
            self.on(int, lambda event, emit: emit(event))

        async def _watch(self, event: object, emit: Emitter[Any]) -> None:
            if event == "watch":
                await emit.on_each(source, on_data=self._offer)

        def _offer(self, item: int) -> None:
            if not self.is_closed:
                self.add(item)

    bloc = Watching()
    heard = listen(bloc)
    bloc.add("watch")
    await iterate_loop()
    source.on_next(1)
    closing = bloc.close()
    source.on_next(2)
    await closing
    source.on_next(3)
    assert heard == [1, DONE]


async def test_an_event_that_a_debounce_holds_back_is_still_handled() -> None:
    bloc = OneHandlerBloc(lambda event, emit: emit(event), debounce(60))
    heard = listen(bloc)
    bloc.add(1)
    bloc.add(2)
    await bloc.close()
    assert heard == [2, DONE]


async def test_every_close_returns_the_same_awaitable_and_the_observer_is_notified_once(
    recorder: Recorder,
) -> None:
    # Dart: bloc_test.dart
    bloc = CounterBloc()
    closing = bloc.close()
    assert bloc.close() is closing
    await asyncio.gather(closing, bloc.close())
    assert bloc.close() is closing
    await closing
    assert recorder.names == ["on_create", "on_close"]


async def test_cancelling_one_waiter_affects_no_other() -> None:
    gates = Gates()
    bloc = OneHandlerBloc(gates.handle, sequential())
    heard = listen(bloc)
    bloc.add("a")
    await iterate_loop()

    async def wait() -> None:
        await bloc.close()

    impatient, patient = asyncio.create_task(wait()), asyncio.create_task(wait())
    await iterate_loop()
    impatient.cancel()
    await iterate_loop()
    assert impatient.cancelled()
    assert not patient.done()
    gates.open("a")
    await patient
    assert heard == ["a begins", "a ends", DONE]


async def test_cancelling_the_task_that_added_an_event_does_not_cancel_its_handler() -> None:
    gates = Gates()
    bloc = OneHandlerBloc(gates.handle)

    async def caller() -> None:
        bloc.add("a")
        await asyncio.Event().wait()

    task = asyncio.create_task(caller())
    await iterate_loop()
    task.cancel()
    await iterate_loop()
    gates.open("a")
    await bloc.wait_until_idle()
    assert bloc.state == "a ends"
    await bloc.close()


async def test_a_close_that_nobody_awaits_finishes() -> None:
    bloc = CounterBloc()
    heard = listen(bloc)
    bloc.add(Increment())
    bloc.close()
    bloc = None
    gc.collect()
    await iterate_loop(5)
    assert heard == [1, DONE]
    assert others() == set()


async def test_the_stream_completes_after_the_observer_was_notified(recorder: Recorder) -> None:
    bloc = CounterBloc()
    bloc.stream.subscribe(on_completed=lambda: recorder.calls.append(("end of stream",)))
    await bloc.close()
    assert recorder.names[-2:] == ["on_close", "end of stream"]


@pytest.mark.parametrize("transformer", TRANSFORMERS)
async def test_a_plain_handler_may_close_its_bloc_and_what_it_emits_afterwards_is_ignored(
    transformer: Make, recorder: Recorder
) -> None:
    def handler(event: str, emit: Emitter[str]) -> None:
        emit("before")
        bloc.close()
        assert emit.is_done
        emit("after")
        with pytest.raises(BlocClosedError):
            bloc.add("too late")

    bloc = OneHandlerBloc(handler, transformer())
    heard = listen(bloc)
    bloc.add("go")
    await iterate_loop()
    await asyncio.wait_for(bloc.close(), 5)
    assert heard == ["before", DONE]
    assert recorder.of("on_done") == [(bloc, "go", None)]


@pytest.mark.parametrize("wait", ["directly", "with a timeout", "in a task group"])
@pytest.mark.parametrize("transformer", TRANSFORMERS)
async def test_an_async_handler_may_wait_for_the_close_of_its_bloc(
    transformer: Make, wait: str, recorder: Recorder
) -> None:
    ended: list[str] = []

    async def close() -> None:
        await bloc.close()

    async def handler(event: str, emit: Emitter[str]) -> None:
        emit("before")
        if wait == "directly":
            await bloc.close()
        elif wait == "with a timeout":
            await asyncio.wait_for(bloc.close(), 5)
        else:
            async with asyncio.TaskGroup() as group:
                group.create_task(close())
        emit("after")
        ended.append(event)

    bloc = OneHandlerBloc(handler, transformer())
    heard = listen(bloc)
    bloc.add("go")
    await iterate_loop(10)
    await asyncio.wait_for(bloc.close(), 5)
    await iterate_loop()
    assert heard == ["before", DONE]
    assert ended == ["go"]
    assert recorder.of("on_done") == [(bloc, "go", None)]
    assert others() == set()


async def test_a_task_that_a_plain_handler_has_started_may_wait_for_the_close(recorder: Recorder) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def close() -> None:
        await bloc.close()

    def handler(event: str, emit: Emitter[str]) -> None:
        tasks.append(asyncio.create_task(close()))
        emit(event)

    bloc = OneHandlerBloc(handler)
    heard = listen(bloc)
    bloc.add("go")
    await bloc.wait_until_idle()
    await asyncio.wait_for(tasks[0], 5)
    assert heard == ["go", DONE]
    assert recorder.of("on_done") == [(bloc, "go", None)]


@pytest.mark.parametrize("transformer", TRANSFORMERS)
async def test_the_close_waits_for_an_async_handler_that_has_closed_its_bloc_and_goes_on(
    transformer: Make,
) -> None:
    ended: list[str] = []

    async def handler(event: str, emit: Emitter[str]) -> None:
        bloc.close()
        await asyncio.sleep(0.001)
        emit("after")
        ended.append(event)

    bloc = OneHandlerBloc(handler, transformer())
    heard = listen(bloc)
    bloc.add("go")
    await iterate_loop()
    await bloc.close()
    assert ended == ["go"]
    assert heard == [DONE]


async def test_sequential_events_after_the_one_that_closes_are_still_handled() -> None:
    async def handler(event: str, emit: Emitter[str]) -> None:
        if event == "close":
            await bloc.close()
        emit(event)

    bloc = OneHandlerBloc(handler, sequential())
    heard = listen(bloc)
    for event in ("a", "close", "b"):
        bloc.add(event)
    await iterate_loop(10)
    await asyncio.wait_for(bloc.close(), 5)
    assert heard == ["a", "b", DONE]


async def test_a_handler_of_another_bloc_that_waits_for_the_close_can_still_emit() -> None:
    inner = CounterBloc()

    async def handler(event: str, emit: Emitter[str]) -> None:
        await inner.close()
        emit(event)

    outer = OneHandlerBloc(handler, sequential())
    heard = listen(outer)
    outer.add("a")
    outer.add("b")
    await outer.close()
    assert heard == ["a", "b", DONE]


async def test_a_listener_that_closes_the_bloc_does_not_silence_the_handler() -> None:
    async def handler(event: str, emit: Emitter[str]) -> None:
        emit("first")
        await asyncio.sleep(0)
        emit("second")

    async def close() -> None:
        await bloc.close()

    bloc = OneHandlerBloc(handler, sequential())
    heard = listen(bloc)
    closers: list[asyncio.Task[None]] = []
    bloc.stream.subscribe(lambda state: closers.append(asyncio.create_task(close())))
    bloc.add("go")
    await iterate_loop()
    await asyncio.gather(*closers)
    assert heard == ["first", "second", DONE]


async def test_a_hook_of_another_event_that_closes_the_bloc_does_not_silence_the_handler() -> None:
    async def handler(event: str, emit: Emitter[str]) -> None:
        if event == "first":
            bloc.add("second")
            await asyncio.sleep(0)
            emit("still heard")

    class Hasty(OneHandlerBloc):
        def on_done(self, event: str, error: Exception | None = None) -> None:
            if event == "second":
                self.close()

    bloc = Hasty(handler, sequential())
    bloc.on(str, lambda event, emit: None)
    heard = listen(bloc)
    bloc.add("first")
    await iterate_loop(5)
    await bloc.close()
    assert heard == ["still heard", DONE]


async def test_a_handler_may_close_its_bloc_from_a_callback_of_a_source() -> None:
    source: Subject[str] = Subject()

    async def handler(event: str, emit: Emitter[str]) -> None:
        listening = emit.on_each(source.pipe(ops.start_with("now")), on_data=lambda item: bloc.close())
        await listening
        emit("never")

    bloc = OneHandlerBloc(handler, sequential())
    heard = listen(bloc)
    bloc.add("go")
    await iterate_loop(10)
    await asyncio.wait_for(bloc.close(), 5)
    assert source.observers == []
    assert heard == [DONE]


async def test_a_handler_cannot_wait_until_its_own_bloc_is_idle(loop_errors: list[dict[str, Any]]) -> None:
    async def handler(event: str, emit: Emitter[str]) -> None:
        await bloc.wait_until_idle()

    bloc = OneHandlerBloc(handler)
    bloc.add("go")
    await bloc.wait_until_idle()
    await bloc.close()
    assert [type(context["exception"]) for context in loop_errors] == [BlocError]
    loop_errors.clear()


async def test_what_a_handler_emits_after_the_close_cancelled_it_is_ignored() -> None:
    async def handler(event: str, emit: Emitter[str]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            emit("defiant")

    bloc = OneHandlerBloc(handler)
    heard = listen(bloc)
    bloc.add("go")
    await iterate_loop()
    await bloc.close()
    assert heard == [DONE]
    assert bloc.state == 0


async def test_a_subclass_may_clean_up_before_and_after_the_handlers_end(recorder: Recorder) -> None:
    class Tidy(CounterBloc):
        async def _close(self) -> None:
            await asyncio.sleep(0)
            self._add(Increment(10), while_closing=True)
            with pytest.raises(BlocClosedError):
                self.add(Increment(100))
            await super()._close()
            recorder.calls.append(("cleaned up",))

    bloc = Tidy()
    heard = listen(bloc)
    bloc.add(Increment())
    await bloc.close()
    assert heard == [1, 11, DONE]
    assert recorder.names[-2:] == ["on_close", "cleaned up"]


async def test_what_the_clean_up_of_a_subclass_raises_is_raised_to_every_waiter() -> None:
    class Clumsy(CounterCubit):
        async def _close(self) -> None:
            try:
                raise ValueError("cannot clean up")
            finally:
                await super()._close()

    cubit = Clumsy()
    heard = listen(cubit)
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot clean up"):
            await cubit.close()
    assert heard == [DONE]


@pytest.mark.parametrize("transformer", TRANSFORMERS)
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_closed_bloc_can_be_collected(transformer: Make, is_async: bool) -> None:
    class Own(OneHandlerBloc):
        def __init__(self) -> None:
            super().__init__(self._later if is_async else self._now, transformer())

        def _now(self, event: str, emit: Emitter[str]) -> None:
            emit(event)

        async def _later(self, event: str, emit: Emitter[str]) -> None:
            await asyncio.sleep(0)
            emit(event)

    bloc = Own()
    listen(bloc)
    bloc.add("go")
    await bloc.wait_until_idle()
    await bloc.close()
    alive = weakref.ref(bloc)
    del bloc
    await iterate_loop()
    gc.collect()
    assert alive() is None


async def test_an_event_added_by_the_last_handlers_is_rejected() -> None:
    refused: list[BlocClosedError] = []

    def handler(event: CounterEvent, emit: Emitter[int]) -> None:
        try:
            bloc.add(event)
        except BlocClosedError as error:
            refused.append(error)

    bloc = OneHandlerBloc(handler)
    bloc.add("go")
    await bloc.close()
    assert len(refused) == 1
