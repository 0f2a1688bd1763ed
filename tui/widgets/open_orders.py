"""The orders that have not ended, kept up to date by what has changed: most orders of a long history have."""

from __future__ import annotations

from collections.abc import Collection

from socket_bloc import ClientType, Order, Orders

__all__ = ["OpenOrders"]


class OpenOrders:
    """The open ones among the orders that were shown to `follow` last."""

    def __init__(self) -> None:
        self._all = Orders()
        self._open: dict[str, Order] = {}

    def follow(self, orders: Orders) -> None:
        """Take newer orders. Only those that differ from the last ones are looked at."""
        for order_id in orders.changed_ids(self._all):
            order = orders.get(order_id)
            if order.is_open:
                self._open[order_id] = order
            else:
                self._open.pop(order_id, None)
        self._all = orders

    @property
    def orders(self) -> Collection[Order]:
        """The open orders, about in the order in which they were opened."""
        return self._open.values()

    @property
    def ended(self) -> int:
        """How many of all orders have ended."""
        return len(self._all.by_id) - len(self._open)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._open

    def first_for(self, role: ClientType) -> str | None:
        """The id of one that waits for the party in `role`, or else of any."""
        waiting = (order.order_id for order in self._open.values() if order.is_turn_of(role))
        return next(waiting, next(iter(self._open), None))
