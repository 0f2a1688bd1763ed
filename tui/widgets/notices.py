"""Notifies the user, with a bell, when it becomes their turn in an order."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from textual.timer import Timer
from textual.widget import Widget

from socket_bloc import ClientType, Order, Orders, OrdersCubit
from tui.binding import BlocNode
from tui.widgets.labels import labels_of
from tui.widgets.text import one_line

__all__ = ["TurnNotices"]

QUIET: Final = 0.25
"""Seconds without a change before the user is notified: a replay of many orders is one notification."""


class TurnNotices(BlocNode, Widget):
    """Watches the orders; it is invisible."""

    DEFAULT_CSS: ClassVar[str] = "TurnNotices { display: none; }"
    _timer: Timer

    def __init__(self, orders: OrdersCubit, role: ClientType, *, is_seen: Callable[[Order], bool]) -> None:
        """`is_seen` returns whether an order is on the screen; then the bell is enough."""
        super().__init__()
        self._is_seen = is_seen
        self._orders = orders
        self._role = role
        self._compared = Orders()
        self._waiting: set[str] = set()
        self._new: set[str] = set()

    def on_mount(self) -> None:
        self._timer = self.set_interval(QUIET, self._notify, pause=True)
        self.build_from(self._orders, self._compare)

    def _compare(self, orders: Orders) -> None:
        changed = orders.changed_ids(self._compared)
        waiting = {order_id for order_id in changed if orders.get(order_id).is_turn_of(self._role)}
        self._new |= waiting - self._waiting
        self._waiting = self._waiting.difference(changed) | waiting
        self._compared = orders
        if self._new:
            self._timer.reset()
            self._timer.resume()

    def _notify(self) -> None:
        self._timer.pause()
        new = [self._orders.state.get(order_id) for order_id in self._new & self._waiting]
        self._new.clear()
        if new:
            self.app.bell()
        if new := [order for order in new if not self._is_seen(order)]:
            title = self._title(new[0]) if len(new) == 1 else f"{len(new)} orders wait for you"
            self.notify("\n".join(self._line(order) for order in new[:3]), title=title, markup=False)

    def _title(self, order: Order) -> str:
        step = order.awaited
        return f"Your turn: {labels_of(step).verb}" if step else "Your turn"

    def _line(self, order: Order) -> str:
        return f"{one_line(order.party(self._role.other) or '')}: {one_line(order.message)}"
