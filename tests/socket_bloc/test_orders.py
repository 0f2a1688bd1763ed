"""Orders folded from states, without a relay; and a cubit on a bloc that has one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server_stub import Server
from socket_bloc import (
    BlocClosedError,
    ClientType,
    InvalidOrderStatusError,
    MemoryOutbox,
    Orders,
    OrdersCubit,
    OrderStatus,
    RejectionCode,
    Send,
    SocketBloc,
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketReceiveDataState,
    SocketState,
    StatusCode,
)
from socket_bloc.orders import fold
from tests.socket_bloc.conftest import MakeBloc
from tests.socket_bloc.simulation import AT
from tests.socket_bloc.waiting import connected

PLACED = OrderStatus.of(
    StatusCode.PLACED, order_id="o-1", message="The tap drips", sender_id="c-17", receiver_id="s-4"
)
ACCEPTED = OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1", sender_id="s-4", receiver_id="c-17")
CANCELLED = OrderStatus.of(StatusCode.CANCELLED, order_id="o-1")


def sent(seq: int, status: OrderStatus) -> SocketDataSentState:
    return SocketDataSentState(status, f"m-{seq}", seq, AT + timedelta(seconds=seq))


def received(seq: int, status: OrderStatus) -> SocketReceiveDataState:
    return SocketReceiveDataState(status, f"m-{seq}", seq, AT + timedelta(seconds=seq))


def orders_after(*states: SocketState) -> Orders:
    orders = Orders()
    for state in states:
        orders = fold(orders, state, "c-17", ClientType.CLIENT)
    return orders


def test_an_order_has_its_statuses_with_their_times_its_parties_and_what_it_is_about() -> None:
    order = orders_after(sent(1, PLACED), received(2, ACCEPTED)).get("o-1")
    assert [entry.order_status for entry in order.entries] == [PLACED, ACCEPTED]
    assert [entry.at for entry in order.entries] == [AT + timedelta(seconds=n) for n in (1, 2)]
    assert (order.client_id, order.serviceman_id) == ("c-17", "s-4")
    assert order.current_status == StatusCode.ACCEPTED
    assert order.message == "The tap drips"


def test_the_parties_are_also_known_from_a_status_of_the_other_party() -> None:
    order = orders_after(received(2, ACCEPTED)).get("o-1")
    assert (order.client_id, order.serviceman_id) == ("c-17", "s-4")


def test_the_same_status_twice_is_one_entry() -> None:
    once = orders_after(sent(1, PLACED))
    assert fold(once, sent(1, PLACED), "c-17", ClientType.CLIENT) is once


def test_a_late_answer_with_an_old_number_is_inserted_before_the_newer_entries() -> None:
    order = orders_after(received(2, ACCEPTED), sent(1, PLACED)).get("o-1")
    assert [entry.seq for entry in order.entries] == [1, 2]


def test_what_is_queued_is_pending_until_it_is_committed() -> None:
    queued = SocketDataQueuedState(PLACED, "m-1")
    waiting = orders_after(queued).get("o-1")
    assert waiting.pending == {"m-1": PLACED}
    assert waiting.current_status is None
    assert waiting.message == "The tap drips"
    assert orders_after(queued, sent(1, PLACED)).get("o-1").pending == {}


def test_a_message_id_of_the_other_party_settles_nothing() -> None:
    queued = SocketDataQueuedState(CANCELLED, "m-2")
    order = orders_after(sent(1, PLACED), queued, received(2, ACCEPTED)).get("o-1")
    assert order.pending == {"m-2": CANCELLED}


def test_a_rejected_status_is_no_longer_pending_and_an_order_without_another_is_removed() -> None:
    refused = SocketDataRejectedState(PLACED, "m-1", RejectionCode.ORDER_EXISTS, "taken", None)
    orders = orders_after(SocketDataQueuedState(PLACED, "m-1"), refused)
    assert orders.by_id == {}
    unknown = SocketDataRejectedState(CANCELLED, "m-9", RejectionCode.UNKNOWN_ORDER, "none", None)
    assert fold(orders, unknown, "c-17", ClientType.CLIENT) is orders


def test_a_resumed_connection_keeps_the_orders() -> None:
    orders = orders_after(SocketConnectState(False, "e"), sent(1, PLACED))
    assert fold(orders, SocketConnectState(True, "e"), "c-17", ClientType.CLIENT) is orders


def test_if_the_replay_starts_again_only_what_is_pending_is_kept() -> None:
    before = [SocketConnectState(False, "e"), sent(1, PLACED), SocketDataQueuedState(CANCELLED, "m-2")]
    for connected_again in (SocketConnectState(False, "e"), SocketConnectState(True, "another")):
        order = orders_after(*before, connected_again).get("o-1")
        assert order.entries == ()
        assert order.pending == {"m-2": CANCELLED}


def test_the_orders_know_the_role_of_their_user() -> None:
    order = orders_after(sent(1, PLACED)).get("o-1")
    assert order.may_send(StatusCode.CANCELLED)
    assert not order.may_send(StatusCode.ACCEPTED)


async def test_a_cubit_follows_its_bloc_until_it_is_closed(
    relay: Server, client: SocketBloc, serviceman: SocketBloc
) -> None:
    async with OrdersCubit(client) as cubit:
        recorder = await connected(client)
        await connected(serviceman)
        order_id = await client.place_order("s-4", "The tap drips")
        await serviceman.submit(OrderStatus.of(StatusCode.ACCEPTED, order_id=order_id))
        await recorder.until(SocketReceiveDataState)
        assert cubit.state.get(order_id).current_status == StatusCode.ACCEPTED
        assert cubit.state.get(order_id).flow is client.flow
        assert cubit.state.get("another").role is ClientType.CLIENT
    await client.submit(OrderStatus.of(StatusCode.CANCELLED, order_id=order_id))
    assert cubit.state.get(order_id).current_status == StatusCode.ACCEPTED


async def test_a_status_that_the_user_may_not_send_raises_and_is_never_pending(make_bloc: MakeBloc) -> None:
    outbox = MemoryOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    async with OrdersCubit(client) as cubit:
        with pytest.raises(InvalidOrderStatusError, match="the serviceman") as caught:
            cubit.send(ACCEPTED.model_copy(update={"sender_id": None}))
        assert caught.value.field == "order_status_as_int"
        assert cubit.state.by_id == {}
    assert not [*outbox]


async def test_a_sent_status_is_in_the_outbox_and_pending_before_send_returns(make_bloc: MakeBloc) -> None:
    outbox = MemoryOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    async with OrdersCubit(client) as cubit:
        recorder = await connected(client)
        message_id = cubit.send(PLACED)
        assert [*outbox] == [Send(message_id, PLACED)]
        assert cubit.state.get("o-1").in_flight == {message_id}
        sent = await recorder.until(SocketDataSentState)
        assert sent.message_id == message_id
        assert cubit.state.get("o-1").pending == {}


async def test_a_status_sent_without_a_socket_does_not_stay_pending(client: SocketBloc) -> None:
    async with OrdersCubit(client) as cubit:
        cubit.send(PLACED)
        await client.wait_until_idle()
        assert cubit.state.by_id == {}


@pytest.mark.parametrize("closed", ["bloc", "cubit"])
async def test_nothing_is_sent_once_the_bloc_or_the_cubit_is_closed(make_bloc: MakeBloc, closed: str) -> None:
    outbox = MemoryOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    async with OrdersCubit(client) as cubit:
        await (client if closed == "bloc" else cubit).close()
        with pytest.raises(BlocClosedError):
            cubit.send(PLACED)
    assert not [*outbox]
