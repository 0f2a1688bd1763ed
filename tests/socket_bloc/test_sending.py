"""Sending through a bloc and a real relay: what is committed, what is rejected, and that nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server_stub import Server, serve
from socket_bloc import (
    ClientType,
    InvalidOrderStatusError,
    OrderRejected,
    OrderStatus,
    RejectionCode,
    SocketBloc,
    SocketConnectEvent,
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketDisconnectEvent,
    SocketDisconnectState,
    SocketReceiveDataState,
    SocketReconnectingState,
    StatusCode,
)
from tests.socket_bloc.conftest import MakeBloc, port_of, relay_settings
from tests.socket_bloc.waiting import StateRecorder, connected

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="The tap drips")
ACCEPTED = OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1", message="On my way")
CANCELLED = OrderStatus.of(StatusCode.CANCELLED, order_id="o-1")


async def test_a_status_is_sent_by_one_and_received_by_the_other(
    client: SocketBloc, serviceman: SocketBloc
) -> None:
    c, s = await connected(client), await connected(serviceman)
    client.send_order_status(PLACED)
    sent = await c.until(SocketDataSentState)
    received = await s.until(SocketReceiveDataState)
    assert sent.message == "The tap drips"
    assert (sent.seq, received.seq) == (1, 1)
    assert received.order_status == PLACED.model_copy(update={"sender_id": "c-17"}) == sent.order_status
    assert (received.message_id, received.at) == (sent.message_id, sent.at)
    assert c.of(SocketReceiveDataState) == []


async def test_submit_returns_the_committed_status(client: SocketBloc) -> None:
    await connected(client)
    sent = await client.submit(PLACED, message_id="m-1")
    assert (sent.message_id, sent.seq) == ("m-1", 1)


async def test_place_order_returns_the_id_of_the_new_order(
    client: SocketBloc, serviceman: SocketBloc
) -> None:
    s = await connected(serviceman)
    await connected(client)
    order_id = await client.place_order("s-4", "The tap drips")
    assert (await s.until(SocketReceiveDataState)).order_status.order_id == order_id


async def test_a_serviceman_may_not_place_an_order(serviceman: SocketBloc) -> None:
    with pytest.raises(InvalidOrderStatusError, match=r"^type: a serviceman may not place orders$"):
        await serviceman.place_order("c-17", "The tap drips")


async def test_a_rejected_status_is_a_state_and_raises_in_submit(client: SocketBloc) -> None:
    recorder = await connected(client)
    await client.submit(PLACED)
    await client.submit(CANCELLED)
    with pytest.raises(OrderRejected) as refusal:
        await client.submit(CANCELLED)
    state = recorder.of(SocketDataRejectedState)[0]
    assert refusal.value.code is state.code is RejectionCode.ILLEGAL_TRANSITION
    assert refusal.value.current_status == state.current_status == StatusCode.CANCELLED
    assert refusal.value.reason == state.reason
    assert state.order_status == CANCELLED


async def test_two_rejections_of_the_same_status_are_two_states(client: SocketBloc) -> None:
    recorder = await connected(client)
    for _ in range(2):
        client.send_order_status(CANCELLED)
    await recorder.until(SocketDataRejectedState, 2)


@pytest.mark.parametrize(
    ("status", "field"),
    [
        (ACCEPTED, "order_status_as_int"),
        (PLACED.model_copy(update={"receiver_id": None}), "receiver_id"),
        (PLACED.model_copy(update={"receiver_id": "c-17"}), "receiver_id"),
        (PLACED.model_copy(update={"sender_id": "c-18"}), "sender_id"),
        (PLACED.model_copy(update={"order_id": None}), "order_id"),
        (PLACED.model_copy(update={"order_status_as_int": 1002}), "order_status_as_int"),
        (PLACED.model_copy(update={"order_status_as_string": "STARTED"}), "order_status_as_string"),
    ],
)
async def test_a_status_that_may_not_be_sent_raises_at_once_and_is_not_sent(
    client: SocketBloc, status: OrderStatus, field: str
) -> None:
    recorder = await connected(client)
    with pytest.raises(InvalidOrderStatusError, match=field) as error:
        client.send_order_status(status)
    assert error.value.field == field
    with pytest.raises(InvalidOrderStatusError, match=field):
        await client.submit(status)
    assert (await client.submit(PLACED)).seq == 1, "nothing came before it"
    assert recorder.of(SocketDataRejectedState) == []


async def test_a_send_right_after_the_connect_event_waits_for_the_connection(client: SocketBloc) -> None:
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    client.send_order_status(PLACED)
    sent = await recorder.until(SocketDataSentState)
    kinds = [type(state) for state in recorder.states]
    assert kinds == [SocketDataQueuedState, SocketConnectState, SocketDataSentState]
    assert recorder.of(SocketDataQueuedState)[0].message_id == sent.message_id


async def test_what_is_sent_while_the_relay_is_down_is_committed_once_when_it_is_back(
    relay: Server, tmp_path: Path, client: SocketBloc
) -> None:
    recorder = await connected(client)
    port = port_of(relay)
    relay.abort()
    state = await recorder.until(SocketReconnectingState)
    assert state.attempt == 1
    client.send_order_status(PLACED)
    later = asyncio.create_task(client.submit(CANCELLED))
    await recorder.until(SocketDataQueuedState, 2)
    assert not client.is_connected
    async with serve(relay_settings(tmp_path, port=port)):
        assert (await later).seq == 2
        sent = [state.order_status.order_status_as_string for state in recorder.of(SocketDataSentState)]
        assert sent == ["PLACED", "CANCELLED"]
        assert recorder.of(SocketConnectState)[1].resumed
        await client.close()


async def test_a_disconnect_keeps_what_is_unsettled_for_the_next_connect(client: SocketBloc) -> None:
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    client.send_order_status(PLACED)
    client.add(SocketDisconnectEvent())
    await recorder.until(SocketDisconnectState)
    assert recorder.of(SocketDataSentState) == []
    client.add(SocketConnectEvent())
    assert (await recorder.until(SocketDataSentState)).order_status.order_status_as_string == "PLACED"


async def test_the_same_message_id_is_committed_once_however_often_it_is_submitted(
    client: SocketBloc,
) -> None:
    await connected(client)
    first, second = await asyncio.gather(*(client.submit(PLACED, message_id="m-1") for _ in range(2)))
    again = await client.submit(PLACED, message_id="m-1")
    assert first == second == again


async def test_another_status_under_a_used_message_id_is_rejected(client: SocketBloc) -> None:
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    pending = asyncio.create_task(client.submit(PLACED, message_id="m-1"))
    await recorder.until(SocketDataQueuedState)
    with pytest.raises(ValueError, match="message_id"):
        await client.submit(CANCELLED, message_id="m-1")
    await pending
    with pytest.raises(OrderRejected) as refusal:
        await client.submit(CANCELLED, message_id="m-1")
    assert refusal.value.code is RejectionCode.MESSAGE_ID_REUSED


async def test_cancelling_a_submit_withdraws_nothing(client: SocketBloc) -> None:
    recorder = await connected(client)
    submit = asyncio.create_task(client.submit(PLACED))
    await asyncio.sleep(0)
    submit.cancel()
    await recorder.until(SocketDataSentState)


async def test_all_connections_of_a_user_see_what_one_of_them_sends(make_bloc: MakeBloc) -> None:
    phone, tablet = (make_bloc("c-17", ClientType.CLIENT) for _ in range(2))
    await connected(phone)
    recorder = await connected(tablet)
    sent = await phone.submit(PLACED)
    assert await recorder.until(SocketDataSentState) == sent
