"""The list of orders: those in which it is this user's turn first, ended ones on request."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from textual import on
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from socket_bloc import ClientType, Order
from tui.widgets.labels import done
from tui.widgets.open_orders import OpenOrders
from tui.widgets.text import Clock, local_time, one_line

__all__ = ["OrderList"]


class OrderList(OptionList):
    """Two lines for each order. Moving to an order selects it; an update of the list keeps the selection."""

    DEFAULT_CSS: ClassVar[str] = """
    OrderList {
        border: none;
        border-top: solid $primary-muted;
        border-title-color: $text-primary;
        background: transparent;
        padding: 0;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        &:focus { border: none; border-top: heavy $border; }
    }
    """

    class Chosen(Message):
        """Posted when the user moves to another order."""

        def __init__(self, order_id: str) -> None:
            super().__init__()
            self.order_id = order_id

    def __init__(self, role: ClientType, *, clock: Clock, id: str | None = None) -> None:
        super().__init__(id=id)
        self._role = role
        self._clock = clock

    def show(self, opened: OpenOrders, chosen: Order | None, history: Collection[Order] | None) -> None:
        """Show the open orders, or all of the `history`, with the cursor on the selected one.

        The selected one is always shown.
        """
        shown = [*(opened.orders if history is None else history)]
        if history is None and chosen is not None and chosen.order_id not in opened:
            shown.append(chosen)
        shown.sort(key=self._rank)
        self._set_titles(opened, with_history=history is not None)
        # Only a move by the user selects: an echo of this update could undo a move made in the meantime.
        with self.prevent(OptionList.OptionHighlighted):
            self._set_rows(shown)
            self.highlighted = None if chosen is None else shown.index(chosen)

    def _rank(self, order: Order) -> tuple[bool, bool, float]:
        """Your turn first, then what is open, then what has ended; each with the newest first."""
        newest = order.entries[-1].seq if order.entries and not order.pending else float("inf")
        is_mine = order.is_turn_of(self._role)
        return not is_mine, not order.is_open, -newest

    def _set_titles(self, opened: OpenOrders, *, with_history: bool) -> None:
        mine = sum(order.is_turn_of(self._role) for order in opened.orders)
        ended = f" · h: {'hide' if with_history else opened.ended} ended" if opened.ended else ""
        self.border_title = f"{mine} of {len(opened.orders)} your turn{ended}"

    def _set_rows(self, shown: Sequence[Order]) -> None:
        if [option.id for option in self.options] != [order.order_id for order in shown]:
            self.set_options(Option(self._prompt(order), id=order.order_id) for order in shown)
            return
        for index, (option, order) in enumerate(zip(self.options, shown, strict=True)):
            if option.prompt != (prompt := self._prompt(order)):
                self.replace_option_prompt_at_index(index, prompt)

    def _prompt(self, order: Order) -> Content:
        if order.is_turn_of(self._role):
            mark, style = "▶", "bold $text-success"
        elif order.is_open:
            mark, style = "◷", "$text-warning"
        else:
            mark, style = "■", "$text-muted"
        other = one_line(order.party(self._role.other) or "")
        what = "" if order.expected_status is None else done(order.flow, order.expected_status)
        if order.pending:
            when = "sent" if len(order.in_flight) == len(order.pending) else "queued"
        else:
            when = local_time(order.entries[-1].at, self._clock())
        return Content.assemble(
            (f"{mark} ", style),
            (one_line(order.message) or "(no message)", "bold"),
            (f"\n  {other} · {when} · {what}", "dim"),
        )

    @on(OptionList.OptionHighlighted)
    def _post_chosen(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        assert event.option.id is not None, "each row has the id of its order"
        self.post_message(self.Chosen(event.option.id))
