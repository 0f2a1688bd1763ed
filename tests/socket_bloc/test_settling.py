"""When a send leaves the outbox: once its outcome was announced, and whatever fails around it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server_stub import Server
from socket_bloc import (
    ClientType,
    MemoryOutbox,
    NoSocketError,
    Order,
    OrderRejected,
    OrdersCubit,
    OrderStatus,
    OutboxError,
    OutboxFullError,
    Send,
    Socket,
    SocketBloc,
    SocketConnectEvent,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketNullState,
    SocketReceiveDataEvent,
    SocketReconnectingState,
    SocketSendDataEvent,
    SocketState,
    StatusCode,
)
from socket_bloc.bloc import Change, Transition
from tests.socket_bloc.conftest import MakeBloc
from tests.socket_bloc.waiting import TIMEOUT, StateRecorder, connected

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="The tap drips")
CANCELLED = OrderStatus.of(StatusCode.CANCELLED, order_id="o-1")
NOWHERE = "ws://127.0.0.1:1/order"


class ObservedOutbox(MemoryOutbox):
    """Notes what is settled; raises what a test asks it to, as if its disk were full."""

    def __init__(self, *sends: Send) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.error_of_add: Exception | None = None
        self.error_of_settle: Exception | None = None
        for send in sends:
            self.add(send)

    def add(self, send: Send) -> None:
        if self.error_of_add is not None:
            raise self.error_of_add
        super().add(send)

    def settle(self, message_id: str) -> None:
        self.notes.append(f"settle {message_id}")
        super().settle(message_id)
        if self.error_of_settle is not None:
            raise self.error_of_settle

    def sync(self) -> None:
        self.notes.append("sync")


def note_outcomes(bloc: SocketBloc, notes: list[str]) -> None:
    """Note each outcome of a send when it is emitted."""

    def note(state: SocketState) -> None:
        match state:
            case SocketDataSentState() | SocketDataRejectedState():
                notes.append(f"{type(state).__name__} {state.message_id}")
            case SocketNullState(SocketSendDataEvent(_, message_id)):
                notes.append(f"SocketNullState {message_id}")
            case _:
                pass

    bloc.stream.subscribe(note)


# Announced, then settled


async def test_an_outcome_is_emitted_before_its_send_is_settled(make_bloc: MakeBloc) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    note_outcomes(client, outbox.notes)
    await connected(client)
    await client.submit(PLACED, message_id="m-1")
    with pytest.raises(OrderRejected):
        await client.submit(PLACED, message_id="m-2")
    await client.wait_until_idle()
    assert outbox.notes == [
        "SocketDataSentState m-1",
        "settle m-1",
        "SocketDataRejectedState m-2",
        "settle m-2",
        "sync",
    ]


async def test_a_status_without_a_socket_is_withdrawn_after_its_null_state(make_bloc: MakeBloc) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    note_outcomes(client, outbox.notes)
    client.send_order_status(PLACED, message_id="m-1")
    await client.wait_until_idle()
    assert outbox.notes == ["SocketNullState m-1", "settle m-1", "sync"]
    assert len(outbox) == 0


async def test_an_older_send_is_kept_when_it_is_sent_again_without_a_socket(make_bloc: MakeBloc) -> None:
    outbox = ObservedOutbox(Send("m-1", PLACED))
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    with pytest.raises(NoSocketError):
        await client.submit(PLACED, message_id="m-1")
    assert list(outbox) == [Send("m-1", PLACED)]


async def test_a_status_that_is_added_as_an_event_without_a_socket_is_never_in_the_outbox(
    make_bloc: MakeBloc,
) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    recorder = StateRecorder(client)
    client.add(SocketSendDataEvent(PLACED))
    await recorder.until(SocketNullState)
    await client.wait_until_idle()
    assert outbox.notes == []
    assert len(outbox) == 0


async def test_a_socket_without_a_bloc_settles_what_it_has_pushed(relay: Server) -> None:
    outbox = ObservedOutbox()
    socket = Socket("c-17", ClientType.CLIENT, uri=relay.uri, outbox=outbox)

    def note(report: SocketState | Exception) -> None:
        if isinstance(report, SocketDataRejectedState):
            outbox.notes.append(f"rejected {report.message_id}")

    def note_status(event: SocketReceiveDataEvent) -> None:
        outbox.notes.append(f"committed {event.message_id}")

    socket.get_report_stream().subscribe(note)
    socket.get_order_status_stream().subscribe(note_status)
    socket.open_connection()
    socket.send_order_status(PLACED, "m-1")
    socket.send_order_status(PLACED, "m-2")
    async with asyncio.timeout(TIMEOUT):
        await socket.settled()
    await socket.aclose()
    assert outbox.notes == ["committed m-1", "settle m-1", "rejected m-2", "settle m-2", "sync"]


# What an earlier process has left


async def test_what_is_in_the_outbox_is_queued_when_the_bloc_connects_and_then_settles(
    make_bloc: MakeBloc,
) -> None:
    outbox = ObservedOutbox(Send("m-1", PLACED), Send("m-2", CANCELLED))
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    async with OrdersCubit(client) as cubit:
        recorder = await connected(client)
        assert recorder.states[:2] == [
            SocketDataQueuedState(PLACED, "m-1"),
            SocketDataQueuedState(CANCELLED, "m-2"),
        ]
        await recorder.until(SocketDataSentState, 2)
        assert cubit.state.get("o-1").current_status == StatusCode.CANCELLED
        assert not cubit.state.get("o-1").pending
    assert len(outbox) == 0


async def test_the_orders_show_what_is_queued_while_the_relay_cannot_be_reached(make_bloc: MakeBloc) -> None:
    outbox = ObservedOutbox(Send("m-1", PLACED), Send("m-2", CANCELLED))
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox, uri=NOWHERE)
    async with OrdersCubit(client) as cubit:
        recorder = StateRecorder(client)
        client.add(SocketConnectEvent())
        await recorder.until(SocketReconnectingState)
        (order,) = cubit.state.by_id.values()
        assert order == Order(
            "o-1",
            client_id="c-17",
            serviceman_id="s-4",
            pending={"m-1": PLACED, "m-2": CANCELLED},
            role=ClientType.CLIENT,
        )
        assert not order.in_flight


async def test_what_was_queued_by_an_earlier_process_is_queued_once(make_bloc: MakeBloc) -> None:
    outbox = ObservedOutbox(Send("m-1", PLACED))
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox, uri=NOWHERE)
    recorder = StateRecorder(client)
    for attempt in (1, 2, 3):
        client.add(SocketConnectEvent())
        await recorder.until(SocketReconnectingState, attempt)
    assert len(recorder.of(SocketDataQueuedState)) == 1


# A hook or a listener that raises


class HookError(Exception):
    pass


def raise_for_outcomes(item: object) -> None:
    """Raise for what carries the outcome of a send, whether it is a state or an event."""
    if isinstance(item, Change | Transition):
        item = item.next_state
    outcome = getattr(item, "report", item)
    if isinstance(outcome, SocketDataSentState | SocketDataRejectedState | SocketReceiveDataEvent):
        raise HookError


@pytest.mark.parametrize("hook", ["on_event", "on_transition", "on_change", "listener"])
async def test_a_hook_that_raises_neither_withholds_an_outcome_nor_holds_up_the_order(
    make_bloc: MakeBloc, loop_errors: list[dict[str, Any]], hook: str
) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    await connected(client)
    if hook == "listener":
        client.stream.subscribe(raise_for_outcomes)
    else:
        setattr(client, hook, raise_for_outcomes)
    async with asyncio.timeout(TIMEOUT):
        first, second, third = await asyncio.gather(
            *(client.submit(status) for status in (PLACED, PLACED, CANCELLED)), return_exceptions=True
        )
    assert isinstance(first, SocketDataSentState)
    assert isinstance(second, OrderRejected)
    assert isinstance(third, SocketDataSentState)
    await client.wait_until_idle()
    assert len(outbox) == 0
    assert {type(context["exception"]) for context in loop_errors} == {HookError}
    loop_errors.clear()


async def test_a_hook_that_rejects_another_event_of_the_socket_settles_nothing(
    make_bloc: MakeBloc, loop_errors: list[dict[str, Any]]
) -> None:
    outbox = ObservedOutbox(Send("m-1", PLACED))
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox, uri=NOWHERE)

    def reject(event: object) -> None:
        if not isinstance(event, SocketConnectEvent):
            raise HookError

    client.on_event = reject
    client.add(SocketConnectEvent())
    await client.wait_until_idle()
    assert {type(context["exception"]) for context in loop_errors} == {HookError}
    await client.close()
    assert list(outbox) == [Send("m-1", PLACED)]
    assert outbox.notes == []
    loop_errors.clear()


async def test_a_status_that_a_hook_rejects_is_not_in_the_outbox_when_the_call_raises(
    make_bloc: MakeBloc,
) -> None:
    outbox = ObservedOutbox(Send("m-1", PLACED))
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)

    def reject(event: object) -> None:
        raise HookError

    client.on_event = reject
    for message_id in ("m-1", "m-2"):
        with pytest.raises(HookError):
            client.send_order_status(PLACED, message_id=message_id)
    assert list(outbox) == [Send("m-1", PLACED)], "an older one stays"
    assert outbox.notes == ["settle m-2", "sync"]


# An outbox that fails


async def send_in_all_ways(bloc: SocketBloc, cubit: OrdersCubit) -> list[BaseException | None]:
    """Send a status in each way there is, and return what each raised."""
    raised: list[BaseException | None] = []
    for send in (bloc.send_order_status, cubit.send):
        try:
            send(PLACED)
        except OutboxError as error:
            raised.append(error)
    outcomes = await asyncio.gather(
        bloc.submit(PLACED), bloc.place_order("s-4", "The tap drips"), return_exceptions=True
    )
    return raised + [outcome if isinstance(outcome, Exception) else None for outcome in outcomes]


@pytest.mark.parametrize("kind", [OutboxError, OutboxFullError])
async def test_an_outbox_that_cannot_store_a_status_raises_alike_from_each_way_to_send(
    make_bloc: MakeBloc, kind: type[OutboxError]
) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    async with OrdersCubit(client) as cubit:
        recorder = await connected(client)
        outbox.error_of_add = kind("no space")
        assert await send_in_all_ways(client, cubit) == [outbox.error_of_add] * 4
        assert not cubit.state.by_id
        outbox.error_of_add = None
        assert (await client.submit(PLACED)).seq == 1, "nothing came before it"
        assert recorder.of(SocketDataQueuedState) == []


async def test_a_status_that_is_added_as_an_event_and_cannot_be_stored_is_reported(
    make_bloc: MakeBloc, loop_errors: list[dict[str, Any]]
) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    errors: list[Exception] = []
    client.on_error = errors.append
    await connected(client)
    outbox.error_of_add = OutboxError("no space")
    client.add(SocketSendDataEvent(PLACED))
    await client.wait_until_idle()
    assert errors == [outbox.error_of_add]
    loop_errors.clear()


async def test_a_submit_ends_if_the_outbox_fails_between_the_call_and_its_event(
    make_bloc: MakeBloc, loop_errors: list[dict[str, Any]]
) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    await connected(client)
    submit = asyncio.create_task(client.submit(PLACED))
    await asyncio.sleep(0)
    outbox.error_of_add = OutboxError("no space")
    with pytest.raises(OutboxError, match="no space"):
        async with asyncio.timeout(TIMEOUT):
            await submit
    loop_errors.clear()


async def test_a_send_that_cannot_be_settled_is_reported_and_holds_up_nothing(make_bloc: MakeBloc) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    errors: list[Exception] = []
    client.on_error = errors.append
    await connected(client)
    outbox.error_of_settle = OutboxError("no space")
    client.send_order_status(PLACED)
    assert (await client.submit(CANCELLED)).seq == 2
    await client.wait_until_idle()
    assert errors == [outbox.error_of_settle] * 2
    assert client.is_connected


# Message ids


@pytest.mark.parametrize("message_id", ["", "m" * 65, "m\0"])
async def test_an_invalid_message_id_is_an_error_that_names_it_and_adds_nothing(
    make_bloc: MakeBloc, message_id: str
) -> None:
    outbox = ObservedOutbox()
    client = make_bloc("c-17", ClientType.CLIENT, outbox=outbox)
    await connected(client)
    with pytest.raises(ValueError, match=r"^message_id: it must have 1 to 64 characters"):
        client.send_order_status(PLACED, message_id=message_id)
    with pytest.raises(ValueError, match=r"^message_id: it must have 1 to 64 characters"):
        await client.submit(PLACED, message_id=message_id)
    assert len(outbox) == 0
