"""`bloc.connection`: each state of a connection, what is queued, and the text for a bug report."""

from __future__ import annotations

import asyncio
import platform
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from server_stub import Server, serve
from socket_bloc import (
    ClientType,
    ConnectionInfo,
    ConnectionState,
    OrderStatus,
    SocketBloc,
    SocketConnectEvent,
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataSentState,
    SocketDisconnectEvent,
    SocketDisconnectState,
    SocketReconnectingState,
    SocketRefusedState,
    StatusCode,
)
from socket_bloc.frames import WelcomeFrame
from socket_bloc.session.disconnect import HttpRefused
from tests.socket_bloc.conftest import MakeBloc, port_of, relay_settings
from tests.socket_bloc.fake_relay import FakeRelay
from tests.socket_bloc.waiting import TIMEOUT, StateRecorder, connected

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="private words")
CANCELLED = OrderStatus.of(StatusCode.CANCELLED, order_id="o-1")
AT = datetime(2026, 11, 24, 20, 0, 30, tzinfo=UTC)
SECRET = "top-secret-token"


@pytest.fixture
async def fake_relay() -> AsyncIterator[FakeRelay]:
    async with FakeRelay().running() as relay:
        yield relay


@pytest.fixture
async def make_client(fake_relay: FakeRelay) -> AsyncIterator[Callable[..., SocketBloc]]:
    async with AsyncExitStack() as stack:

        def make(**options: Any) -> SocketBloc:
            bloc = SocketBloc("c-17", ClientType.CLIENT, **{"uri": fake_relay.uri, **options})
            stack.push_async_callback(bloc.close)
            return bloc

        yield make


# Each state


async def test_a_new_bloc_is_offline_since_it_was_made(client: SocketBloc, relay: Server) -> None:
    info = client.connection
    assert (info.user_id, info.type, info.state) == ("c-17", ClientType.CLIENT, ConnectionState.OFFLINE)
    assert (info.uri, info.uris) == (relay.uri, (relay.uri,))
    assert info.since <= info.at <= datetime.now(UTC)
    assert (info.attempts, info.last_loss, info.last_loss_at, info.next_attempt_at) == (0, None, None, None)
    assert (info.unsettled, info.oldest_unsettled_at, info.oldest_unsettled_age) == (0, None, None)
    assert (info.cursor, info.head, info.epoch) == (None, None, None)


async def test_a_live_connection_knows_its_feed(client: SocketBloc) -> None:
    recorder = await connected(client)
    await client.submit(PLACED)
    info = client.connection
    assert info.state is ConnectionState.LIVE
    assert (info.cursor, info.head, info.epoch) == (1, None, recorder.of(SocketConnectState)[0].epoch)
    assert (info.unsettled, info.last_loss) == (0, None)


async def test_a_connection_is_connecting_until_the_welcome(make_client: Callable[..., SocketBloc]) -> None:
    is_called, may_return = asyncio.Event(), asyncio.Event()

    async def token() -> str:
        is_called.set()
        await may_return.wait()
        return "abc"

    client = make_client(token=token)
    before = client.connection.since
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    await asyncio.wait_for(is_called.wait(), TIMEOUT)
    connecting = client.connection
    assert connecting.state is ConnectionState.CONNECTING
    assert connecting.since > before
    may_return.set()
    await recorder.until(SocketConnectState)
    assert client.connection.since > connecting.since


async def test_a_replay_is_synchronising_up_to_its_head(
    fake_relay: FakeRelay, make_client: Callable[..., SocketBloc], monkeypatch: pytest.MonkeyPatch
) -> None:
    welcome = WelcomeFrame(
        user_id="c-17", client_type=ClientType.CLIENT, epoch="e", after=3, head=9, resumed=False
    )
    monkeypatch.setattr("tests.socket_bloc.fake_relay.WELCOME", welcome.model_dump_json())
    client = make_client()
    await connected(client)
    info = client.connection
    assert (info.state, info.cursor, info.head) == (ConnectionState.SYNCHRONISING, 3, 9)


async def test_while_backing_off_it_says_why_and_until_when(
    relay: Server, client: SocketBloc, tmp_path: Path
) -> None:
    recorder = await connected(client)
    port = port_of(relay)
    relay.abort()
    lost = await recorder.until(SocketReconnectingState)
    info = client.connection
    assert info.attempts >= 1
    assert info.last_loss is not None
    assert lost.reason == "closed with 1006: no close frame received"
    async with serve(relay_settings(tmp_path, port=port)):
        await recorder.until(SocketConnectState, 2)
        again = client.connection
        assert (again.next_attempt_at, again.last_loss is None) == (None, False)
        assert again.since >= info.since
        await client.close()


