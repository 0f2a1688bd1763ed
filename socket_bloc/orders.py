"""All orders of a user, folded from the states of a `SocketBloc`.

What can be asked of one of them is in `order`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace

from socket_bloc.bloc import BlocClosedError, Cubit
from socket_bloc.events import SocketSendDataEvent
from socket_bloc.ids import new_id
from socket_bloc.order import Order, OrderEntry
from socket_bloc.order_flow import ORDER_FLOW, OrderFlow
from socket_bloc.order_map import OrderMap
from socket_bloc.order_status import ClientType, OrderStatus
from socket_bloc.socket_bloc import SocketBloc
from socket_bloc.states import (
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketNullState,
    SocketReceiveDataState,
    SocketState,
)

__all__ = ["Orders", "OrdersCubit", "fold"]


@dataclass(frozen=True, eq=False)
class Orders:
    """All orders that this user is a party to, by their id, oldest first; `epoch` names the relay's database.

    Compared by identity: each status makes a new object.
    """

    by_id: Mapping[str, Order] = field(default_factory=OrderMap)
    epoch: str | None = None
    role: ClientType | None = None
    flow: OrderFlow = ORDER_FLOW

    def get(self, order_id: str) -> Order:
        """Return an order, or an empty one if none of this id is known."""
        return self.by_id.get(order_id) or Order(order_id, role=self.role, flow=self.flow)

    def with_order(self, order: Order) -> Orders:
        """Return these orders with one added or replaced; or removed, if nothing is left of it."""
        by_id = OrderMap.of(self.by_id)
        if order.entries or order.pending:
            by_id = by_id.with_order(order)
        elif order.order_id in by_id:
            by_id = by_id.without_order(order.order_id)
        return Orders(by_id, self.epoch, self.role, self.flow)

    def changed_ids(self, earlier: Orders) -> tuple[str, ...]:
        """Return the ids of the orders that differ from those in `earlier`, also of added and removed ones.

        It costs little for orders that follow each other closely, however many there are. After a replay
        from the beginning, orders that have not changed may be among them.
        """
        return OrderMap.of(self.by_id).changed_ids(OrderMap.of(earlier.by_id))


def fold(orders: Orders, state: SocketState, user_id: str, role: ClientType) -> Orders:
    """Return the orders after one more state; the same object if the state does not change them."""
    match state:
        case SocketConnectState(resumed, epoch):
            if resumed and epoch == orders.epoch:
                return orders
            # The replay starts again from the beginning. What is in the outbox stays pending.
            pending = OrderMap(replace(order, entries=()) for order in orders.by_id.values() if order.pending)
            return replace(orders, by_id=pending, epoch=epoch)
        case SocketDataSentState() | SocketReceiveDataState():
            order = _with_parties(orders, state.order_status, user_id, role)
            entry = OrderEntry(state.seq, state.at, state.message_id, state.order_status)
            committed = order.with_entry(entry)
            if committed is order:
                return orders
            if isinstance(state, SocketDataSentState):
                committed = committed.without_pending(state.message_id)
            return orders.with_order(committed)
        case SocketDataQueuedState(order_status, message_id):
            order = _with_parties(orders, order_status, user_id, role)
            return orders.with_order(order.with_pending(message_id, order_status, in_flight=False))
        case SocketDataRejectedState(order_status, message_id):
            return _dropped(orders, order_status, message_id)
        case SocketNullState(SocketSendDataEvent(order_status, str(message_id))):
            return _dropped(orders, order_status, message_id)
        case _:
            return orders


def _dropped(orders: Orders, order_status: OrderStatus, message_id: str) -> Orders:
    order = orders.get(order_status.order_id or "")
    return orders.with_order(order.without_pending(message_id)) if message_id in order.pending else orders


def _with_parties(orders: Orders, status: OrderStatus, user_id: str, role: ClientType) -> Order:
    """Return the order of a status, with its parties as far as the status names them."""
    order = orders.get(status.order_id or "")
    if order.client_id and order.serviceman_id:
        return order
    is_own = status.sender_id in (None, user_id)
    other_id = status.receiver_id if is_own else status.sender_id
    client_id, serviceman_id = (user_id, other_id) if role is ClientType.CLIENT else (other_id, user_id)
    return replace(
        order,
        client_id=order.client_id or client_id,
        serviceman_id=order.serviceman_id or serviceman_id,
        role=role,
    )


class OrdersCubit(Cubit[Orders]):
    """Keeps the orders of a bloc's user.

    Create it before the bloc connects; it only sees states emitted after that.
    """

    def __init__(self, bloc: SocketBloc) -> None:
        super().__init__(Orders(role=bloc.type, flow=bloc.flow))
        self._bloc = bloc
        self._subscription = bloc.stream.subscribe(self._on_state)

    def send(self, order_status: OrderStatus) -> str:
        """Send a status through the bloc, and return its message id; it is pending until its outcome.

        Raises what `SocketBloc.send_order_status` raises; then nothing is sent or pending.
        """
        if self.is_closed:
            raise BlocClosedError("this OrdersCubit is closed; send the status through its bloc")
        message_id = new_id()
        self._bloc.send_order_status(order_status, message_id=message_id)
        order = _with_parties(self.state, order_status, self._bloc.user_id, self._bloc.type)
        self.emit(self.state.with_order(order.with_pending(message_id, order_status, in_flight=True)))
        return message_id

    def _on_state(self, state: SocketState) -> None:
        orders = fold(self.state, state, self._bloc.user_id, self._bloc.type)
        if orders is not self.state:
            self.emit(orders)

    def close(self) -> Awaitable[None]:
        """Stop following the bloc, which stays open."""
        self._subscription.dispose()
        return super().close()
