"""The bloc against a real relay: what it says, what it raises, and what it loses (nothing)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from server_stub import Server, serve
from socket_bloc import (
    BlocClosedError,
    ClientType,
    InvalidOrderStatusError,
    NoSocketError,
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
    SocketNullState,
    SocketReceiveDataState,
    SocketReconnectingState,
    SocketSendDataEvent,
    SocketState,
    StatusCode,
)
from tests.socket_bloc.conftest import MakeBloc, port_of, relay_settings
from tests.socket_bloc.waiting import Told, connected

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="The tap drips")
ACCEPTED = OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1", message="On my way")
CANCELLED = OrderStatus.of(StatusCode.CANCELLED, order_id="o-1")


async def test_it_begins_disconnected_and_is_connected_by_the_welcome(client: SocketBloc) -> None:
    assert client.state == SocketDisconnectState()
    assert not client.is_connected
    told = await connected(client)
    assert isinstance(told.states[0], SocketConnectState)
    assert not told.states[0].resumed
    assert client.is_connected


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


async def test_receive_order_status_is_called_after_the_state_of_the_others_status_alone(
    make_bloc: MakeBloc, client: SocketBloc
) -> None:
    calls: list[tuple[OrderStatus, SocketState]] = []

    class Serviceman(SocketBloc):
        def receive_order_status(self, order_status: OrderStatus) -> None:
            calls.append((order_status, self.state))

    bloc = make_bloc("s-4", ClientType.SERVICEMAN, Serviceman)
    await connected(bloc)
    await connected(client)
    await client.submit(PLACED)
    await bloc.submit(ACCEPTED)
    ((status, state),) = calls
    assert status.order_status_as_string == "PLACED"
    assert isinstance(state, SocketReceiveDataState)


async def test_submit_gives_the_committed_status(client: SocketBloc) -> None:
    await connected(client)
    sent = await client.submit(PLACED, message_id="m-1")
    assert (sent.message_id, sent.seq) == ("m-1", 1)


async def test_place_order_gives_the_new_orders_id(client: SocketBloc, serviceman: SocketBloc) -> None:
    s = await connected(serviceman)
    await connected(client)
    order_id = await client.place_order("s-4", "The tap drips")
    assert (await s.until(SocketReceiveDataState)).order_status.order_id == order_id


async def test_a_refused_status_is_a_state_and_raises_in_submit(client: SocketBloc) -> None:
    told = await connected(client)
    await client.submit(PLACED)
    await client.submit(CANCELLED)
    with pytest.raises(OrderRejected) as refusal:
        await client.submit(CANCELLED)
    state = told.of(SocketDataRejectedState)[0]
    assert refusal.value.code is state.code is RejectionCode.ILLEGAL_TRANSITION
    assert refusal.value.current_status == state.current_status == StatusCode.CANCELLED
    assert refusal.value.reason == state.reason
    assert state.order_status == CANCELLED


async def test_two_refusals_of_the_same_status_are_two_states(client: SocketBloc) -> None:
    told = await connected(client)
    for _ in range(2):
        client.send_order_status(CANCELLED)
    await told.until(SocketDataRejectedState, 2)


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
async def test_a_status_that_may_not_be_sent_raises_at_the_call_and_is_not_sent(
    client: SocketBloc, status: OrderStatus, field: str
) -> None:
    told = await connected(client)
    with pytest.raises(InvalidOrderStatusError, match=field) as error:
        client.send_order_status(status)
    assert error.value.field == field
    with pytest.raises(InvalidOrderStatusError, match=field):
        await client.submit(status)
    assert (await client.submit(PLACED)).seq == 1, "nothing came before it"
    assert told.of(SocketDataRejectedState) == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": "x" * 129}, "user_id"),
        ({"user_id": "c\n17"}, "user_id"),
        ({"type": "boss"}, "type"),
        ({"uri": "http://127.0.0.1/order"}, "uri"),
        ({"uri": "127.0.0.1:8765"}, "uri"),
        ({"uri": "ws://127.0.0.1/order?token=x"}, "uri"),
    ],
)
def test_a_bad_argument_raises_and_is_named(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        SocketBloc(**{"user_id": "c-17", "type": ClientType.CLIENT, **arguments})


async def test_without_a_socket_each_event_is_answered_with_a_null_state_and_nothing_is_queued(
    client: SocketBloc,
) -> None:
    told = Told(client)
    client.send_order_status(PLACED)
    client.send_order_status(PLACED)
    client.add(SocketDisconnectEvent())
    await told.until(SocketNullState, 3)
    events = [state.event for state in told.of(SocketNullState)]
    assert [type(event) for event in events] == [
        SocketSendDataEvent,
        SocketSendDataEvent,
        SocketDisconnectEvent,
    ]
    with pytest.raises(NoSocketError):
        await client.submit(PLACED)
    client.add(SocketConnectEvent())
    assert (await client.submit(PLACED, message_id="m-1")).seq == 1, "nothing came before it"


async def test_a_send_right_after_the_connect_event_waits_for_the_connection(client: SocketBloc) -> None:
    told = Told(client)
    client.add(SocketConnectEvent())
    client.send_order_status(PLACED)
    sent = await told.until(SocketDataSentState)
    kinds = [type(state) for state in told.states]
    assert kinds == [SocketDataQueuedState, SocketConnectState, SocketDataSentState]
    assert told.of(SocketDataQueuedState)[0].message_id == sent.message_id


async def test_what_is_sent_while_the_relay_is_away_is_committed_once_when_it_is_back(
    relay: Server, tmp_path: Path, client: SocketBloc
) -> None:
    told = await connected(client)
    port = port_of(relay)
    relay.abort()
    state = await told.until(SocketReconnectingState)
    assert state.attempt == 1
    client.send_order_status(PLACED)
    later = asyncio.create_task(client.submit(CANCELLED))
    await told.until(SocketDataQueuedState, 2)
    assert not client.is_connected
    async with serve(relay_settings(tmp_path, port=port)):
        assert (await later).seq == 2
        sent = [state.order_status.order_status_as_string for state in told.of(SocketDataSentState)]
        assert sent == ["PLACED", "CANCELLED"]
        assert told.of(SocketConnectState)[1].resumed
        await client.close()


async def test_a_relay_that_is_not_there_is_tried_again_and_again(make_bloc: MakeBloc) -> None:
    bloc = make_bloc("c-17", ClientType.CLIENT, uri="ws://127.0.0.1:1/order")
    told = Told(bloc)
    bloc.add(SocketConnectEvent())
    await told.until(SocketReconnectingState, 3)
    assert [state.attempt for state in told.of(SocketReconnectingState)] == [1, 2, 3]
    assert all(state.next_attempt_at.tzinfo for state in told.of(SocketReconnectingState))


async def test_a_connect_event_while_it_backs_off_tries_at_once(make_bloc: MakeBloc) -> None:
    bloc = make_bloc("c-17", ClientType.CLIENT, uri="ws://127.0.0.1:1/order")
    told = Told(bloc)
    for attempt in range(1, 12):  # the back-off alone would take minutes for as many
        bloc.add(SocketConnectEvent())
        await told.until(SocketReconnectingState, attempt)


async def test_a_disconnect_keeps_what_is_unsettled_for_the_next_connect(client: SocketBloc) -> None:
    told = Told(client)
    client.add(SocketConnectEvent())
    client.send_order_status(PLACED)
    client.add(SocketDisconnectEvent())
    await told.until(SocketDisconnectState)
    assert told.of(SocketDataSentState) == []
    client.add(SocketConnectEvent())
    assert (await told.until(SocketDataSentState)).order_status.order_status_as_string == "PLACED"


async def test_the_same_message_id_is_committed_once_however_often_it_is_submitted(
    client: SocketBloc,
) -> None:
    await connected(client)
    first, second = await asyncio.gather(*(client.submit(PLACED, message_id="m-1") for _ in range(2)))
    again = await client.submit(PLACED, message_id="m-1")
    assert first == second == again


async def test_another_status_under_a_used_message_id_is_refused(client: SocketBloc) -> None:
    told = Told(client)
    client.add(SocketConnectEvent())
    pending = asyncio.create_task(client.submit(PLACED, message_id="m-1"))
    await told.until(SocketDataQueuedState)
    with pytest.raises(ValueError, match="message_id"):
        await client.submit(CANCELLED, message_id="m-1")
    await pending
    with pytest.raises(OrderRejected) as refusal:
        await client.submit(CANCELLED, message_id="m-1")
    assert refusal.value.code is RejectionCode.MESSAGE_ID_REUSED


async def test_to_cancel_a_submit_withdraws_nothing(client: SocketBloc) -> None:
    told = await connected(client)
    submit = asyncio.create_task(client.submit(PLACED))
    await asyncio.sleep(0)
    submit.cancel()
    await told.until(SocketDataSentState)


async def test_all_connections_of_a_user_see_what_one_of_them_sends(make_bloc: MakeBloc) -> None:
    phone, tablet = (make_bloc("c-17", ClientType.CLIENT) for _ in range(2))
    await connected(phone)
    told = await connected(tablet)
    sent = await phone.submit(PLACED)
    assert await told.until(SocketDataSentState) == sent


async def test_a_new_process_hears_of_the_open_orders_and_with_full_history_of_all(
    client: SocketBloc, make_bloc: MakeBloc
) -> None:
    await connected(client)
    await client.submit(PLACED)
    await client.submit(CANCELLED)
    await client.submit(PLACED.model_copy(update={"order_id": "o-2"}))
    fresh = await connected(make_bloc("c-17", ClientType.CLIENT))
    whole = await connected(make_bloc("c-17", ClientType.CLIENT, full_history=True))
    assert (await fresh.until(SocketDataSentState)).seq == 3
    assert [(await whole.until(SocketDataSentState, n)).seq for n in (1, 2, 3)] == [1, 2, 3]
    assert whole.of(SocketConnectState)[0].resumed


async def test_a_users_handler_that_raises_is_reported_and_the_rest_goes_on(
    make_bloc: MakeBloc, client: SocketBloc, loop_errors: list[dict[str, Any]]
) -> None:
    errors: list[Exception] = []

    class Clumsy(SocketBloc):
        def receive_order_status(self, order_status: OrderStatus) -> None:
            raise RuntimeError(order_status.order_status_as_string)

        def on_error(self, error: Exception) -> None:
            errors.append(error)

    told = await connected(make_bloc("s-4", ClientType.SERVICEMAN, Clumsy))
    await connected(client)
    await client.submit(PLACED)
    await client.submit(CANCELLED)
    await told.until(SocketReceiveDataState, 2)
    assert [str(error) for error in errors] == ["PLACED", "CANCELLED"]
    assert [context["exception"] for context in loop_errors] == errors
    loop_errors.clear()


async def test_an_override_under_the_diagrams_spelling_is_called(
    make_bloc: MakeBloc, client: SocketBloc
) -> None:
    calls: list[str] = []

    class Ported(SocketBloc):
        def recieve_order_status(self, order_status: OrderStatus) -> None:
            calls.append(order_status.order_status_as_string)
            super().recieve_order_status(order_status)

    told = await connected(make_bloc("s-4", ClientType.SERVICEMAN, Ported))
    await connected(client)
    await client.submit(PLACED)
    await told.until(SocketReceiveDataState)
    assert calls == ["PLACED"]


async def test_states_begin_with_the_call_and_end_with_the_bloc(client: SocketBloc) -> None:
    states = client.states()
    client.add(SocketConnectEvent())
    assert isinstance(await anext(states), SocketConnectState)
    await client.close()
    assert [state async for state in states] == [SocketDisconnectState()]
    assert [state async for state in client.states()] == []


async def test_leaving_the_context_commits_what_was_just_sent(relay: Server, make_bloc: MakeBloc) -> None:
    async with SocketBloc("c-17", ClientType.CLIENT, uri=relay.uri) as bloc:
        bloc.send_order_status(PLACED)
    assert bloc.is_closed
    told = await connected(make_bloc("c-17", ClientType.CLIENT))
    assert (await told.until(SocketDataSentState)).message == "The tap drips"


async def test_close_takes_less_than_two_seconds_and_fails_what_is_unsettled(make_bloc: MakeBloc) -> None:
    bloc = make_bloc("c-17", ClientType.CLIENT, uri="ws://127.0.0.1:1/order")
    bloc.add(SocketConnectEvent())
    submit = asyncio.create_task(bloc.submit(PLACED))
    await asyncio.sleep(0)
    begin = asyncio.get_running_loop().time()
    await bloc.close()
    assert asyncio.get_running_loop().time() - begin < 2
    with pytest.raises(BlocClosedError):
        await submit
    with pytest.raises(BlocClosedError):
        await bloc.submit(PLACED)
    with pytest.raises(BlocClosedError):
        bloc.send_order_status(PLACED)
    await bloc.close()
