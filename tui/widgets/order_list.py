"""The list of orders: those in which it is this user's turn first, ended ones on request."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from textual.content import Content
from textual.message import Message

from socket_bloc import ClientType, Order
from tui.widgets.labels import done
from tui.widgets.open_orders import OpenOrders, rank
from tui.widgets.text import Clock, local_time, one_line
from tui.widgets.virtual_list import VirtualList

__all__ = ["OrderList"]


class OrderList(VirtualList[Order]):
    """Two lines for each order. Moving to an order selects it; an update of the list keeps the selection."""

    DEFAULT_CSS: ClassVar[str] = """
    OrderList {
        border-top: solid $primary-muted;
        border-title-color: $text-primary;
        background: transparent;
        &:focus { border-top: heavy $border; }
    }
    """

    class Chosen(Message):
        """Posted when the user moves to another order."""

        def __init__(self, order_id: str) -> None:
            super().__init__()
            self.order_id = order_id

    def __init__(self, role: ClientType, *, clock: Clock, id: str | None = None) -> None:
        super().__init__(draw=self._prompt, moved=self._post_chosen, id=id)
        self._role = role
        self._clock = clock

    def show(self, opened: OpenOrders, chosen: Order | None, history: Collection[Order] | None) -> None:
        """Show the open orders, or all of the `history`, with the cursor on the selected one.

        The selected one is always shown.
        """
        if history is not None:
            shown = sorted(history, key=lambda order: rank(order, self._role))
        else:
            shown = opened.ranked
            if chosen is not None and chosen.order_id not in opened:
                shown.append(chosen)  # it has ended
        ended = f" · h: {opened.ended if history is None else 'hide'} ended" if opened.ended else ""
        self.border_title = f"{opened.mine} of {len(opened.orders)} your turn{ended}"
        at = (index for index, order in enumerate(shown) if order is chosen)
        # Only a move by the user posts a message: an echo of this could undo a move made in the meantime.
        self.show_items(shown, next(at, None))

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

    def _post_chosen(self, order: Order) -> None:
        self.post_message(self.Chosen(order.order_id))
