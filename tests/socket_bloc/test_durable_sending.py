"""A bloc with an outbox in a file, against a real relay: what a restarted client shows, sends and refuses."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from server_stub import Server, serve
from socket_bloc import (
    ClientType,
    OrdersCubit,
    OrderStatus,
    OutboxFullError,
    SocketBloc,
    SocketConnectEvent,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SqliteOutbox,
    StatusCode,
)
from tests.socket_bloc.conftest import MakeBloc, relay_settings
from tests.socket_bloc.waiting import StateRecorder, connected

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="The tap drips")
CANCELLED = OrderStatus.of(StatusCode.CANCELLED, order_id="o-1")
NOWHERE = "ws://127.0.0.1:1/order"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


async def queue(path: Path, *statuses: OrderStatus, limit: int = 1000) -> None:
    """Let a client send these while there is no relay, and end."""
    outbox = SqliteOutbox(path, limit)
    async with SocketBloc("c-17", ClientType.CLIENT, uri=NOWHERE, outbox=outbox) as bloc:
        for number, status in enumerate(statuses, 1):
            bloc.send_order_status(status, message_id=f"m-{number}")


async def test_what_was_queued_before_a_restart_is_shown_and_then_committed_in_its_order(
    path: Path, make_bloc: MakeBloc
) -> None:
    await queue(path, PLACED, CANCELLED)
    client = make_bloc("c-17", ClientType.CLIENT, outbox=SqliteOutbox(path))
    async with OrdersCubit(client) as cubit:
        shown: list[list[str]] = []
        cubit.stream.subscribe(lambda orders: shown.append(list(orders.get("o-1").pending)))
        recorder = StateRecorder(client)
        client.add(SocketConnectEvent())
        await recorder.until(SocketDataSentState, 2)
        assert shown[:2] == [["m-1"], ["m-1", "m-2"]]
        order = cubit.state.get("o-1")
        assert [entry.message_id for entry in order.entries] == ["m-1", "m-2"]
        assert not order.pending
    assert [state.message_id for state in recorder.of(SocketDataQueuedState)] == ["m-1", "m-2"]


async def test_what_was_settled_is_not_sent_again_after_a_restart(path: Path, make_bloc: MakeBloc) -> None:
    client = make_bloc("c-17", ClientType.CLIENT, outbox=SqliteOutbox(path))
    recorder = await connected(client)
    await client.submit(PLACED)
    client.send_order_status(PLACED)
    await recorder.until(SocketDataRejectedState)
    await client.close()
    again = make_bloc("c-17", ClientType.CLIENT, outbox=SqliteOutbox(path))
    recorder = await connected(again)
    await again.submit(CANCELLED)
    assert recorder.of(SocketDataQueuedState) == recorder.of(SocketDataRejectedState) == []


async def test_a_relay_on_a_new_database_gets_what_is_unsettled_once(
    relay: Server, path: Path, tmp_path: Path, make_bloc: MakeBloc
) -> None:
    client = make_bloc("c-17", ClientType.CLIENT, outbox=SqliteOutbox(path))
    await connected(client)
    await client.submit(PLACED)
    await client.close()
    await queue(path, PLACED.model_copy(update={"order_id": "o-2"}), CANCELLED)
    another = tmp_path / "another"
    another.mkdir()
    async with serve(relay_settings(another)) as new_relay:
        client = make_bloc("c-17", ClientType.CLIENT, outbox=SqliteOutbox(path), uri=new_relay.uri)
        recorder = await connected(client)
        sent = await recorder.until(SocketDataSentState)
        rejected = await recorder.until(SocketDataRejectedState)
        assert (sent.message_id, sent.seq) == ("m-1", 1)
        assert (rejected.message_id, rejected.code) == ("m-2", "unknownOrder")
        await client.close()
    with closing(SqliteOutbox(path)) as outbox:
        assert len(outbox) == 0


async def test_the_outbox_of_another_user_is_refused_and_can_still_be_used_by_its_own(
    path: Path, make_bloc: MakeBloc
) -> None:
    await queue(path, PLACED)
    outbox = SqliteOutbox(path)
    for other in (("c-18", ClientType.CLIENT), ("c-17", ClientType.SERVICEMAN)):
        with pytest.raises(ValueError, match=f"^outbox: {path} belongs to another user"):
            SocketBloc(*other, outbox=outbox)
    recorder = await connected(make_bloc("c-17", ClientType.CLIENT, outbox=outbox))
    await recorder.until(SocketDataSentState)


async def test_a_full_outbox_raises_alike_from_each_way_to_send_also_after_a_restart(path: Path) -> None:
    await queue(path, PLACED, CANCELLED, limit=2)
    outbox = SqliteOutbox(path, limit=2)
    status = PLACED.model_copy(update={"order_id": "o-2"})
    bloc = SocketBloc("c-17", ClientType.CLIENT, uri=NOWHERE, outbox=outbox)
    async with bloc, OrdersCubit(bloc) as cubit:
        with pytest.raises(OutboxFullError, match="has 2 unsettled sends"):
            bloc.send_order_status(status)
        with pytest.raises(OutboxFullError, match="has 2 unsettled sends"):
            cubit.send(status)
        with pytest.raises(OutboxFullError, match="has 2 unsettled sends"):
            await bloc.submit(status)
        with pytest.raises(OutboxFullError, match="has 2 unsettled sends"):
            await bloc.place_order("s-4", "The tap drips")
        await bloc.wait_until_idle()
        assert list(cubit.state.by_id) == ["o-1"]
    assert len(outbox) == 2


async def test_the_file_is_free_once_its_bloc_is_closed(path: Path, make_bloc: MakeBloc) -> None:
    for _ in range(3):
        client = make_bloc("c-17", ClientType.CLIENT, outbox=SqliteOutbox(path))
        await connected(client)
        await client.close()
