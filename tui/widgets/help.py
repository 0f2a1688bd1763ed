"""The help screen: the keys that are active, and what the marks mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.widgets.box import Box

__all__ = ["HelpScreen"]

_MARKS: Final = (
    ("▶", "your turn"),
    ("◷", "the other side's turn; at a status: queued"),
    ("→", "sent, not yet committed by the relay"),
    ("✓", "committed: it is in the relay's database"),
    ("✗", "rejected, with the reason"),
    ("■", "the order has ended"),
    ("● ◐ ○", "connected, reconnecting, offline"),
)
_ALWAYS: Final = (
    ("↑ ↓", "select an order"),
    ("tab", "next part of the screen"),
    ("enter", "press the focused button"),
    ("ctrl+p", "all commands, and the themes"),
)


class HelpScreen(ModalScreen[None]):
    """Shows keys and marks; each of its own keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,enter,space", "dismiss", "Close")]
    DEFAULT_CSS: ClassVar[str] = """
    HelpScreen {
        align: center middle;
        & > Box { width: 64; }
    }
    """

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        """Show these keys: those that were active when help was opened."""
        super().__init__()
        self._keys = [
            (active.binding.key, active.binding.tooltip)
            for active in bindings
            if active.binding.tooltip and not active.binding.priority  # Textual's own, described below
        ]

    def compose(self) -> ComposeResult:
        with Box("Help", "esc: close"):
            yield Static(Content("\n").join(self._help()))

    def _help(self) -> Iterator[Content]:
        yield Content.styled("Keys", "bold")
        for key, meaning in (*self._keys, *_ALWAYS):
            yield Content.assemble((f"{key:<8}", "$text-primary"), meaning)
        yield Content("")
        yield Content.styled("Marks", "bold")
        for mark, meaning in _MARKS:
            yield Content.assemble((f"{mark:<8}", "$text-primary"), meaning)
