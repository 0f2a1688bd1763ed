"""Builders and listeners of a bloc on Textual nodes."""

from __future__ import annotations

import ast
import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widgets import Static

from socket_bloc.bloc import Cubit
from tests.tui.screen import listeners, text_of, until
from tui import binding
from tui.binding import BlocBuilder, BlocListener, BlocNode

When = Callable[[int, int], bool]


class Shown(BlocNode, Static):
    """Shows a number, and records what it builds and what it listens to."""

    def __init__(
        self, cubit: Cubit[int], *, build_when: When | None = None, listen_when: When | None = None
    ) -> None:
        super().__init__()
        self.cubit = cubit
        self.build_when, self.listen_when = build_when, listen_when
        self.built: list[int] = []
        self.listened: list[int] = []
        self.threads: set[int] = set()

    def on_mount(self) -> None:
        self.build_from(self.cubit, self.build, when=self.build_when)
        self.listen_to(self.cubit, self.listened.append, when=self.listen_when)

    def build(self, state: int) -> None:
        self.threads.add(threading.get_ident())
        self.built.append(state)
        self.update(f"state {state}")


class OneWidget(App[None]):
    """An app of one widget."""

    def __init__(self, widget: Static) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


async def test_the_current_state_is_built_first() -> None:
    shown = Shown(Cubit(7))
    async with OneWidget(shown).run_test() as pilot:
        await until(pilot, lambda: shown.built == [7])
        assert shown.listened == []
        assert "state 7" in text_of(pilot.app)


async def test_neither_builder_nor_listener_is_called_inside_emit() -> None:
    shown = Shown(cubit := Cubit(0))
    async with OneWidget(shown).run_test() as pilot:
        await until(pilot, lambda: shown.built)
        cubit.emit(1)
        assert (shown.built, shown.listened) == ([0], [])
        await until(pilot, lambda: shown.built == [0, 1] and shown.listened == [1])


async def test_a_burst_is_built_once_and_each_of_its_states_is_listened_to() -> None:
    shown = Shown(cubit := Cubit(0))
    async with OneWidget(shown).run_test() as pilot:
        await until(pilot, lambda: shown.built)
        for number in range(1, 1001):
            cubit.emit(number)
        await until(pilot, lambda: len(shown.listened) == 1000)
        assert shown.listened == [*range(1, 1001)]
        assert shown.built == [0, 1000]


async def test_a_stream_of_states_is_built_once_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(binding, "monotonic", lambda: now)
    shown = Shown(cubit := Cubit(0))
    async with OneWidget(shown).run_test() as pilot:
        await until(pilot, lambda: shown.built == [0])
        for number in range(1, 4):
            cubit.emit(number)
            await pilot.pause()
        assert shown.built == [0]
        assert shown.listened == [1, 2, 3]
        now += binding.FRAME
        await until(pilot, lambda: shown.built == [0, 3])


async def test_a_build_that_takes_long_is_followed_by_as_long_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(binding, "monotonic", lambda: now)

    class Slow(Shown):
        def build(self, state: int) -> None:
            nonlocal now
            super().build(state)
            now += 50 * binding.FRAME

    shown = Slow(cubit := Cubit(0))
    async with OneWidget(shown).run_test() as pilot:
        await until(pilot, lambda: shown.built == [0])
        now += 49 * binding.FRAME
        cubit.emit(1)
        await pilot.pause(2 * binding.FRAME)
        assert shown.built == [0]
        now += binding.FRAME
        await until(pilot, lambda: shown.built == [0, 1])


async def test_a_builder_whose_node_is_removed_before_its_frame_unsubscribes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binding, "monotonic", lambda: 100.0)
    node = Static()
    built: list[int] = []
    async with OneWidget(node).run_test() as pilot:
        BlocBuilder(node, cubit := Cubit(0), built.append)
        await until(pilot, lambda: built == [0])
        cubit.emit(1)
        await pilot.pause()
        await node.remove()
        await until(pilot, lambda: listeners(cubit) == 0)
    assert built == [0]


async def test_a_state_emitted_by_a_listener_is_listened_to_afterwards() -> None:
    cubit = Cubit(0)

    class Answering(Shown):
        def on_mount(self) -> None:
            self.listen_to(cubit, lambda state: cubit.emit(state * 10) if state < 10 else None)

    shown = Answering(cubit)
    async with OneWidget(shown).run_test() as pilot:
        cubit.emit(1)
        cubit.emit(2)
        await until(pilot, lambda: len(shown.listened) == 4)
        assert shown.listened == [1, 2, 10, 20]


async def test_when_is_given_the_state_built_last_or_the_previous_one_of_a_listener(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binding, "FRAME", 0.0)
    monkeypatch.setattr(binding, "monotonic", lambda: 100.0)
    shown = Shown(cubit := Cubit(0), build_when=lambda a, b: b >= a + 3, listen_when=lambda a, b: b > a)
    async with OneWidget(shown).run_test() as pilot:
        for number in (1, 2, 3, 2, 4, 6):
            cubit.emit(number)
            await pilot.pause()
        await until(pilot, lambda: shown.built == [0, 3, 6])
        assert shown.listened == [1, 2, 3, 4, 6]


