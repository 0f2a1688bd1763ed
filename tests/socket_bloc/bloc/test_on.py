"""`on` and `add`: which handlers get an event, and what is rejected."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from socket_bloc.bloc import (
    Bloc,
    BlocClosedError,
    BlocError,
    DuplicateHandlerError,
    Emitter,
    MissingHandlerError,
    Transition,
    sequential,
)
from tests.socket_bloc.bloc.blocs import (
    DONE,
    CounterBloc,
    CounterEvent,
    Decrement,
    Increment,
    OneHandlerBloc,
    Recorder,
    listen,
)


class Base: ...


class A(Base): ...


class AA(A): ...


class B(Base): ...


class Family(Bloc[Base, int]):
    """Records which handler got which event."""

    def __init__(self) -> None:
        super().__init__(0)
        self.handled: list[tuple[str, Base]] = []
        self.on(AA, lambda event, emit: self.handled.append(("AA", event)))
        self.on(B, lambda event, emit: self.handled.append(("B", event)))
        self.on(A, lambda event, emit: self.handled.append(("A", event)))
        self.on(Base, lambda event, emit: self.handled.append(("Base", event)))


async def test_every_handler_whose_type_matches_gets_the_event_in_the_order_of_registration() -> None:
    # Dart: bloc_on_test.dart
    bloc = Family()
    event = AA()
    bloc.add(event)
    await bloc.close()
    assert bloc.handled == [("AA", event), ("A", event), ("Base", event)]


async def test_a_handler_registered_later_is_also_found() -> None:
    bloc = Family()
    bloc.add(A())
    await bloc.wait_until_idle()
    bloc.on(object, lambda event, emit: bloc.handled.append(("object", event)))
    event = A()
    bloc.add(event)
    await bloc.close()
    assert bloc.handled[2:] == [("A", event), ("Base", event), ("object", event)]


def test_a_second_handler_for_the_same_type_is_rejected() -> None:
    # Dart: bloc_on_test.dart
    bloc = CounterBloc()
    with pytest.raises(DuplicateHandlerError, match=r"on\(Increment\) was called multiple times"):
        bloc.on(Increment, lambda event, emit: None)


async def test_an_event_without_a_handler_is_rejected_before_any_hook(recorder: Recorder) -> None:
    # Dart: bloc_on_test.dart
    async with CounterBloc() as bloc:
        with pytest.raises(
            MissingHandlerError, match=r"add\(CounterEvent\) was called without a registered event handler"
        ):
            bloc.add(CounterEvent())
        assert recorder.names == ["on_create"]


async def test_an_event_for_a_closed_bloc_is_rejected_and_reported(recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    bloc = CounterBloc()
    await bloc.close()
    with pytest.raises(BlocClosedError, match="Cannot add new events after calling close") as raised:
        bloc.add(Increment())
    assert recorder.of("on_error") == [(bloc, raised.value)]
    assert recorder.of("on_event") == [(bloc, Increment())]


async def test_an_on_event_that_raises_rejects_the_event(recorder: Recorder) -> None:
    # Dart: bloc_test.dart
    error = ValueError("refused")

    class Refusing(CounterBloc):
        def on_event(self, event: CounterEvent) -> None:
            if event == Decrement():
                raise error

    bloc = Refusing()
    with pytest.raises(ValueError, match="refused"):
        bloc.add(Decrement())
    bloc.add(Increment())
    await bloc.close()
    assert bloc.state == 1
    assert recorder.of("on_error") == [(bloc, error)]


async def test_add_from_inside_a_handler_is_handled_after_it() -> None:
    steps: list[str] = []

    def handler(event: str, emit: Emitter[int]) -> None:
        steps.append(f"{event} begins")
        if event == "outer":
            bloc.add("inner")
        steps.append(f"{event} ends")

    bloc = OneHandlerBloc(handler)
    bloc.add("outer")
    await bloc.wait_until_idle()
    assert steps == ["outer begins", "outer ends", "inner begins", "inner ends"]
    await bloc.close()


async def test_add_from_inside_a_listener_is_handled_after_the_handler() -> None:
    # Dart: bloc_test.dart
    bloc = CounterBloc()
    heard = listen(bloc)
    bloc.stream.subscribe(lambda state: bloc.add(Increment()) if state < 3 else None)
    bloc.add(Increment())
    await bloc.wait_until_idle()
    assert heard == [1, 2, 3]
    await bloc.close()


@pytest.mark.parametrize("hook", ["on_event", "on_transition", "on_change", "on_done"])
async def test_add_from_inside_a_hook_is_handled_after_the_event(hook: str) -> None:
    handled: list[str] = []

    class Hooked(OneHandlerBloc):
        def record(self, where: str) -> None:
            if where == hook and "more" not in asked:
                asked.append("more")
                self.add("more")

        def on_event(self, event: object) -> None:
            self.record("on_event")

        def on_transition(self, transition: Transition[Any, Any]) -> None:
            self.record("on_transition")

        def on_change(self, change: object) -> None:
            self.record("on_change")

        def on_done(self, event: object, error: Exception | None = None) -> None:
            self.record("on_done")

    def handler(event: str, emit: Emitter[str]) -> None:
        emit(event)
        handled.append(event)

    asked: list[str] = []
    bloc = Hooked(handler)
    bloc.add("first")
    await bloc.wait_until_idle()
    assert sorted(handled) == ["first", "more"]
    assert handled[0] == ("more" if hook == "on_event" else "first")
    await bloc.close()


async def test_add_from_another_thread_is_rejected_with_what_to_call_instead(recorder: Recorder) -> None:
    bloc = CounterBloc()
    with pytest.raises(BlocError, match=r"call loop\.call_soon_threadsafe\(bloc\.add, \.\.\.\)"):
        await asyncio.to_thread(bloc.add, Increment())
    assert recorder.names == ["on_create"]
    loop = asyncio.get_running_loop()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(bloc.add, Increment()))
    thread.start()
    await asyncio.to_thread(thread.join)
    await bloc.close()
    assert bloc.state == 1


async def test_add_on_the_loop_of_another_thread_is_rejected() -> None:
    bloc = CounterBloc()

    async def elsewhere() -> None:
        bloc.add(Increment())

    with pytest.raises(BlocError, match="another thread"):
        await asyncio.to_thread(asyncio.run, elsewhere())
    await bloc.close()
    assert bloc.state == 0


def test_a_bloc_can_be_created_without_a_loop_but_needs_one_to_add_or_close() -> None:
    bloc = CounterBloc()
    for call in (lambda: bloc.add(Increment()), bloc.close):
        with pytest.raises(BlocError, match="must be called where the event loop of the CounterBloc runs"):
            call()

    async def use() -> None:
        heard = listen(bloc)
        bloc.add(Increment())
        await bloc.close()
        assert heard == [1, DONE]

    asyncio.run(use())


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("transformer", [None, sequential()])
async def test_a_handler_runs_in_the_context_of_its_add(is_async: bool, transformer: Any) -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[tuple[str, str]] = []

    def handler(event: str, emit: Emitter[str]) -> Any:
        async def later() -> None:
            await asyncio.sleep(0)
            seen.append((event, request.get()))

        if is_async:
            return later()
        seen.append((event, request.get()))
        request.set("spoilt")
        return None

    bloc = OneHandlerBloc(handler, transformer)
    for name in ("a", "b"):
        request.set(name)
        bloc.add(name)
    request.set("after")
    await bloc.wait_until_idle()
    assert seen == [("a", "a"), ("b", "b")]
    assert request.get() == "after"
    await bloc.close()


async def test_the_default_transformer_is_the_one_that_was_set_when_on_was_called() -> None:
    # Dart: bloc_event_transformer_test.dart
    Bloc.transformer = sequential()
    started: list[int] = []
    gate = asyncio.Event()

    async def handler(event: int, emit: Emitter[int]) -> None:
        started.append(event)
        await gate.wait()

    bloc = OneHandlerBloc(handler)
    Bloc.transformer = lambda events, mapper: events
    for event in (1, 2):
        bloc.add(event)
    for _ in range(5):
        await asyncio.sleep(0)
    assert started == [1]
    gate.set()
    await bloc.close()
    assert started == [1, 2]


async def test_a_subclass_may_have_a_default_transformer_of_its_own() -> None:
    class Orderly(OneHandlerBloc):
        transformer = sequential()

    running = 0
    most = 0

    async def handler(event: int, emit: Emitter[int]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    async with Orderly(handler) as bloc:
        for event in range(3):
            bloc.add(event)
        await bloc.wait_until_idle()
    assert most == 1
