"""The list that renders only what is on the screen: its cursor, the mouse, and what it draws."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult
from textual.content import Content

from tests.tui.screen import until, until_shown
from tui.widgets.virtual_list import VirtualList

HEIGHT = 10
"""Lines of the screen, which are five items."""


class Listed(App[None]):
    """An app of one list of numbers; it records which are drawn, and where the user moves."""

    def __init__(self, numbers: Sequence[int], selected: int | None) -> None:
        super().__init__()
        self.drawn: set[int] = set()
        self.moves: list[int] = []
        self.numbers = numbers
        self.selected = selected
        self.list = VirtualList[int](draw=self.draw, moved=self.moves.append)

    def draw(self, number: int) -> Content:
        self.drawn.add(number)
        return Content(f"number {number}\n  half of {2 * number}")

    def compose(self) -> ComposeResult:
        yield self.list

    def on_mount(self) -> None:
        self.list.show_items(self.numbers, self.selected)
        self.list.focus()


async def test_only_what_is_on_the_screen_is_drawn() -> None:
    app = Listed(range(100_000), 50_000)
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        await until_shown(pilot, "number 50000", "half of 100000")
        assert len(app.drawn) <= 2 * HEIGHT
        assert app.moves == []


@pytest.mark.parametrize(
    ("keys", "moves"),
    [
        (["down", "down", "up"], [1, 2, 1]),
        (["up", "down"], [19, 0]),
        (["end", "home"], [19, 0]),
        (["pagedown", "pagedown", "pageup"], [5, 10, 5]),
        (["pageup"], [0]),
        (["end", "pagedown"], [19, 19]),
    ],
)
async def test_the_keys_move_the_cursor_which_stays_on_the_screen(keys: list[str], moves: list[int]) -> None:
    app = Listed(range(20), 0)
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        await until_shown(pilot, "number 0")
        await pilot.press(*keys)
        await until(pilot, lambda: app.moves == moves)
        assert app.list.selected == moves[-1]
        await until_shown(pilot, f"number {moves[-1]}", f"half of {2 * moves[-1]}")


async def test_without_a_selection_down_selects_the_first_item() -> None:
    app = Listed(range(3), None)
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        await until_shown(pilot, "number 2")
        assert app.list.selected is None
        await pilot.press("down")
        await until(pilot, lambda: app.moves == [0])


async def test_an_empty_list_has_no_place_to_move_to() -> None:
    app = Listed((), None)
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        await pilot.press("down", "end", "pageup")
        await pilot.pause()
        assert (app.moves, app.list.selected) == ([], None)


async def test_a_click_selects_the_item_below_the_mouse() -> None:
    app = Listed(range(100), 0)
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        await pilot.press("end")
        await until_shown(pilot, "number 95", "number 99")
        await pilot.click(VirtualList, offset=(5, 1))
        await until(pilot, lambda: app.moves == [99, 95])


async def test_the_item_below_the_mouse_is_marked_until_the_mouse_leaves() -> None:
    app = Listed(range(3), 0)
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        await until_shown(pilot, "number 2")

        def background(line: int) -> object:
            style = next(iter(app.list.render_line(line))).style
            return style and style.bgcolor

        plain = background(2)
        await pilot.hover(VirtualList, offset=(5, 3))
        await until(pilot, lambda: background(2) != plain)
        assert background(4) == plain
        await pilot.hover(offset=(5, HEIGHT - 1))  # below the list
        await until(pilot, lambda: background(2) == plain)


async def test_a_click_on_the_border_selects_nothing() -> None:
    app = Listed(range(3), 0)
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        app.list.styles.border_top = ("solid", "white")
        app.list.styles.height = HEIGHT  # with empty lines below the items
        await until(pilot, lambda: app.list.size.height == HEIGHT - 1)
        await pilot.click(VirtualList, offset=(5, 0))
        await pilot.click(VirtualList, offset=(5, HEIGHT - 1))
        await pilot.click(VirtualList, offset=(5, 3))
        await until(pilot, lambda: app.moves == [1])


async def test_a_list_that_becomes_shorter_shows_its_end() -> None:
    app = Listed(range(100), 99)
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        await until_shown(pilot, "number 99")
        app.list.show_items(range(3), 2)
        await until_shown(pilot, "number 0", "number 2")
        assert list(app.list.items) == [0, 1, 2]
