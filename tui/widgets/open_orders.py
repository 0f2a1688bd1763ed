"""The orders that have not ended, kept up to date by what has changed: most orders of a long history have.

Also where each order stands in a list. How it looks there is in `order_list`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from socket_bloc import ClientType, Order, Orders

__all__ = ["OpenOrders", "Rank", "rank"]


class Rank(NamedTuple):
    """Sorts orders: your turn first, then what is open, then what has ended; each with the newest first."""

    is_others_turn: bool
    has_ended: bool
    age: float


def rank(order: Order, role: ClientType) -> Rank:
    """Return the rank of an order for the party in `role`."""
    newest = order.entries[-1].seq if order.entries and not order.pending else float("inf")
    return Rank(not order.is_turn_of(role), not order.is_open, -newest)


class OpenOrders:
    """The open ones among the orders that were shown to `follow` last."""

    def __init__(self, role: ClientType) -> None:
        """Rank the orders for the party in `role`."""
        self._role = role
        self._all = Orders()
        self._open: dict[str, Order] = {}
        self._ranks: dict[str, Rank] = {}

    def follow(self, orders: Orders) -> None:
        """Take newer orders. Only those that differ from the last ones are looked at."""
        for order_id in orders.changed_ids(self._all):
            order = orders.get(order_id)
            if order.is_open:
                self._open[order_id] = order
                self._ranks[order_id] = rank(order, self._role)
            elif self._open.pop(order_id, None):
                del self._ranks[order_id]
        self._all = orders

    @property
    def orders(self) -> Collection[Order]:
        """The open orders, about in the order in which they were opened."""
        return self._open.values()

    @property
    def ranked(self) -> list[Order]:
        """The open orders, in the order in which they are listed."""
        return [self._open[order_id] for order_id in sorted(self._open, key=self._ranks.__getitem__)]

    @property
    def mine(self) -> int:
        """How many of the open orders wait for this user."""
        return sum(not rank.is_others_turn for rank in self._ranks.values())

    @property
    def ended(self) -> int:
        """How many of all orders have ended."""
        return len(self._all.by_id) - len(self._open)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._open

    @property
    def first(self) -> str | None:
        """The id of one that waits for this user, or else of any."""
        waiting = (order_id for order_id, rank in self._ranks.items() if not rank.is_others_turn)
        return next(waiting, next(iter(self._open), None))
