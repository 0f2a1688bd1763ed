"""A list that renders only what is on the screen, so that its length costs nothing.

It knows nothing about orders. Textual's `OptionList` renders and measures every option at each change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Generic, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

__all__ = ["VirtualList"]

Item = TypeVar("Item")

ITEM_HEIGHT: Final = 2
"""Lines of each item. That all have the same is what makes the place of each known."""


class VirtualList(ScrollView, Generic[Item], can_focus=True):
    """A list of items of two lines, one of which is selected."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move_page(-1)", show=False),
        Binding("pagedown", "move_page(1)", show=False),
        Binding("home", "first", show=False),
        Binding("end", "last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "virtual-list--item",
        "virtual-list--item-selected",
        "virtual-list--item-hover",
    }
    DEFAULT_CSS: ClassVar[str] = """
    VirtualList {
        height: auto;
        max-height: 100%;
        overflow-x: hidden;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        & > .virtual-list--item-selected { background: $block-cursor-blurred-background; }
        & > .virtual-list--item-hover { background: $block-hover-background; }
        &:focus {
            background-tint: $foreground 5%;
            & > .virtual-list--item-selected {
                color: $block-cursor-foreground;
                background: $block-cursor-background;
                text-style: $block-cursor-text-style;
            }
        }
    }
    """

    _hovered: reactive[int | None] = reactive[int | None](None)

    def __init__(
        self,
        *,
        draw: Callable[[Item], Content],
        moved: Callable[[Item], object],
        id: str | None = None,
    ) -> None:
        """`draw` returns the lines of an item; `moved` is told when the user moves to another item."""
        super().__init__(id=id)
        self._draw = draw
        self._moved = moved
        self._items: Sequence[Item] = ()
        self._selected: int | None = None

    @property
    def items(self) -> Sequence[Item]:
        """What is listed."""
        return self._items

    @property
    def selected(self) -> Item | None:
        """The item under the cursor."""
        return None if self._selected is None else self._items[self._selected]

    def show_items(self, items: Sequence[Item], selected: int | None) -> None:
        """List these items, with the cursor on the one at `selected`; `moved` is not told."""
        is_moved = selected != self._selected
        self._items = items
        self._selected = selected
        self.virtual_size = Size(1, len(items) * ITEM_HEIGHT)
        self.refresh()
        if is_moved:
            self._scroll_to_selected()

    def render_line(self, y: int) -> Strip:
        index, line = divmod(self.scroll_offset.y + y, ITEM_HEIGHT)
        name = "virtual-list--item"
        width = self.scrollable_content_region.width
        if index >= len(self._items):
            return Strip.blank(width, self.get_visual_style(name).rich_style)
        if index == self._selected:
            style = self.get_visual_style(name, f"{name}-selected")
        elif index == self._hovered:
            style = self.get_visual_style(name, f"{name}-hover")
        else:
            style = self.get_visual_style(name)
        lines = self._draw(self._items[index]).split("\n", allow_blank=True)
        (strip,) = Visual.to_strips(self, lines[line], width, 1, style, pad=True)
        return strip

    def on_resize(self) -> None:
        self._scroll_to_selected()

    # What the user does

    def action_move(self, distance: int) -> None:
        """Move up or down, from one end on to the other."""
        if self._items:
            at = -1 if self._selected is None else self._selected
            self._move_to((at + distance) % len(self._items))

    def action_move_page(self, pages: int) -> None:
        """Move up or down by what fits on the screen, as far as the end."""
        distance = pages * max(self.scrollable_content_region.height // ITEM_HEIGHT, 1)
        self._move_to((self._selected or 0) + distance)

    def action_first(self) -> None:
        """Move to the first item."""
        self._move_to(0)

    def action_last(self) -> None:
        """Move to the last item."""
        self._move_to(len(self._items) - 1)

    def on_click(self, event: events.Click) -> None:
        index = self._index_at(event)
        if index is not None:
            self._move_to(index)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._hovered = self._index_at(event)

    def on_leave(self) -> None:
        self._hovered = None

    def _index_at(self, event: events.MouseEvent) -> int | None:
        offset = event.get_content_offset(self)
        if offset is None:
            return None
        index = (self.scroll_offset.y + offset.y) // ITEM_HEIGHT
        return index if index < len(self._items) else None

    def _move_to(self, index: int) -> None:
        if not self._items:
            return
        self._selected = min(max(index, 0), len(self._items) - 1)
        self.refresh()
        self._scroll_to_selected()
        self._moved(self._items[self._selected])

    def _scroll_to_selected(self) -> None:
        if self._selected is not None:
            region = Region(0, self._selected * ITEM_HEIGHT, 1, ITEM_HEIGHT)
            self.scroll_to_region(region, animate=False, force=True, immediate=True)
