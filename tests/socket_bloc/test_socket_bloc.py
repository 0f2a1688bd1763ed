"""The bloc against a real relay: its arguments, its states, its hooks, and how it closes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server_stub import Server
from socket_bloc import (
    BlocClosedError,
    ClientType,
    MemoryOutbox,
    NoSocketError,
    OrderStatus,
    SocketBloc,
    SocketConnectEvent,
    SocketConnectState,
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
from tests.certificates import trusting
from tests.socket_bloc.conftest import MakeBloc
from tests.socket_bloc.waiting import StateRecorder, connected

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="The tap drips")
ACCEPTED = OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1", message="On my way")
CANCELLED = OrderStatus.of(StatusCode.CANCELLED, order_id="o-1")


async def test_a_new_bloc_is_disconnected_until_the_welcome(client: SocketBloc) -> None:
    assert client.state == SocketDisconnectState()
    assert not client.is_connected
    recorder = await connected(client)
    assert isinstance(recorder.states[0], SocketConnectState)
    assert not recorder.states[0].resumed
    assert client.is_connected


async def test_receive_order_status_is_called_after_the_state_and_only_for_the_other_party(
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
        ({"uri": "ws://127.0.0.1/order", "ssl": trusting()}, "ssl"),
    ],
)
def test_an_invalid_argument_is_an_error_that_names_it(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        SocketBloc(**{"user_id": "c-17", "type": ClientType.CLIENT, **arguments})


async def test_without_a_socket_each_event_gets_a_null_state_and_nothing_is_queued(
    client: SocketBloc,
) -> None:
    recorder = StateRecorder(client)
    client.send_order_status(PLACED)
    client.send_order_status(PLACED)
    client.add(SocketDisconnectEvent())
    await recorder.until(SocketNullState, 3)
    events = [state.event for state in recorder.of(SocketNullState)]
    assert [type(event) for event in events] == [
        SocketSendDataEvent,
        SocketSendDataEvent,
        SocketDisconnectEvent,
    ]
    with pytest.raises(NoSocketError):
        await client.submit(PLACED)
    client.add(SocketConnectEvent())
    assert (await client.submit(PLACED, message_id="m-1")).seq == 1, "nothing came before it"


async def test_an_unreachable_relay_is_retried_again_and_again(make_bloc: MakeBloc) -> None:
    bloc = make_bloc("c-17", ClientType.CLIENT, uri="ws://127.0.0.1:1/order")
    recorder = StateRecorder(bloc)
    bloc.add(SocketConnectEvent())
    await recorder.until(SocketReconnectingState, 3)
    assert [state.attempt for state in recorder.of(SocketReconnectingState)] == [1, 2, 3]
    assert all(state.next_attempt_at.tzinfo for state in recorder.of(SocketReconnectingState))


async def test_a_connect_event_during_a_back_off_tries_at_once(make_bloc: MakeBloc) -> None:
    bloc = make_bloc("c-17", ClientType.CLIENT, uri="ws://127.0.0.1:1/order")
    recorder = StateRecorder(bloc)
    for attempt in range(1, 12):  # with the back-off, as many tries would take minutes
        bloc.add(SocketConnectEvent())
        await recorder.until(SocketReconnectingState, attempt)


async def test_a_new_process_gets_the_open_orders_and_with_full_history_all_of_them(
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


async def test_an_overridden_handler_that_raises_is_reported_and_the_next_status_is_handled(
    make_bloc: MakeBloc, client: SocketBloc, loop_errors: list[dict[str, Any]]
) -> None:
    errors: list[Exception] = []

    class Clumsy(SocketBloc):
        def receive_order_status(self, order_status: OrderStatus) -> None:
            raise RuntimeError(order_status.order_status_as_string)

        def on_error(self, error: Exception) -> None:
            errors.append(error)

    recorder = await connected(make_bloc("s-4", ClientType.SERVICEMAN, Clumsy))
    await connected(client)
    await client.submit(PLACED)
    await client.submit(CANCELLED)
    await recorder.until(SocketReceiveDataState, 2)
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

    recorder = await connected(make_bloc("s-4", ClientType.SERVICEMAN, Ported))
    await connected(client)
    await client.submit(PLACED)
    await recorder.until(SocketReceiveDataState)
    assert calls == ["PLACED"]


async def test_the_states_start_at_the_call_and_end_when_the_bloc_closes(client: SocketBloc) -> None:
    states = client.states()
    client.add(SocketConnectEvent())
    assert isinstance(await anext(states), SocketConnectState)
    await client.close()
    assert [state async for state in states] == [SocketDisconnectState()]
    assert [state async for state in client.states()] == []


async def test_leaving_the_async_with_block_commits_what_was_just_sent(
    relay: Server, make_bloc: MakeBloc
) -> None:
    async with SocketBloc("c-17", ClientType.CLIENT, uri=relay.uri) as bloc:
        bloc.send_order_status(PLACED)
    assert bloc.is_closed
    recorder = await connected(make_bloc("c-17", ClientType.CLIENT))
    assert (await recorder.until(SocketDataSentState)).message == "The tap drips"


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


async def test_an_outbox_is_bound_to_the_user_of_its_bloc_and_closed_with_it(make_bloc: MakeBloc) -> None:
    class Observed(MemoryOutbox):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    outbox = Observed()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    await connected(client)
    await client.submit(PLACED)
    assert not outbox.is_closed
    await client.close()
    assert outbox.is_closed
    for other in (("c-18", ClientType.CLIENT), ("c-17", ClientType.SERVICEMAN)):
        with pytest.raises(ValueError, match=r"^outbox: it belongs to another user"):
            SocketBloc(*other, outbox=outbox)
