"""The dialogs that are shown before a status is sent. None means the user cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

__all__ = ["ConfirmScreen", "Field", "FormScreen"]

Answer = TypeVar("Answer")


class _Dialog(ModalScreen[Answer]):
    """A box in the middle of the screen; Escape cancels it."""

    DEFAULT_CSS: ClassVar[str] = """
    _Dialog {
        align: center middle;
        & > Vertical {
            width: 60;
            max-width: 96%;
            height: auto;
            max-height: 96%;
            padding: 0 2 1 2;
            border: round $primary;
            border-title-color: $text-primary;
            background: $surface;
        }
        Label { width: 1fr; height: auto; margin-top: 1; }
        .problem { color: $text-error; }
        Horizontal { height: auto; margin-top: 1; align-horizontal: right; }
        Button { margin-left: 2; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]


class ConfirmScreen(_Dialog[bool | None]):
    """Asks for confirmation of something that cannot be undone; the focus is on the safe answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "dismiss(False)", "No"),
        Binding("y", "dismiss(True)", "Yes"),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, *, yes: str, no: str) -> None:
        """The texts are plain text, not markup."""
        super().__init__()
        self._question = question
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self._question))
            with Horizontal():
                yield Button(Content(f"[n] {self._no}"), id="no")
                yield Button(Content(f"[y] {self._yes}"), id="yes", variant="error")

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


@dataclass(frozen=True, slots=True)
class Field:
    """An input field of a form."""

    label: str
    value: str = ""
    max_length: int = 4096


class FormScreen(_Dialog[tuple[str, ...] | None]):
    """A form with a few input fields; Enter in the last one, or the button, submits them.

    `check` is given the values, and returns what is wrong with them, or None.
    """

    # With priority, so that keys typed right after Enter go into the next field.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "next_field", show=False, priority=True)]

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        *,
        go: str,
        check: Callable[[tuple[str, ...]], str | None] = lambda values: None,
    ) -> None:
        super().__init__()
        self._title = title
        self._fields = fields
        self._go = go
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            for field in self._fields:
                yield Label(field.label)
                yield Input(field.value, max_length=field.max_length)
            yield Label(classes="problem")
            with Horizontal():
                yield Button("Cancel", id="cancel")
                yield Button(self._go, id="go", variant="primary")

    def on_mount(self) -> None:
        # Start in the first empty field.
        inputs = list(self.query(Input))
        next((line for line in inputs if not line.value), inputs[-1]).focus()

    def action_next_field(self) -> None:
        """Move on to the next field; in the last one, and on a button, Enter does what it does there."""
        if self.focused not in list(self.query(Input))[:-1]:
            raise SkipAction
        self.focus_next()

    @on(Input.Submitted)
    @on(Button.Pressed, "#go")
    def _finish(self) -> None:
        values = tuple(line.value.strip() for line in self.query(Input))
        problem = self._check(values)
        if problem is None:
            self.dismiss(values)
        else:
            self.query_one(".problem", Label).update(Content(problem))

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)
