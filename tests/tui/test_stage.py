"""The demo's stage: pulled cables and a killed relay lose nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from socket_bloc import (
    ORDER_FLOW,
    ClientType,
    SocketBloc,
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataSentState,
    SocketReconnectingState,
)
from tests.socket_bloc.waiting import connected
from tui.cable import Cable
from tui.play import CANCELLED_ORDER, WHOLE_ORDER, next_step
from tui.sequence import Sequence
from tui.stage import Stage, set_stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_stage(Sequence()) as stage:
        yield stage


@pytest.fixture
def client(stage: Stage) -> SocketBloc:
    return stage.blocs[ClientType.CLIENT]


async def test_a_pulled_cable_breaks_the_connection_until_it_is_plugged_in_again(
    stage: Stage, client: SocketBloc
) -> None:
    recorder = await connected(client)
    cable = stage.cables[ClientType.CLIENT]
    cable.pull()
    await recorder.until(SocketReconnectingState, 2)
    assert not cable.is_plugged
    order = asyncio.create_task(client.place_order("s-4", "The tap drips"))
    await recorder.until(SocketDataQueuedState)
    cable.plug()
    await order
    assert len(recorder.of(SocketDataSentState)) == 1
    assert recorder.of(SocketConnectState)[-1].resumed


async def test_a_restarted_relay_has_everything_it_had_committed(stage: Stage, client: SocketBloc) -> None:
    recorder = await connected(client)
    await client.place_order("s-4", "The tap drips")
    stage.kill_relay()
    assert not stage.has_relay
    await recorder.until(SocketReconnectingState)
    order = asyncio.create_task(client.place_order("s-4", "The fan is noisy"))
    await recorder.until(SocketDataQueuedState)
    await stage.start_relay()
    await order
    assert [state.seq for state in recorder.of(SocketDataSentState)] == [1, 2]
    assert recorder.of(SocketConnectState)[-1].resumed


async def test_a_connection_that_one_side_resets_ends_on_the_other_side(unused_tcp_port: int) -> None:
    accepted, ended = asyncio.Event(), asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        assert await reader.read() == b""
        writer.close()
        ended.set()

    async with (
        asyncio.timeout(10),
        await asyncio.start_server(accept, "127.0.0.1", unused_tcp_port),
        Cable(f"ws://127.0.0.1:{unused_tcp_port}/order") as cable,
    ):
        _reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(cable.uri).port)
        await accepted.wait()
        # Without time to linger, closing sends a reset.
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        await ended.wait()


@pytest.mark.parametrize("script", [WHOLE_ORDER, CANCELLED_ORDER])
def test_a_script_is_played_to_its_end_and_the_flow_allows_each_step(script: tuple) -> None:
    played: list[int] = []
    current: int | None = None
    while step := next_step(script, "o-1", current, "s-4"):
        assert ORDER_FLOW.check(step.order_status, "x-1", step.role) is None
        if current is not None:
            assert step.status in [row.status for row in ORDER_FLOW.following(current)]
        played.append(step.status)
        current = step.status
    assert played == [status for status, _ in script]
    assert not ORDER_FLOW.is_open(played[-1])


def test_an_order_off_its_script_has_no_next_step() -> None:
    assert next_step(WHOLE_ORDER, "o-1", CANCELLED_ORDER[-1][0], "s-4") is None