async def test_states_from_another_task_and_another_thread_are_built_on_the_apps_thread() -> None:
    shown = Shown(cubit := Cubit(0))

    def count() -> None:
        for number in range(1, 501):
            cubit.emit(number)

    async def count_on() -> None:
        for number in range(501, 601):
            cubit.emit(number)
            await asyncio.sleep(0)

    foreign = asyncio.create_task(asyncio.to_thread(count))  # made before the app: it knows nothing of it
    async with OneWidget(shown).run_test() as pilot:
        await foreign
        thread = threading.Thread(target=lambda: [cubit.emit(-number) for number in range(1, 501)])
        thread.start()
        await asyncio.to_thread(thread.join)
        await asyncio.create_task(count_on())
        await until(pilot, lambda: shown.built[-1:] == [600])
        assert shown.listened[-600:] == [*range(-1, -501, -1), *range(501, 601)]
        assert shown.threads == {threading.get_ident()}


@pytest.mark.parametrize("leave", ["remove", "exit", "pop"])
async def test_an_unmounted_node_does_not_listen_any_more(leave: str) -> None:
    shown = Shown(cubit := Cubit(0))

    class Other(Screen[None]):
        def compose(self) -> ComposeResult:
            yield shown

    app: App[None] = App() if leave == "pop" else OneWidget(shown)
    async with app.run_test() as pilot:
        if leave == "pop":
            await app.push_screen(Other())
        await until(pilot, lambda: listeners(cubit) == 2)
        if leave == "remove":
            await shown.remove()
        elif leave == "pop":
            await app.pop_screen()
        else:
            app.exit()
    assert listeners(cubit) == 0
    cubit.emit(1)
    assert shown.listened == []


async def test_bindings_are_disposed_of_also_if_a_subclass_has_its_own_on_unmount() -> None:
    class Careless(Shown):
        def on_unmount(self) -> None:
            self.listened.append(-1)  # and no call of super()

    shown = Careless(cubit := Cubit(0))
    async with OneWidget(shown).run_test() as pilot:
        await until(pilot, lambda: listeners(cubit) == 2)
    assert (listeners(cubit), shown.listened) == (0, [-1])


async def test_an_app_that_crashes_unsubscribes_and_the_bloc_goes_on() -> None:
    class Faulty(Shown):
        def build(self, state: int) -> None:
            if state == 1:
                raise ZeroDivisionError("a bug in the view")

    shown = Faulty(cubit := Cubit(0))
    received: list[int] = []

    async def run() -> None:
        async with OneWidget(shown).run_test() as pilot:
            await until(pilot, lambda: listeners(cubit) == 2)
            cubit.stream.subscribe(received.append)
            cubit.emit(1)  # does not raise
            await pilot.pause()
            cubit.emit(2)

    with pytest.raises(ZeroDivisionError):
        await run()
    assert received == [1, 2]
    assert listeners(cubit) == 1


@pytest.mark.parametrize("kind", [BlocBuilder, BlocListener])
async def test_a_node_without_the_mixin_unsubscribes_at_the_first_state_after_its_end(kind: Any) -> None:
    cubit = Cubit(0)
    taken: list[int] = []

    def bind(node: MessagePump) -> None:
        kind(node, cubit, taken.append)

    node = Static()
    async with OneWidget(node).run_test() as pilot:
        bind(node)
        cubit.emit(1)
        await until(pilot, lambda: taken[-1:] == [1])
        await node.remove()
        cubit.emit(2)
        assert listeners(cubit) == 0
        await pilot.pause()
        assert taken[-1] == 1


async def test_a_disposed_binding_drops_what_is_still_queued() -> None:
    node = Static()
    taken: list[int] = []
    async with OneWidget(node).run_test() as pilot:
        listener = BlocListener(node, cubit := Cubit(0), taken.append)
        builder = BlocBuilder(node, cubit, taken.append)
        cubit.emit(1)
        listener.dispose()
        builder.dispose()
        await pilot.pause()
        assert (taken, listeners(cubit)) == ([], 0)


async def test_screens_and_apps_are_nodes_too() -> None:
    cubit = Cubit(0)

    class Whole(BlocNode, App[None]):
        def on_mount(self) -> None:
            self.build_from(cubit, lambda state: setattr(self, "title", f"state {state}"))

    app = Whole()
    async with app.run_test() as pilot:
        cubit.emit(3)
        await until(pilot, lambda: app.title == "state 3")
    assert listeners(cubit) == 0


def test_the_binding_imports_nothing_about_orders() -> None:
    tree = ast.parse(Path(binding.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in imported if name and name.startswith(("socket_bloc", "server_stub", "tui"))}
    assert ours == {"socket_bloc.bloc"}
    assert {name.partition(".")[0] for name in imported - ours if name} <= {
        "reactivex",
        "textual",
        *sys.stdlib_module_names,
    }
