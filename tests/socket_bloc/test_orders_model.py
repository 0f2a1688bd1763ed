"""Orders folded from any states, compared to a plain dict; earlier orders do not change."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from socket_bloc import (
    ClientType,
    Order,
    Orders,
    OrdersCubit,
    OrderStatus,
    RejectionCode,
    SocketBloc,
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketDisconnectState,
    SocketNullState,
    SocketReceiveDataState,
    SocketSendDataEvent,
    SocketState,
    StatusCode,
)
from socket_bloc.orders import fold

AT = datetime(2026, 11, 22, 10, 1, 12, tzinfo=UTC)


def status_of(order_id: str, sender_id: str | None) -> OrderStatus:
    receiver_id = "s-4" if sender_id == "c-17" else "c-17"
    return OrderStatus.of(
        StatusCode.PLACED, order_id=order_id, sender_id=sender_id, receiver_id=receiver_id, message="tap"
    )


IDS = st.sampled_from(["o-1", "o-2", "o-3", "o-4"])
MESSAGE_IDS = st.sampled_from(["m-1", "m-2", "m-3"])
OWN = st.builds(status_of, IDS, st.just("c-17"))
OTHERS = st.builds(status_of, IDS, st.just("s-4"))
SEQS = st.integers(1, 12)
STATES: st.SearchStrategy[SocketState] = st.one_of(
    st.builds(SocketDataSentState, OWN, MESSAGE_IDS, SEQS, st.just(AT)),
    st.builds(SocketReceiveDataState, OTHERS, MESSAGE_IDS, SEQS, st.just(AT)),
    st.builds(SocketDataQueuedState, OWN, MESSAGE_IDS),
    st.builds(
        SocketDataRejectedState, OWN, MESSAGE_IDS, st.just(RejectionCode.ORDER_EXISTS), st.just(""), st.none()
    ),
    st.builds(SocketNullState, st.builds(SocketSendDataEvent, OWN, MESSAGE_IDS)),
    st.builds(SocketConnectState, st.booleans(), st.sampled_from(["e-1", "e-2"])),
    st.just(SocketDisconnectState()),
)


@dataclass
class ModelOrder:
    """What must be known of one order: the numbers of its statuses, and what is pending."""

    seqs: list[int] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)


class Model:
    """The orders as a plain dict that changes in place."""

    def __init__(self) -> None:
        self.orders: dict[str, ModelOrder] = {}
        self.epoch: str | None = None

    def apply(self, state: SocketState) -> None:
        match state:
            case SocketConnectState(resumed, epoch) if not (resumed and epoch == self.epoch):
                self.epoch = epoch
                for order in self.orders.values():
                    order.seqs.clear()
            case SocketDataSentState(status, message_id, seq) | SocketReceiveDataState(
                status, message_id, seq
            ):
                order = self.orders.setdefault(status.order_id or "", ModelOrder())
                if seq not in order.seqs:
                    order.seqs = sorted([*order.seqs, seq])
                    if isinstance(state, SocketDataSentState) and message_id in order.pending:
                        order.pending.remove(message_id)
            case SocketDataQueuedState(status, message_id):
                order = self.orders.setdefault(status.order_id or "", ModelOrder())
                if message_id not in order.pending:
                    order.pending.append(message_id)
            case SocketDataRejectedState(status, str(message_id)) | SocketNullState(
                SocketSendDataEvent(status, str(message_id))
            ):
                order = self.orders.get(status.order_id or "")
                if order and message_id in order.pending:
                    order.pending.remove(message_id)
            case _:
                pass
        self.orders = {id: order for id, order in self.orders.items() if order.seqs or order.pending}


def as_model(order: Order) -> ModelOrder:
    return ModelOrder([entry.seq for entry in order.entries], [*order.pending])


@given(st.lists(STATES, max_size=40))
def test_any_states_are_folded_as_into_a_plain_dict(states: list[SocketState]) -> None:
    model, orders = Model(), Orders()
    kept: list[tuple[Orders, dict[str, Order]]] = []
    for state in states:
        folded = fold(orders, state, "c-17", ClientType.CLIENT)
        model.apply(state)
        assert [(id, as_model(order)) for id, order in folded.by_id.items()] == [*model.orders.items()]
        changed = {
            id for id in {*orders.by_id, *folded.by_id} if folded.by_id.get(id) is not orders.by_id.get(id)
        }
        assert changed <= {*folded.changed_ids(orders)}
        orders = folded
        kept.append((orders, dict(orders.by_id)))
    for earlier, at_that_time in kept:
        assert [*earlier.by_id.items()] == [*at_that_time.items()]


async def test_each_status_is_one_emission_of_orders_that_can_be_kept(client: SocketBloc) -> None:
    async with OrdersCubit(client) as cubit:
        kept: list[Orders] = []
        cubit.stream.subscribe(kept.append)
        for number in range(300):
            status = status_of(f"o-{number}", "c-17")
            client.emit(SocketDataSentState(status, f"m-{number}", number + 1, AT))
        assert [len(orders.by_id) for orders in kept] == [*range(1, 301)]
        assert all(later.changed_ids(earlier) for earlier, later in itertools.pairwise(kept))
        client.emit(SocketDisconnectState())
        client.emit(SocketDataSentState(status, "m-299", 300, AT))
        assert len(kept) == 300


def test_an_order_of_which_nothing_is_known_is_not_kept() -> None:
    assert Orders().with_order(Order("o-1")).by_id == {}
