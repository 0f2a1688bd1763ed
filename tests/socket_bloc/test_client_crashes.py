"""A client with an outbox in a file is killed: each send is committed once, or rejected and its user told so.

`CLIENT_CRASHES=50 make test PYTEST=tests/socket_bloc/test_client_crashes.py` kills more of them at random.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from server_stub import Server
from socket_bloc import ClientType, OrderStatus, SocketBloc, SocketReceiveDataState, StatusCode
from tests.socket_bloc.conftest import MakeBloc
from tests.socket_bloc.waiting import StateRecorder, connected

ROOT = Path(__file__).parents[2]
KILLS = os.environ.get("CLIENT_CRASHES", "10")


async def kill_clients(relay: Server, folder: Path, *kills: str) -> None:
    arguments = ("-m", "tests.socket_bloc.dying_client", relay.uri, os.fspath(folder), *kills)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
    assert await process.wait() == 0


def told(folder: Path, what: str) -> set[str]:
    """Return the message ids of which any of the processes was told this."""
    lines = [line.split() for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    return {message_id for told, message_id in lines if told == what}


async def feed_of_the_serviceman(client: SocketBloc, make_bloc: MakeBloc) -> list[str]:
    """Return the message ids of everything that the relay has committed."""
    await connected(client)
    last = await client.submit(OrderStatus.of(StatusCode.PLACED, order_id="last", receiver_id="s-4"))
    recorder = await connected(make_bloc("s-4", ClientType.SERVICEMAN, full_history=True))
    await recorder.wait(lambda: last.message_id in message_ids(recorder))
    *feed, _ = message_ids(recorder)
    return feed


def message_ids(recorder: StateRecorder) -> list[str]:
    return [state.message_id for state in recorder.of(SocketReceiveDataState)]


async def test_clients_are_killed_before_each_of_their_steps(
    relay: Server, client: SocketBloc, make_bloc: MakeBloc, tmp_path: Path
) -> None:
    await kill_clients(relay, tmp_path)
    feed = await feed_of_the_serviceman(client, make_bloc)
    assert len(feed) == len(set(feed)), "committed twice"
    added, rejected = told(tmp_path, "added"), told(tmp_path, "rejected")
    assert {message_id for message_id in added if not message_id.endswith("-2")} <= set(feed), "lost"
    assert {message_id for message_id in added if message_id.endswith("-2")} <= rejected, "lost the news"
    assert not set(feed) & rejected
    orders = {message_id.rpartition("-")[0] for message_id in feed}
    for order in orders:
        assert [message_id for message_id in feed if message_id.startswith(f"{order}-")] in (
            [f"{order}-1"],
            [f"{order}-1", f"{order}-3"],
        )


async def test_clients_are_killed_at_random_while_they_send(
    relay: Server, client: SocketBloc, make_bloc: MakeBloc, tmp_path: Path
) -> None:
    await kill_clients(relay, tmp_path, KILLS)
    feed = await feed_of_the_serviceman(client, make_bloc)
    assert len(feed) == len(set(feed)), "committed twice"
    assert told(tmp_path, "added") <= set(feed), "lost"
    assert told(tmp_path, "rejected") == set()
    placed = [message_id.removesuffix("-1") for message_id in feed if message_id.endswith("-1")]
    cancelled = [message_id.removesuffix("-2") for message_id in feed if message_id.endswith("-2")]
    assert len(placed) >= len(cancelled) > 0
    assert set(cancelled) <= set(placed)
