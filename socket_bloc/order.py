"""One order as its user knows it: its committed and pending statuses, and whose turn it is.

All orders of a user are in `orders`; the rules are in `order_flow`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from socket_bloc.order_flow import ORDER_FLOW, OrderFlow, Step
from socket_bloc.order_status import ClientType, OrderStatus

__all__ = ["Order", "OrderEntry"]


@dataclass(frozen=True, order=True, slots=True)
class OrderEntry:
    """One committed status of an order: entry `seq` of the user's feed, committed `at` (UTC)."""

    seq: int
    at: datetime = field(compare=False)
    message_id: str = field(compare=False)
    order_status: OrderStatus = field(compare=False)

    def __post_init__(self) -> None:
        self.order_status.share_fields_set()


_NOTHING_PENDING: Final[Mapping[str, OrderStatus]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Order:
    """One order as its user knows it.

    `entries` are its committed statuses, in the order of the feed; `pending` are this user's statuses
    without an outcome yet, by message id, in the order in which they were sent. Those `in_flight` are on
    their way to the relay, the others wait in the outbox. What is pending counts as committed: whose turn it
    is, and what may be sent, follows from `expected_status`.
    """

    order_id: str
    client_id: str | None = None
    serviceman_id: str | None = None
    entries: tuple[OrderEntry, ...] = ()
    pending: Mapping[str, OrderStatus] = field(default_factory=lambda: _NOTHING_PENDING)
    in_flight: frozenset[str] = frozenset()
    role: ClientType | None = None
    """The role of its user; None if it is unknown."""
    flow: OrderFlow = field(default=ORDER_FLOW, repr=False, compare=False)
    """The rules of the order."""

    @property
    def current_status(self) -> int | None:
        """The last committed status; None if none is committed yet."""
        return self.entries[-1].order_status.order_status_as_int if self.entries else None

    @property
    def expected_status(self) -> int | None:
        """Its status once what is pending is committed; the next status must be allowed after this one."""
        *_, last = [None, *self.pending.values()]
        return self.current_status if last is None else last.order_status_as_int

    @property
    def is_open(self) -> bool:
        """Whether the order has started and not ended."""
        return self.expected_status is not None and self.flow.is_open(self.expected_status)

    @property
    def awaited(self) -> Step | None:
        """The step that the order waits for; None if it has ended, or has not started."""
        return None if self.expected_status is None else self.flow.awaited(self.expected_status)

    def is_turn_of(self, role: ClientType) -> bool:
        """Return whether the order waits for the party in `role`."""
        return self.awaited is not None and self.awaited.sent_by is role

    def may_send(self, status: int) -> bool:
        """Return whether this user may send `status` now; if the `role` is unknown, whether anybody may."""
        return any(
            step.status == status and self.role in (None, step.sent_by)
            for step in self.flow.following(self.expected_status)
        )

    def party(self, role: ClientType) -> str | None:
        """Return the id of the party in `role`."""
        return self.client_id if role is ClientType.CLIENT else self.serviceman_id

    def with_entry(self, entry: OrderEntry) -> Order:
        """Return this order with one more committed status, or itself if it has that status already."""
        if self.entries and entry <= self.entries[-1]:
            # A late answer to a retry: it repeats the old number of its status.
            return (
                self
                if entry in self.entries
                else replace(self, entries=tuple(sorted((*self.entries, entry))))
            )
        return replace(self, entries=(*self.entries, entry))

    def with_pending(self, message_id: str, order_status: OrderStatus, *, in_flight: bool) -> Order:
        """Return this order with a status that its user has sent or queued."""
        pending = MappingProxyType({**self.pending, message_id: order_status})
        others = self.in_flight - {message_id}
        return replace(self, pending=pending, in_flight=others | {message_id} if in_flight else others)

    def without_pending(self, message_id: str) -> Order:
        """Return this order without a pending status whose outcome is known."""
        if message_id not in self.pending:
            return self
        pending = {id: status for id, status in self.pending.items() if id != message_id}
        in_flight = self.in_flight - {message_id}
        return replace(self, pending=MappingProxyType(pending), in_flight=in_flight)

    @property
    def message(self) -> str:
        """The message of its first status: what the order is about."""
        statuses = [entry.order_status for entry in self.entries] or list(self.pending.values())
        return statuses[0].message if statuses else ""
