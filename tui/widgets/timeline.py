"""The selected order's timeline: what was committed and when, what is pending, what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from socket_bloc import ClientType, Order, OrderStatus
from tui.widgets.labels import done, labels_of
from tui.widgets.line import Line
from tui.widgets.text import Clock, local_time, one_line, short_id

__all__ = ["Timeline"]


class _Lines(Line):
    """Scrolls to the end after each layout: only then is its height known."""

    def on_resize(self) -> None:
        # Not by an anchor: Textual then puts a few lines at the bottom.
        assert isinstance(self.parent, VerticalScroll)
        self.parent.scroll_end(animate=False)


class Timeline(VerticalScroll):
    """Shows one order at a time, scrolled to its last status."""

    DEFAULT_CSS: ClassVar[str] = """
    Timeline {
        border-top: solid $primary-muted;
        border-title-color: $text-primary;
        padding: 0 1;
        &:focus { border-top: heavy $border; }
    }
    """

    def __init__(self, role: ClientType, *, clock: Clock, id: str | None = None) -> None:
        super().__init__(id=id)
        self._role = role
        self._clock = clock

    def compose(self) -> ComposeResult:
        yield _Lines()

    def on_resize(self) -> None:
        self.scroll_end(animate=False)

    def show(self, order: Order | None) -> None:
        """Show this order, or nothing."""
        # A title that is a plain string would be parsed as markup.
        title = f"{short_id(order.order_id)} · {one_line(order.message)}" if order else "Order"
        self.border_title = Content(title)
        self.query_one(_Lines).show(Content("\n").join(self._lines(order) if order else ()))

    def _lines(self, order: Order) -> Iterator[Content]:
        now = self._clock()
        for entry in order.entries:
            time = local_time(entry.at, now)
            yield self._line("✓", time, self._text(order, entry.order_status), "$text-success")
        for message_id, status in order.pending.items():
            is_sent = message_id in order.in_flight
            mark, word = ("→", "sent") if is_sent else ("◷", "queued")
            yield self._line(mark, f"{word:<8}", self._text(order, status), "$text-warning")
        step = order.awaited
        if step is not None:
            who = "you" if step.sent_by is self._role else order.party(step.sent_by)
            text = Content.styled(f"{one_line(who or '')}: {labels_of(step).verb}", "italic")
            yield self._line("·", "next    ", text, "$text-muted")

    def _text(self, order: Order, status: OrderStatus) -> Content:
        what = done(order.flow, status.order_status_as_int)
        sender = order.party(self._role.other)
        by = f" by {one_line(sender or '')}" if sender and status.sender_id == sender else ""
        message = one_line(status.message)
        return Content.assemble((what, "bold"), by, (f"  {message}" if message else "", "dim"))

    @staticmethod
    def _line(mark: str, time: str, text: Content, style: str) -> Content:
        return Content.assemble((f"{mark} {time}  ", style), text)