async def test_the_next_attempt_is_that_of_the_reconnecting_state(
    fake_relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    fake_relay.refusals.append(HttpRefused(503, "full", retry_after=1000))
    client = make_client()
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    state = await recorder.until(SocketReconnectingState)
    info = client.connection
    assert info.state is ConnectionState.BACKING_OFF
    assert (info.attempts, info.last_loss) == (state.attempt, state.reason)
    assert info.next_attempt_at == state.next_attempt_at
    assert info.last_loss_at == info.since


async def test_a_refusal_is_the_last_loss(
    fake_relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    fake_relay.refusals.append(HttpRefused(403, "not you"))
    client = make_client()
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    refused = await recorder.until(SocketRefusedState)
    info = client.connection
    assert (info.state, info.last_loss) == (ConnectionState.REFUSED, refused.reason)
    assert info.last_loss_at == info.since


async def test_a_close_with_1000_is_the_last_loss_and_a_disconnect_of_the_user_is_none(
    fake_relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    client = make_client()
    recorder = await connected(client)
    client.add(SocketDisconnectEvent())
    await recorder.until(SocketDisconnectState)
    assert (client.connection.state, client.connection.last_loss) == (ConnectionState.OFFLINE, None)

    async def close(connection: ServerConnection) -> None:
        await connection.close(1000, "idle")

    fake_relay.answer = close
    client.add(SocketConnectEvent())
    await recorder.until(SocketDisconnectState, 2)
    assert (client.connection.state, client.connection.last_loss) == (
        ConnectionState.OFFLINE,
        "closed with 1000: idle",
    )


async def test_with_several_addresses_it_names_the_one_that_is_used(
    fake_relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    async with FakeRelay().running() as gone:
        pass
    client = make_client(uri=[gone.uri, fake_relay.uri])
    assert client.connection.uri == gone.uri
    await connected(client)
    info = client.connection
    assert (info.uri, info.uris) == (fake_relay.uri, (gone.uri, fake_relay.uri))
    assert info.last_loss is not None
    assert info.last_loss.startswith(f"{gone.uri}: ")


async def test_it_can_be_read_after_the_close(client: SocketBloc) -> None:
    await connected(client)
    await client.close()
    assert client.connection.state is ConnectionState.OFFLINE


# What is queued


async def test_the_oldest_unsettled_send_has_an_age(make_bloc: MakeBloc) -> None:
    async with FakeRelay().running() as gone:
        pass
    client = make_bloc("c-17", ClientType.CLIENT, uri=gone.uri)
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    before = datetime.now(UTC)
    client.send_order_status(PLACED)
    after = datetime.now(UTC)
    client.send_order_status(CANCELLED)
    await recorder.until(SocketDataQueuedState, 2)
    info = client.connection
    assert info.unsettled == 2
    assert info.oldest_unsettled_at is not None
    assert before <= info.oldest_unsettled_at <= after
    assert info.oldest_unsettled_age == info.at - info.oldest_unsettled_at


async def test_what_is_settled_is_not_counted(client: SocketBloc) -> None:
    recorder = await connected(client)
    client.send_order_status(PLACED)
    assert client.connection.unsettled == 1
    await recorder.until(SocketDataSentState)
    await recorder.wait(lambda: client.connection.unsettled == 0)


# The text


INFO = ConnectionInfo(
    user_id="c-17",
    type=ClientType.CLIENT,
    at=AT,
    state=ConnectionState.BACKING_OFF,
    since=AT - timedelta(seconds=12),
    uri="wss://b/order",
    uris=("wss://a/order", "wss://b/order"),
    attempts=4,
    last_loss="wss://a/order: closed with 1006: no close frame received",
    last_loss_at=AT - timedelta(seconds=12),
    next_attempt_at=AT + timedelta(seconds=3),
    unsettled=2,
    oldest_unsettled_at=AT - timedelta(minutes=3),
    cursor=17,
    head=None,
    epoch="5f0c",
)
VERSIONS = (
    f"socket-bloc {version('socket-bloc')}, websockets {version('websockets')}, "
    f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
)


def test_its_text_is_what_a_bug_report_needs() -> None:
    assert str(INFO).splitlines() == [
        VERSIONS,
        "2026-11-24 20:00:30 UTC",
        "client c-17: backing off for 0:00:12",
        "relay: wss://b/order (address 2 of 2)",
        "attempts to reconnect: 4, the next in 0:00:03",
        "last loss: 0:00:12 ago, wss://a/order: closed with 1006: no close frame received",
        "unsettled: 2, the oldest for 0:03:00",
        "feed: at 17, epoch 5f0c",
    ]


def test_the_text_in_the_documentation_is_up_to_date() -> None:
    page = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"<!-- connection -->\n```text\n(.*?)\n```", page, re.DOTALL)
    _versions, *lines = example.splitlines()
    assert lines == str(INFO).splitlines()[1:]


def test_its_text_is_as_short_if_there_is_little_to_say() -> None:
    info = replace(
        INFO,
        state=ConnectionState.SYNCHRONISING,
        uris=("wss://b/order",),
        attempts=0,
        last_loss=None,
        next_attempt_at=None,
        unsettled=0,
        oldest_unsettled_at=None,
        head=21,
    )
    assert str(info).splitlines()[2:] == [
        "client c-17: synchronising for 0:00:12",
        "relay: wss://b/order",
        "attempts to reconnect: 0",
        "last loss: none",
        "unsettled: none",
        "feed: at 17 of 21, epoch 5f0c",
    ]
    assert str(replace(info, epoch=None)).splitlines()[-1] == "feed: not known yet"


def test_what_the_relay_chose_does_not_break_its_lines() -> None:
    info = replace(INFO, epoch="a\nb\x1b[31m", last_loss="no\r\nentry")
    assert len(str(info).splitlines()) == 8
    assert "\x1b" not in str(info)


def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    info = replace(INFO, since=AT + timedelta(hours=1))
    assert "backing off for 0:00:00" in str(info)


def test_its_text_does_without_the_versions_of_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("socket_bloc.connection_info.version", not_found)
    assert str(INFO).startswith(
        "socket-bloc of an unknown version, websockets of an unknown version, Python "
    )


@pytest.mark.parametrize("name", ["state", "attempts"])
def test_it_cannot_be_changed(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(INFO, name, None)


async def test_neither_the_token_nor_a_message_is_in_it(
    fake_relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    fake_relay.refusals.append(HttpRefused(401, f"{SECRET} has expired"))
    client = make_client(token=SECRET)
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    client.send_order_status(PLACED)
    await recorder.until(SocketReconnectingState)
    info = client.connection
    assert info.last_loss == "refused with HTTP 401: [token] has expired"
    for text in (str(info), repr(info)):
        assert SECRET not in text
        assert "private words" not in text
