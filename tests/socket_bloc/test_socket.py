"""The socket against a relay that misbehaves: refusals, invalid frames, close codes, silence."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from socket_bloc import (
    ClientType,
    ConnectionRefused,
    NoSocketError,
    OrderStatus,
    ProtocolError,
    SocketBloc,
    SocketConnectEvent,
    SocketConnectState,
    SocketDataSentState,
    SocketDisconnectEvent,
    SocketDisconnectState,
    SocketReceiveDataEvent,
    SocketReceiveDataState,
    SocketReconnectingState,
    SocketRefusedState,
    StatusCode,
)
from socket_bloc.session.disconnect import HttpRefused
from socket_bloc.socket import Socket
from tests.socket_bloc.fake_relay import FakeRelay, stay
from tests.socket_bloc.simulation import AT
from tests.socket_bloc.waiting import TIMEOUT, StateRecorder, connected

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4")


async def commit(connection: ServerConnection) -> None:
    """Commit the first send, and nothing else."""
    frame = json.loads(await connection.recv())
    status = {**frame["orderStatus"], "senderId": "c-17"}
    answer = {"type": "status", "seq": 1, "messageId": frame["messageId"], "at": AT.isoformat()}
    await connection.send(json.dumps({**answer, "orderStatus": status}))
    await stay(connection)


@pytest.fixture
async def relay() -> AsyncIterator[FakeRelay]:
    async with FakeRelay().running() as relay:
        yield relay


@pytest.fixture
async def deaf_relay(relay: FakeRelay) -> AsyncIterator[FakeRelay]:
    """The relay, which stops reading after its welcome, until the test has ended."""
    has_ended = asyncio.Event()

    async def stop_reading(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await has_ended.wait()
        connection.transport.abort()

    relay.answer = stop_reading
    yield relay
    has_ended.set()


@pytest.fixture
async def make_client(relay: FakeRelay) -> AsyncIterator[Callable[..., SocketBloc]]:
    async with AsyncExitStack() as stack:

        def make(**options: Any) -> SocketBloc:
            bloc = SocketBloc("c-17", ClientType.CLIENT, uri=relay.uri, **options)
            stack.push_async_callback(bloc.close)
            return bloc

        yield make


@pytest.mark.parametrize("status", [302, 400, 403, 404])
async def test_a_final_refusal_fails_each_submit_until_the_next_connect(
    relay: FakeRelay, make_client: Callable[..., SocketBloc], status: int
) -> None:
    relay.refusals.append(HttpRefused(status, "no entry"))
    client = make_client()
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    pending = asyncio.create_task(client.submit(PLACED))
    refused = await recorder.until(SocketRefusedState)
    assert refused.reason == f"refused with HTTP {status}: no entry"
    for submit in (pending, client.submit(PLACED)):
        with pytest.raises(ConnectionRefused, match="no entry"):
            await submit
    client.add(SocketConnectEvent())
    await recorder.until(SocketConnectState)


async def test_the_next_attempt_is_not_before_the_retry_after_of_a_full_relay(
    relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    relay.refusals.append(HttpRefused(503, "", retry_after=100))
    client = make_client()
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    state = await recorder.until(SocketReconnectingState)
    assert (
        state.next_attempt_at - type(state.next_attempt_at).now(state.next_attempt_at.tzinfo)
    ).seconds >= 99


async def test_an_invalid_frame_is_logged_once_and_skipped(
    relay: FakeRelay, make_client: Callable[..., SocketBloc], caplog: pytest.LogCaptureFixture
) -> None:
    status = {"orderStatusAsString": "ACCEPTED", "orderStatusAsInt": 1004, "message": "hush", "orderId": "o"}
    frame = {"type": "status", "seq": 1, "messageId": "m", "at": AT.isoformat(), "orderStatus": status}

    async def answer(connection: ServerConnection) -> None:
        for text in ("secret {", "secret {", '{"type":"news","body":"secret"}', b"\xff", json.dumps(frame)):
            await connection.send(text)
        await stay(connection)

    relay.answer = answer
    client = make_client()
    errors: list[Exception] = []
    client.on_error = errors.append
    with caplog.at_level(logging.DEBUG):
        recorder = await connected(client)
        await recorder.until(SocketReceiveDataState)
    assert len(recorder.of(SocketConnectState)) == 1, "the connection was kept"
    problems = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert problems == [
        "invalid frame of type None: invalid JSON",
        "invalid frame of type 'news': unknown type",
    ]
    assert [str(error) for error in errors] == problems
    assert all(isinstance(error, ProtocolError) for error in errors)
    assert "secret" not in caplog.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009])
async def test_the_third_violation_in_a_row_is_final(
    relay: FakeRelay, make_client: Callable[..., SocketBloc], code: int
) -> None:
    async def answer(connection: ServerConnection) -> None:
        await connection.close(code, "do not say that")

    relay.answer = answer
    client = make_client()
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    refused = await recorder.until(SocketRefusedState)
    assert refused.reason == f"closed with {code}: do not say that"
    assert len(relay.requests) == 3


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (1000, SocketDisconnectState),
        (1001, SocketReconnectingState),
        (1011, SocketReconnectingState),
        (3000, SocketReconnectingState),
        (4000, SocketReconnectingState),
        (4001, SocketReconnectingState),
        (4499, SocketReconnectingState),
        (4500, SocketRefusedState),
        (4999, SocketRefusedState),
    ],
)
async def test_the_close_code_decides_what_follows(
    relay: FakeRelay,
    make_client: Callable[..., SocketBloc],
    code: int,
    state: type[SocketDisconnectState],
) -> None:
    async def answer(connection: ServerConnection) -> None:
        await connection.close(code)

    relay.answer = answer
    client = make_client()
    recorder = await connected(client)
    first = await recorder.until(SocketDisconnectState)
    assert type(first) is state


async def test_a_submit_ends_if_the_relay_closes_with_1000_and_its_status_stays_queued(
    relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(1000, "idle for too long")

    relay.answer = close
    client = make_client()
    recorder = await connected(client)
    with pytest.raises(NoSocketError) as caught:
        await client.submit(PLACED, message_id="m-1")
    assert str(caught.value) == (
        "the relay ended the connection (closed with 1000: idle for too long), and what was sent stays "
        "queued; add a SocketConnectEvent first"
    )
    with pytest.raises(NoSocketError, match=r"^there is no socket to send through; add a SocketConnectEvent"):
        await client.submit(PLACED, message_id="m-2")
    sent: list[str] = []

    async def read(connection: ServerConnection) -> None:
        sent.append(json.loads(await connection.recv())["messageId"])
        await connection.close(4001)

    relay.answer = read
    client.add(SocketConnectEvent())
    await recorder.until(SocketReconnectingState)
    assert sent == ["m-1"]


async def test_a_submit_outlives_a_disconnect_of_the_user(
    relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    has_arrived = asyncio.Event()

    async def receive(connection: ServerConnection) -> None:
        await connection.recv()
        has_arrived.set()
        await stay(connection)

    relay.answer = receive
    client = make_client()
    recorder = await connected(client)
    submit = asyncio.create_task(client.submit(PLACED))
    await asyncio.wait_for(has_arrived.wait(), TIMEOUT)
    client.add(SocketDisconnectEvent())
    await recorder.until(SocketDisconnectState)
    assert not submit.done()
    relay.answer = commit
    client.add(SocketConnectEvent())
    assert (await submit).seq == 1


async def test_a_relay_that_stops_reading_does_not_delay_the_close(
    deaf_relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    client = make_client()
    await connected(client)
    for number in range(100):
        client.send_order_status(PLACED.model_copy(update={"order_id": f"o-{number}"}))
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await client.close()
    assert loop.time() - begin < 2


async def test_a_close_that_waits_for_a_full_buffer_is_cut_short(
    deaf_relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket_bloc.socket.CLOSE_TIMEOUT", 0.05)
    socket = Socket("c-17", ClientType.CLIENT, uri=deaf_relay.uri)
    is_connected = asyncio.Event()
    socket.get_report_stream().subscribe(lambda _: is_connected.set() if socket.is_connected else None)
    socket.open_connection()
    async with asyncio.timeout(TIMEOUT):
        await is_connected.wait()
    channel = socket.channel
    assert channel is not None
    for number in range(3000):  # more than the buffers of both ends hold
        status = PLACED.model_copy(update={"order_id": f"o-{number}", "message": "x" * 4096})
        socket.send_order_status(status)
    async with asyncio.timeout(TIMEOUT):
        await socket.aclose()
    assert channel.transport.is_closing()


async def test_the_socket_of_the_diagram_works_without_the_bloc(relay: FakeRelay) -> None:
    relay.answer = commit
    socket = Socket("c-17", ClientType.CLIENT, uri=relay.uri)
    arrived: asyncio.Queue[SocketReceiveDataEvent] = asyncio.Queue()
    socket.get_order_status_stream().subscribe(arrived.put_nowait)
    with pytest.raises(NoSocketError):
        socket.send_order_status(PLACED)
    socket.open_connection()
    socket.send_order_status(PLACED, "m-1")
    event = await arrived.get()
    assert (event.message_id, event.seq, event.order_status.sender_id) == ("m-1", 1, "c-17")
    assert socket.channel is not None
    assert socket.serviceman_id == "c-17"
    await socket.settled()
    socket.close_connection()
    assert socket.channel is None
    with pytest.raises(NoSocketError):
        socket.close_connection()
    await socket.aclose()


async def test_other_tasks_have_their_turn_while_frames_are_read_that_arrived_together(
    relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket_bloc.socket.READ_SLICE", -1.0)

    async def replay(connection: ServerConnection) -> None:
        placed = {**PLACED.model_dump(mode="json", by_alias=True), "senderId": "c-17"}
        for seq in (1, 2, 3):
            frame = {"type": "status", "seq": seq, "messageId": f"m-{seq}", "at": AT.isoformat()}
            await connection.send(json.dumps({**frame, "orderStatus": placed}))
        await stay(connection)

    relay.answer = replay
    socket = Socket("c-17", ClientType.CLIENT, uri=relay.uri)
    seen: list[str] = []
    done = asyncio.Event()

    def on_status(event: SocketReceiveDataEvent) -> None:
        seen.append(f"status {event.seq}")
        asyncio.get_running_loop().call_soon(seen.append, "turn")
        if event.seq == 3:
            done.set()

    socket.get_order_status_stream().subscribe(on_status)
    socket.open_connection()
    async with asyncio.timeout(TIMEOUT):
        await done.wait()
    assert seen[:5] == ["status 1", "turn", "status 2", "turn", "status 3"]
    await socket.aclose()


async def test_violations_are_counted_from_zero_after_a_commit(
    relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    async def offend(connection: ServerConnection) -> None:
        await connection.close(1008)

    async def commit_and_offend(connection: ServerConnection) -> None:
        frame = json.loads(await connection.recv())
        status = {**frame["orderStatus"], "senderId": "c-17"}
        answer = {"type": "status", "seq": 1, "messageId": frame["messageId"], "at": AT.isoformat()}
        await connection.send(json.dumps({**answer, "orderStatus": status}))
        relay.answer = offend
        await connection.close(1008)

    relay.answer = commit_and_offend
    client = make_client()
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    client.send_order_status(PLACED)
    await recorder.until(SocketDataSentState)
    await recorder.until(SocketRefusedState)
    assert len(relay.requests) == 3, "the first violation after the commit is one of three"
