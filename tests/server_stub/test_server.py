from __future__ import annotations

import asyncio
import socket
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

import server_stub
from server_stub import RelayObserver, Server, Settings, StartError, User, serve, server
from server_stub.ledger import backends
from server_stub.ledger.sqlite.feeds import SqliteFeeds
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.records import Entry
from server_stub.wire.connection import Connection
from server_stub.wire.listening import Capacity
from socket_bloc.frames import SendFrame
from socket_bloc.order_flow import ORDER_FLOW, OrderFlow
from socket_bloc.order_status import ClientType, Rejection, StatusCode
from tests.server_stub.support import (
    CLIENT,
    SERVICEMAN,
    WHOLE_ORDER,
    FakeTransport,
    Peer,
    handshake_request,
    joined,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(port=0, database=f"sqlite:///{tmp_path}/orders.db")


@pytest.fixture
async def relay(settings: Settings) -> AsyncIterator[Server]:
    async with serve(settings) as relay:
        yield relay


async def _get(relay: Server, target: str) -> tuple[int, str]:
    """The status and the body of a plain HTTP response."""
    host, port = relay.uri.removeprefix("ws://").partition("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split(b" ")[1]), body.decode()


async def _whole_order(*peers: Peer) -> None:
    for number, (user, status) in enumerate(WHOLE_ORDER, start=1):
        await peers[0 if user is CLIENT else 1].send(f"m-{number}", status)
        for peer in peers:
            (frame,) = await peer.statuses(1)
            assert frame["seq"] == number


async def test_both_parties_see_the_statuses_of_an_order_in_the_same_order(relay: Server) -> None:
    async with joined(relay, CLIENT) as client, joined(relay, SERVICEMAN) as serviceman:
        await _whole_order(client, serviceman)
    async with (
        joined(relay, CLIENT, "&since=0") as client,
        joined(relay, SERVICEMAN, "&since=0") as serviceman,
    ):
        seen = await client.statuses(8)
        assert seen == await serviceman.statuses(8)
        assert [frame["orderStatus"]["orderStatusAsInt"] for frame in seen] == [s for _, s in WHOLE_ORDER]


async def test_each_connection_of_a_user_gets_the_feed_and_only_the_sending_one_the_answer(
    relay: Server,
) -> None:
    async with joined(relay) as first, joined(relay) as second:
        await first.send("m-1")
        assert await first.statuses(1) == await second.statuses(1)
        await second.send("m-1")
        assert [frame["seq"] for frame in await second.statuses(1)] == [1]
        await first.send("m-2")
        rejected = await first.receive()
        assert (rejected["code"], rejected["messageId"]) == ("orderExists", "m-2")


async def test_pipelined_sends_are_applied_in_order(relay: Server) -> None:
    async with joined(relay) as client:
        for number in range(100):
            await client.send(f"m-{number}", order_id=f"o-{number // 2}")
        answers = [await client.receive() for _ in range(100)]
    assert [frame["messageId"] for frame in answers] == [f"m-{number}" for number in range(100)]
    assert [frame["type"] for frame in answers] == ["status", "rejected"] * 50


async def test_a_custom_flow_is_used(settings: Settings) -> None:
    async with serve(settings, flow=OrderFlow(ORDER_FLOW.steps[:1])) as relay, joined(relay) as client:
        await client.send("m-1", StatusCode.CANCELLED)
        assert (await client.receive())["code"] == "unknownStatus"


class Recording(RelayObserver):
    """Records the name of each hook that is called, and the user."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def connected(self, user: User) -> None:
        self.events.append(("connected", user))

    def received(self, user: User, frame: SendFrame) -> None:
        self.events.append(("received", user, frame.message_id))

    def committed(self, entry: Entry) -> None:
        self.events.append(("committed", entry.sender, entry.receiver, entry.message_id))

    def pushed(self, user: User, seq: int) -> None:
        self.events.append(("pushed", user, seq))

    def rejected(self, user: User, message_id: str | None, rejection: Rejection) -> None:
        self.events.append(("rejected", user, message_id, str(rejection.code)))

    def disconnected(self, user: User, close_code: int) -> None:
        self.events.append(("disconnected", user, close_code))


async def test_an_observer_is_notified_of_everything_in_order(settings: Settings) -> None:
    observer = Recording()
    async with serve(settings, observer=observer) as relay, joined(relay) as client:
        await client.send("m-1")
        await client.receive()
        await client.send("m-2", receiver_id="c-1")
        await client.receive()
    assert observer.events == [
        ("connected", CLIENT),
        ("received", CLIENT, "m-1"),
        ("committed", CLIENT, SERVICEMAN, "m-1"),
        ("pushed", CLIENT, 1),
        ("received", CLIENT, "m-2"),
        ("rejected", CLIENT, "m-2", "wrongReceiver"),
        ("disconnected", CLIENT, 1000),
    ]


class Failing(RelayObserver):
    """Raises in every hook."""

    def connected(self, user: User) -> None:
        raise ZeroDivisionError

    def received(self, user: User, frame: SendFrame) -> None:
        raise ZeroDivisionError

    def committed(self, entry: Entry) -> None:
        raise ZeroDivisionError

    def pushed(self, user: User, seq: int) -> None:
        raise ZeroDivisionError

    def batch_ended(self, size: int, seconds: float, failed: bool) -> None:
        raise ZeroDivisionError

    def disconnected(self, user: User, close_code: int) -> None:
        raise ZeroDivisionError


async def test_an_observer_that_always_fails_does_not_affect_the_relay(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serve(settings, observer=Failing()) as relay,
        joined(relay, CLIENT) as client,
        joined(relay, SERVICEMAN) as serviceman,
    ):
        await _whole_order(client, serviceman)
    assert "an observer failed" in caplog.text


# Plain HTTP.


async def test_health_and_metrics_are_answered_on_the_same_port(relay: Server) -> None:
    async with joined(relay) as client:
        await client.send("m-1")
        await client.receive()
        assert await _get(relay, "/healthz") == (200, "ok\n")
        assert await _get(relay, "/readyz") == (200, "ready\n")
        status, metrics = await _get(relay, "/metrics")
        assert status == 200
        assert 'relay_committed_total{status="PLACED"} 1.0\n' in metrics
        assert 'relay_connections{type="client"} 1.0\n' in metrics
    assert (await _get(relay, "/nowhere"))[0] == 404


async def test_without_prometheus_client_the_relay_runs_and_its_metrics_say_what_to_install(
    relay: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "server_stub.exposition", raising=False)
    monkeypatch.delattr(server_stub, "exposition", raising=False)
    status, body = await _get(relay, "/metrics")
    assert status == 501
    assert body == "metrics need prometheus-client; run: pip install 'socket-bloc[server]'\n"
    assert (await _get(relay, "/healthz"))[0] == 200


async def test_a_relay_whose_database_takes_no_write_is_healthy_but_not_ready(
    relay: Server, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with joined(relay) as client:
        assert (await _get(relay, "/readyz"))[0] == 503
        assert (await _get(relay, "/healthz"))[0] == 200
        await client.send("m-1")
        assert (await client.receive())["code"] == "unavailable"
        other.close()
        assert (await _get(relay, "/readyz"))[0] == 503, "its last batch has failed"
        await client.send("m-1")
        assert (await client.receive())["type"] == "status"
        assert (await _get(relay, "/readyz"))[0] == 200


async def test_a_relay_that_loses_its_database_closes_all_connections_and_is_not_ready(
    relay: Server, tmp_path: Path
) -> None:
    async with joined(relay) as client:
        (tmp_path / "orders.db").unlink()
        await client.send("m-1")
        assert (await client.receive())["code"] == "unavailable"
        with pytest.raises(ConnectionClosed) as closed:
            await client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert relay.failed.done()
    assert (await _get(relay, "/readyz"))[0] == 503
    assert (await _get(relay, "/healthz"))[0] == 200
    with pytest.raises(InvalidStatus) as refused:
        async with joined(relay):
            pass
    assert refused.value.response.status_code == 503


async def test_a_database_that_is_lost_after_the_relay_has_closed_changes_nothing(settings: Settings) -> None:
    async with serve(settings) as relay:
        await relay.close()
        relay.failed.set_result(None)
        await asyncio.sleep(0)
        await relay.close()


async def test_an_unreadable_feed_at_the_handshake_is_503(
    relay: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> int:
        raise server.LedgerError("disk I/O error")

    monkeypatch.setattr(SqliteFeeds, "head", broken)
    with pytest.raises(InvalidStatus) as caught:
        async with joined(relay):
            pass
    assert caught.value.response.status_code == 503
    assert caught.value.response.headers["Retry-After"] == "1"


async def test_one_connection_over_the_limit_is_503_until_another_has_closed(settings: Settings) -> None:
    async with serve(settings.model_copy(update={"max_connections": 1})) as relay:
        async with joined(relay, CLIENT):
            with pytest.raises(InvalidStatus) as caught:
                async with joined(relay, SERVICEMAN):
                    pass
            assert caught.value.response.status_code == 503
            assert (await _get(relay, "/healthz"))[0] == 200
        async with joined(relay, SERVICEMAN):
            pass


async def test_one_connection_of_a_user_over_the_limit_is_503_until_another_of_theirs_has_closed(
    settings: Settings,
) -> None:
    same_id = User(CLIENT.user_id, ClientType.SERVICEMAN)
    limited = settings.model_copy(update={"max_connections_per_user": 2})
    async with serve(limited) as relay, joined(relay, CLIENT) as first:
        async with joined(relay, CLIENT):
            with pytest.raises(InvalidStatus) as caught:
                async with joined(relay, CLIENT):
                    pass
            response = caught.value.response
            assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
            assert response.body == b"too many connections of this user; 2 are allowed\n"
            async with joined(relay, SERVICEMAN), joined(relay, same_id):
                await first.send("m-1")
                assert (await first.receive())["type"] == "status"
        async with joined(relay, CLIENT):
            pass


async def test_by_default_a_user_has_32_connections_and_with_0_as_many_as_there_are(
    settings: Settings,
) -> None:
    for limit, count in ((32, 32), (0, 40)):
        async with (
            serve(settings.model_copy(update={"max_connections_per_user": limit})) as relay,
            AsyncExitStack() as stack,
        ):
            for _ in range(count):
                await stack.enter_async_context(joined(relay))
            if limit:
                with pytest.raises(InvalidStatus, match="503"):
                    await stack.enter_async_context(joined(relay))
    assert settings.max_connections_per_user == 32


class Silent:
    """Connections that have sent the start of a request; a test may send the rest."""

    def __init__(self, relay: Server) -> None:
        self._address = relay.uri.removeprefix("ws://").partition("/")[0].split(":")
        self._opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Silent:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _reader, writer in self._opened:
            writer.transport.abort()

    async def open(self, start: bytes = b"") -> int:
        host, port = self._address
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(start)
        self._opened.append((reader, writer))
        return len(self._opened) - 1

    async def is_dropped(self, number: int) -> bool:
        """Wait until the relay closes it."""
        async with asyncio.timeout(30):
            return await self._opened[number][0].read() == b""

    async def is_answered(self, number: int, rest: bytes) -> bool:
        """Send the rest of the request, and wait for the response."""
        reader, writer = self._opened[number]
        writer.write(rest)
        async with asyncio.timeout(30):
            return (await reader.readline()).startswith(b"HTTP/1.1 101")


async def test_the_oldest_connection_without_a_request_makes_room_for_a_new_one(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    limited = settings.model_copy(update={"max_handshakes": 2})
    async with serve(limited) as relay, joined(relay) as client, Silent(relay) as silent:
        first = await silent.open()
        second = await silent.open(handshake_request()[:-1])
        async with joined(relay, SERVICEMAN):  # the third, until its request is there
            assert await silent.is_dropped(first)
            third = await silent.open()
            fourth = await silent.open()
            assert await silent.is_dropped(second)
            assert (await _get(relay, "/healthz"))[0] == 200
            assert await silent.is_dropped(third)
        assert await silent.is_answered(fourth, handshake_request())
        await client.send("m-1")
        assert (await client.receive())["type"] == "status"
    assert "dropped a connection: 2 others have sent no request" in caplog.text


async def test_without_a_limit_of_handshakes_none_is_dropped(settings: Settings) -> None:
    unlimited = settings.model_copy(update={"max_handshakes": 0})
    async with serve(unlimited) as relay, Silent(relay) as silent:
        for number in range(20):
            assert await silent.open() == number
        for number in range(20):
            assert await silent.is_answered(number, handshake_request())


async def test_transports_over_the_file_limit_are_dropped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "capacity", lambda _max: Capacity(transports=1, websockets=1))
    async with serve(settings) as relay, joined(relay) as client:
        with pytest.raises((ConnectionError, InvalidMessage)):
            await connect(f"{relay.uri}?userId=c-2&type=client", proxy=None)
        await client.send("m-1")
        assert (await client.receive())["type"] == "status"
    assert "dropped a connection" in caplog.text


async def test_over_the_file_limit_a_connection_without_a_request_makes_room(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "capacity", lambda _max: Capacity(transports=1, websockets=1))
    async with serve(settings) as relay, Silent(relay) as silent:
        first = await silent.open()
        async with joined(relay) as client:
            assert await silent.is_dropped(first)
            await client.send("m-1")
            assert (await client.receive())["type"] == "status"


# Shutdown.


async def _close_code(peer: Peer) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        await peer.receive()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


async def test_closing_sends_1001_to_all_and_releases_the_port_and_the_database(settings: Settings) -> None:
    async with serve(settings) as relay:
        port = int(relay.uri.partition("/order")[0].rpartition(":")[2])
        async with joined(relay, CLIENT) as client, joined(relay, SERVICEMAN) as serviceman:
            await client.send("m-1")
            await client.receive()
            await serviceman.receive()
            closing = asyncio.create_task(relay.close())
            assert [await _close_code(client), await _close_code(serviceman)] == [1001, 1001]
            await closing
        await relay.close()
    async with serve(settings.model_copy(update={"port": port})) as again, joined(again, CLIENT) as client:
        assert client.welcome["head"] == 1


class Hanging(SqliteStore):
    """A store whose commits wait for the test."""

    begun = asyncio.Event()
    gate = threading.Event()
    loop: asyncio.AbstractEventLoop

    def commit(self) -> None:
        self.loop.call_soon_threadsafe(self.begun.set)
        self.gate.wait()
        super().commit()


@pytest.fixture
async def hanging(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[type[Hanging]]:
    monkeypatch.setattr(Hanging, "begun", asyncio.Event())
    monkeypatch.setattr(Hanging, "gate", threading.Event())
    monkeypatch.setattr(Hanging, "loop", asyncio.get_running_loop(), raising=False)
    monkeypatch.setattr(backends, "SqliteStore", Hanging)
    yield Hanging
    Hanging.gate.set()
    for thread in threading.enumerate():
        if thread.name == "commit":
            thread.join(10)


async def _refusal(relay: Server) -> int:
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"{relay.uri}?userId=c-2&type=client", proxy=None)
    return caught.value.response.status_code


async def test_pending_commits_are_answered_before_1001_and_new_handshakes_get_503(
    settings: Settings, hanging: type[Hanging]
) -> None:
    async with serve(settings) as relay, joined(relay) as client:
        await client.send("m-1")
        await hanging.begun.wait()
        closing = asyncio.create_task(relay.close())
        await asyncio.sleep(0)
        assert await _refusal(relay) == 503
        assert (await _get(relay, "/healthz"))[0] == 200
        await client.send("m-2", order_id="o-2")
        rejected = await client.receive()
        assert (rejected["messageId"], rejected["code"]) == ("m-2", "unavailable")
        assert not closing.done()
        hanging.gate.set()
        assert (await client.receive())["messageId"] == "m-1"
        assert await _close_code(client) == 1001
        await closing


async def test_a_hanging_commit_and_a_client_that_does_not_read_delay_the_shutdown_only_so_long(
    settings: Settings,
    hanging: type[Hanging],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("DRAIN_TIMEOUT", "CLOSE_TIMEOUT", "_ABORT_TIMEOUT", "_COMMIT_TIMEOUT"):
        monkeypatch.setattr(server, name, 0.1)
    async with serve(settings) as relay:
        host, port = relay.uri.removeprefix("ws://").partition("/")[0].split(":")
        _reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(handshake_request())
        async with joined(relay) as client:
            await client.send("m-1")
            await hanging.begun.wait()
            async with asyncio.timeout(10):
                await relay.close()
        writer.close()
    assert "the last commit has not returned" in caplog.text
    assert "a COMMIT does not return" in caplog.text


async def test_an_abort_is_like_a_kill_and_another_relay_can_take_over_at_once(settings: Settings) -> None:
    observer = Recording()
    async with serve(settings, observer=observer) as relay:
        port = int(relay.uri.partition("/order")[0].rpartition(":")[2])
        async with joined(relay) as client:
            await client.send("m-1")
            await client.receive()
            relay.abort()
            relay.abort()
            same_port = settings.model_copy(update={"port": port})
            async with serve(same_port) as again, joined(again, CLIENT, "&since=0") as returned:
                assert (await returned.receive())["messageId"] == "m-1"
            with pytest.raises(ConnectionClosed) as caught:
                await client.receive()
            assert caught.value.rcvd is None
        await relay.close()
    assert observer.events[-1] == ("disconnected", CLIENT, 1006)


async def test_nothing_is_committed_after_an_abort(settings: Settings, hanging: type[Hanging]) -> None:
    async with serve(settings) as relay, joined(relay) as client:
        await client.send("m-1")
        await hanging.begun.wait()
        await client.send("m-2", order_id="o-2")
        await client.connection.ping()
        asyncio.get_running_loop().call_soon(hanging.gate.set)
        await asyncio.sleep(0)
        relay.abort()
    async with serve(settings) as again, joined(again) as client:
        assert client.welcome["head"] <= 1


async def test_a_transport_that_connects_after_an_abort_is_dropped(relay: Server) -> None:
    relay.abort()
    transport = FakeTransport()
    Connection(relay).connection_made(transport)
    assert transport.is_aborted


async def test_a_relay_that_fails_to_listen_releases_the_port_and_the_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports: list[int] = []

    async def fail(_factory: object, *, sock: socket.socket, backlog: int) -> None:
        ports.append(sock.getsockname()[1])
        raise OSError("no buffer space available")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "create_server", fail)
        with pytest.raises(OSError, match="no buffer space"):
            async with serve(settings):
                pass
    async with serve(settings.model_copy(update={"port": ports[0]})) as relay, joined(relay) as client:
        assert client.welcome["head"] == 0


async def test_a_relay_that_cannot_start_says_why_and_releases_everything(
    settings: Settings, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.db"
    foreign.write_text("mine")
    async with serve(settings) as relay:
        port = int(relay.uri.partition("/order")[0].rpartition(":")[2])
        for update, reason in (
            ({"port": port, "database": f"sqlite:///{tmp_path}/b.db"}, "cannot listen on 127.0.0.1, port"),
            ({}, "another relay has the database"),
            ({"database": f"sqlite:///{foreign}"}, "not a database of this relay"),
            ({"host": "0.0.0.0"}, "not loopback"),
        ):
            with pytest.raises(StartError, match=reason):
                async with serve(settings.model_copy(update=update)):
                    pass
    async with serve(settings.model_copy(update={"port": port})):
        pass


async def test_a_relay_on_another_address_needs_insecure(settings: Settings) -> None:
    async with serve(settings.model_copy(update={"host": "0.0.0.0", "insecure": True})) as relay:
        assert relay.uri.startswith("ws://0.0.0.0:")


async def test_a_relay_also_listens_on_ipv6(settings: Settings) -> None:
    async with serve(settings.model_copy(update={"host": "::1"})) as relay:
        assert relay.uri.startswith("ws://[::1]:")
        async with joined(relay) as client:
            assert client.welcome["head"] == 0
