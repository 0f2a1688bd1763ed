"""Orders, folded from the states of a `SocketBloc`: what each has come to, when, and what still waits."""

from __future__ import annotations

from bisect import insort
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from socket_bloc.bloc import Cubit
from socket_bloc.order_status import ClientType, OrderStatus
from socket_bloc.socket_bloc import SocketBloc
from socket_bloc.states import (
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketReceiveDataState,
    SocketState,
)

__all__ = ["Order", "OrderEntry", "Orders", "OrdersCubit", "fold"]


@dataclass(frozen=True, order=True)
class OrderEntry:
    """One committed status of an order: entry `seq` of the user's feed, committed `at` (UTC)."""

    seq: int
    at: datetime = field(compare=False)
    message_id: str = field(compare=False)
    order_status: OrderStatus = field(compare=False)


@dataclass(frozen=True)
class Order:
    """One order as its user knows it.

    `entries` are its committed statuses, in the order of the feed; `pending` are this user's statuses
    that wait in the outbox, by message id, in the order in which they were sent.
    """

    order_id: str
    client_id: str | None = None
    serviceman_id: str | None = None
    entries: tuple[OrderEntry, ...] = ()
    pending: Mapping[str, OrderStatus] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def current_status(self) -> int | None:
        """The last committed status; None while not even the first is committed."""
        return self.entries[-1].order_status.order_status_as_int if self.entries else None

    @property
    def message(self) -> str:
        """What the order is about: the text with which it was placed."""
        statuses = [entry.order_status for entry in self.entries] or list(self.pending.values())
        return statuses[0].message if statuses else ""


@dataclass(frozen=True, eq=False)
class Orders:
    """All orders that this user has a part in, by their id, oldest first; `epoch` names the relay's database.

    Compared by identity: each status makes new ones.
    """

    by_id: Mapping[str, Order] = field(default_factory=lambda: MappingProxyType({}))
    epoch: str | None = None

    def get(self, order_id: str) -> Order:
        """An order, or an empty one where none of this id is known."""
        return self.by_id.get(order_id) or Order(order_id)

    def with_order(self, order: Order) -> Orders:
        """These orders with one added, replaced, or, where nothing is left of it, removed."""
        by_id = {**self.by_id, order.order_id: order}
        if not order.entries and not order.pending:
            del by_id[order.order_id]
        return Orders(MappingProxyType(by_id), self.epoch)


def fold(orders: Orders, state: SocketState, user_id: str, role: ClientType) -> Orders:
    """The orders of the user after one more state; the same object where it says nothing of an order."""
    match state:
        case SocketConnectState(resumed, epoch):
            if resumed and epoch == orders.epoch:
                return orders
            # The replay starts anew. What waits in the outbox still waits.
            waiting = {id: replace(order, entries=()) for id, order in orders.by_id.items() if order.pending}
            return Orders(MappingProxyType(waiting), epoch)
        case SocketDataSentState() | SocketReceiveDataState():
            order = _with_parties(orders, state.order_status, user_id, role)
            if any(entry.seq == state.seq for entry in order.entries):
                return orders
            entries = list(order.entries)
            insort(entries, OrderEntry(state.seq, state.at, state.message_id, state.order_status))
            is_own = isinstance(state, SocketDataSentState)
            pending = _without(order.pending, state.message_id) if is_own else order.pending
            return orders.with_order(replace(order, entries=tuple(entries), pending=pending))
        case SocketDataQueuedState(order_status, message_id):
            order = _with_parties(orders, order_status, user_id, role)
            pending = MappingProxyType({**order.pending, message_id: order_status})
            return orders.with_order(replace(order, pending=pending))
        case SocketDataRejectedState(order_status, message_id):
            order = orders.get(order_status.order_id or "")
            if message_id not in order.pending:
                return orders
            return orders.with_order(replace(order, pending=_without(order.pending, message_id)))
        case _:
            return orders


def _with_parties(orders: Orders, status: OrderStatus, user_id: str, role: ClientType) -> Order:
    """The order of a status, with whatever the status says of its two parties."""
    order = orders.get(status.order_id or "")
    is_own = status.sender_id in (None, user_id)
    other_id = status.receiver_id if is_own else status.sender_id
    client_id, serviceman_id = (user_id, other_id) if role is ClientType.CLIENT else (other_id, user_id)
    return replace(
        order,
        client_id=order.client_id or client_id,
        serviceman_id=order.serviceman_id or serviceman_id,
    )


def _without(pending: Mapping[str, OrderStatus], message_id: str) -> Mapping[str, OrderStatus]:
    return MappingProxyType({id: status for id, status in pending.items() if id != message_id})


class OrdersCubit(Cubit[Orders]):
    """Keeps the orders of a bloc's user. Make it before the bloc connects: it knows what it has heard."""

    def __init__(self, bloc: SocketBloc) -> None:
        super().__init__(Orders())
        self._bloc = bloc
        self._subscription = bloc.stream.subscribe(self._on_state)

    def _on_state(self, state: SocketState) -> None:
        orders = fold(self.state, state, self._bloc.user_id, self._bloc.type)
        if orders is not self.state:
            self.emit(orders)

    def close(self) -> Awaitable[None]:
        """Let go of the bloc, which goes on."""
        self._subscription.dispose()
        return super().close()
