"""The actions on the selected order: those allowed now, and the others dimmed, with the reason."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button

from socket_bloc import ClientType, Order, OrderFlow, Step
from tui.widgets.labels import labels_of
from tui.widgets.line import Line
from tui.widgets.turn import why_not

__all__ = ["ActionBar"]


class _Action(Horizontal):
    """One step: a button, and beside it what it does, or why it is not allowed now.

    The button is never disabled: disabling the focused one would lose the focus, and pressing a button at the
    wrong time should show the reason.
    """

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def compose(self) -> ComposeResult:
        yield Button(compact=True)
        yield Line()

    def show(self, order: Order | None) -> None:
        allowed = order is not None and order.may_send(self.step.status)
        labels = labels_of(self.step)
        self.set_class(not allowed, "-blocked")
        key = labels.key or " "
        label = f"[{key}] {labels.button}" if allowed else f" {key}  {labels.button}"
        text = labels.verb if allowed else why_not(self.step, order)
        button = self.query_one(Button)
        if button.label != (shown := Content(f"{label:<14}")):
            button.label = shown
        self.query_one(Line).show(Content(text))


class ActionBar(Vertical):
    """A row for each status that this role sends, except the one that starts an order."""

    DEFAULT_CSS: ClassVar[str] = """
    ActionBar {
        height: auto;
        border-top: solid $primary-muted;
        _Action {
            height: 1;
            Button, Button.-style-default {
                width: 16;
                min-width: 16;
                color: $text-success;
                background: $success-muted;
                &:focus { text-style: bold reverse; }
            }
            Line { width: 1fr; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
            &.-blocked {
                color: $text-muted;
                Button { background: $surface; color: $text-muted; text-style: dim; }
                Button:focus { text-style: reverse dim; }
            }
        }
    }
    """

    class Pressed(Message):
        """Posted when the user presses the button of a step."""

        def __init__(self, step: Step) -> None:
            super().__init__()
            self.step = step

    def __init__(self, role: ClientType, flow: OrderFlow, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._role = role
        self._flow = flow

    def compose(self) -> ComposeResult:
        for step in self._flow.steps:
            if step.sent_by is self._role and not step.begins_order:
                yield _Action(step)

    def show(self, order: Order | None) -> None:
        """Show which actions this order allows."""
        for action in self.query(_Action):
            action.show(order)

    @on(Button.Pressed)
    def _post_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        row = event.button.parent
        assert isinstance(row, _Action), "the only buttons here"
        self.post_message(self.Pressed(row.step))
