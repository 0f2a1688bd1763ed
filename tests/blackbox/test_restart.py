"""Shutdown and restart: SIGTERM, `kill -9` at any moment, and what every user finds afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.checker import Event, Received, Rejected, Replayed, Sent, User, violations
from tests.blackbox.client import Client, Order, target
from tests.blackbox.conftest import Connect, StartRelay
from tests.blackbox.wire import (
    Address,
    ClosedByRelayError,
    HandshakeRefusedError,
    WebSocket,
    http,
)
from tests.blackbox.words import FINAL_CODES, WHOLE_ORDER, fresh

# SIGTERM


def test_all_connections_are_closed_with_1001_and_the_exit_status_is_0(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    users = [connect(role, to=relay.address) for role in ("client", "serviceman") * 3]
    relay.terminate()
    assert [user.close_code() for user in users] == [1001] * 6
    assert relay.exit_status() == 0


def test_a_relay_without_connections_exits_at_once(start_relay: StartRelay) -> None:
    relay = start_relay()
    at = time.monotonic()
    assert relay.stop() == 0
    assert time.monotonic() - at < 3


def test_an_unresponsive_client_delays_the_shutdown_by_ten_seconds_at_most_and_others_get_503(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    stubborn, polite = connect("client", to=relay.address), connect("client", to=relay.address)
    at = time.monotonic()
    relay.terminate()
    assert polite.close_code() == 1001
    with pytest.raises(HandshakeRefusedError) as refused:
        WebSocket(relay.address, target(userId="c-1", type="client"))
    assert refused.value.response.status == 503
    assert int(refused.value.response.headers["retry-after"]) > 0
    assert http(relay.address, "GET", "/readyz").status == 503
    assert relay.exit_status() == 0
    assert time.monotonic() - at < 11
    assert stubborn.line.hung_up(1)


def test_a_client_that_does_not_read_delays_the_shutdown_by_ten_seconds_at_most(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    client, serviceman = connect("client", to=relay.address), connect("serviceman", to=relay.address)
    for _ in range(60):
        Order(client, serviceman).submit("PLACED", message="😀" * 4096)
    connect("client", client.user_id, to=relay.address, since=0, receive_buffer=4096)
    at = time.monotonic()
    relay.terminate()
    assert client.close_code() == 1001
    assert relay.exit_status() == 0
    assert time.monotonic() - at < 11


# Restarting


def test_a_moved_database_keeps_its_epoch_and_a_new_one_has_another(
    start_relay: StartRelay, connect: Connect, tmp_path: Path
) -> None:
    relay = start_relay()
    first = connect("client", to=relay.address)
    first.close()
    assert relay.stop() == 0
    moved = tmp_path / "elsewhere" / "moved.db"
    moved.parent.mkdir()
    relay.database.rename(moved)
    Path(f"{relay.database}-mark").rename(f"{moved}-mark")  # which says that nothing is missing
    same, new = start_relay(database=moved), start_relay()
    assert connect("client", to=same.address).welcome["epoch"] == first.welcome["epoch"]
    assert connect("client", to=new.address).welcome["epoch"] != first.welcome["epoch"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_user_resumes_and_an_order_continues_after_a_restart(
    start_relay: StartRelay, connect: Connect, end: str
) -> None:
    relay = start_relay()
    order = Order(connect("client", to=relay.address), connect("serviceman", to=relay.address))
    live = [frame for frame, _ in order.play("PLACED", "ACCEPTED", "STARTED")]
    order.client.close()
    order.serviceman.close()
    getattr(relay, end)()
    address = start_relay().address
    epoch = order.client.welcome["epoch"]
    client = connect("client", order.client.user_id, to=address, since=1, epoch=epoch)
    serviceman = connect("serviceman", order.serviceman.user_id, to=address)
    assert client.welcome["resumed"]
    assert client.replay() == live[1:]
    assert serviceman.replay() == live
    again = Order(client, serviceman)
    again.id = order.id
    assert again.submit("ACCEPTED", message_id=live[1]["messageId"]) == live[1]
    assert again.submit("ACCEPTED")["currentStatus"] == 1005
    assert again.submit("PAYMENT")["seq"] == 4


# Under load


class Load:
    """Several pairs of users who play orders, four at a time, and the history of each."""

    def __init__(self, address: Address) -> None:
        self.history: list[Event] = []
        self._acknowledged = 0
        self._progress = threading.Condition()
        self._enough = threading.Event()
        self._address = address
        busy = fresh("s")  # one serviceman with many clients, who contend for one feed
        self._pairs = [(fresh("c"), busy if number % 2 else fresh("s")) for number in range(8)]

    @property
    def users(self) -> list[User]:
        """All users."""
        clients, servicemen = zip(*self._pairs, strict=True)
        return [("client", id_) for id_ in clients] + [("serviceman", id_) for id_ in {*servicemen}]

    def run_until(self, acknowledged: int, then: Callable[[], object]) -> None:
        """Start all users, call `then` after so many acknowledgements, and wait until all are gone."""
        threads: list[threading.Thread] = []
        for client_id, serviceman_id in self._pairs:
            client = Client(self._address, "client", client_id)
            serviceman = Client(self._address, "serviceman", serviceman_id)
            threads.append(threading.Thread(target=self._play, args=(client, serviceman)))
        for thread in threads:
            thread.start()
        with self._progress:
            assert self._progress.wait_for(lambda: self._acknowledged >= acknowledged, timeout=30)
        then()
        for thread in threads:
            thread.join()

    def leave(self) -> None:
        """Let all users play their orders to the end, and disconnect."""
        self._enough.set()

    def settle(self, address: Address) -> None:
        """Retry what is unsettled, and replay every feed, on the restarted relay."""
        for user in self.users:
            client = Client(address, *user, since=0)
            self.history.append(Replayed(user, client.replay()))
            for sent in list(self._unsettled(user)):
                frame = {"type": "send", "messageId": sent.message_id, "orderStatus": sent.order_status}
                self._submit(client, [frame])
            client.close()
        for user in self.users:
            client = Client(address, *user, since=0)
            self.history.append(Replayed(user, client.replay()))
            client.close()

    def _unsettled(self, user: User) -> Iterator[Sent]:
        settled = {event.frame["messageId"] for event in self.history if isinstance(event, Received)}
        for event in self.history:
            if isinstance(event, Rejected) and event.code in FINAL_CODES:
                settled.add(event.message_id)
        for event in self.history:
            if isinstance(event, Sent) and event.user == user and event.message_id not in settled:
                yield event

    def _play(self, client: Client, serviceman: Client) -> None:
        try:
            while not self._enough.is_set():
                orders = [Order(client, serviceman) for _ in range(4)]
                for name in WHOLE_ORDER:
                    self._submit(orders[0].sender(name), [order.frame(name) for order in orders])
        except (ConnectionError, EOFError, ClosedByRelayError):
            pass
        finally:
            client.close()
            serviceman.close()

    def _submit(self, sender: Client, frames: list[dict[str, Any]]) -> None:
        open_ = set()
        for frame in frames:
            self.history.append(Sent(sender.user, frame["messageId"], frame["orderStatus"]))
            open_.add(frame["messageId"])
            sender.send_json(frame)
        while open_:
            answer = sender.receive()
            if answer["type"] == "rejected":
                self.history.append(Rejected(sender.user, answer["messageId"], answer["code"]))
            else:
                self.history.append(Received(sender.user, answer))
            open_.discard(answer["messageId"])
        with self._progress:
            self._acknowledged += len(frames)
            self._progress.notify()


@pytest.mark.parametrize("seed", range(6))
def test_nothing_acknowledged_is_lost_by_kill_9_under_load(start_relay: StartRelay, seed: int) -> None:
    relay = start_relay()
    load = Load(relay.address)
    load.run_until(random.Random(seed).randrange(1, 1500), then=relay.kill)
    load.settle(start_relay().address)
    assert violations(load.history) == []


def test_nothing_acknowledged_is_lost_by_several_crashes_in_a_row(start_relay: StartRelay) -> None:
    loads: list[Load] = []
    for acknowledged in (50, 500, 5, 200):
        relay = start_relay()
        loads.append(Load(relay.address))
        loads[-1].run_until(acknowledged, then=relay.kill)
    relay = start_relay()
    for load in loads:
        load.settle(relay.address)
        assert violations(load.history) == []


def test_nothing_acknowledged_is_lost_by_a_shutdown_under_load(start_relay: StartRelay) -> None:
    relay = start_relay()
    load = Load(relay.address)
    load.run_until(500, then=relay.terminate)
    assert relay.exit_status() == 0
    load.settle(start_relay().address)
    assert violations(load.history) == []


def test_under_load_every_view_of_every_order_agrees(relay: Address) -> None:
    load = Load(relay)
    load.run_until(1500, then=load.leave)
    load.settle(relay)
    assert violations(load.history) == []
