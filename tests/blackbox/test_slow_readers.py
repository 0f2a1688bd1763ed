"""Slow readers: a client that reads nothing is disconnected, one that reads slowly is not."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
import time

from tests.blackbox.client import Client
from tests.blackbox.conftest import Connect, StartRelay, until
from tests.blackbox.process import RelayProcess
from tests.blackbox.wire import PING, ClosedByRelayError, HandshakeRefusedError, encode
from tests.blackbox.words import fresh, send_frame

LARGE = "😀" * 4096
"""The largest message: 16 KiB on the wire."""
NARROW = 4096
"""Bytes of a receive buffer that fills quickly."""


def fill(client: Client, receiver_id: str, *, statuses: int) -> None:
    """Put so many of the largest statuses into both feeds. The client reads them all."""
    for _ in range(statuses // 2):
        order_id = fresh("o")
        client.submit(send_frame("PLACED", order_id, receiverId=receiver_id, message=LARGE))
        client.submit(send_frame("CANCELLED", order_id, message=LARGE))


def seconds_for_one_order(client: Client) -> float:
    """Return how long another client waits for an order that it places and cancels."""
    at = time.monotonic()
    fill(client, fresh("s"), statuses=2)
    return time.monotonic() - at


def memory(relay: RelayProcess) -> float:
    """Return the relay's resident memory in MiB."""
    argv = ["ps", "-o", "rss=", "-p", str(relay.pid)]
    return int(subprocess.run(argv, capture_output=True, check=True, text=True).stdout) / 1024


def read_what_is_left(client: Client) -> tuple[int, int | None]:
    """Return the last number before the end, and the close code if one got through."""
    last = 0
    try:
        while True:
            last = client.receive_status()["seq"]
    except ClosedByRelayError as closed:
        return last, closed.code
    except (EOFError, ConnectionError):
        return last, None


def is_let_in(relay: RelayProcess) -> bool:
    """Return whether the relay accepts one more connection."""
    try:
        Client(relay.address, "client", fresh("c")).close()
    except HandshakeRefusedError:
        return False
    return True


def test_a_client_that_reads_nothing_is_disconnected_and_resumes_while_others_continue(
    start_relay: StartRelay, connect: Connect
) -> None:
    """The disconnection shows in the free connection: nothing gets through to the client any more."""
    relay = start_relay(max_connections=2)
    client = connect("client", to=relay.address)
    stuck = connect("serviceman", to=relay.address, receive_buffer=NARROW)
    fill(client, stuck.user_id, statuses=600)
    deadline = time.monotonic() + 45
    pause = threading.Event()
    while not is_let_in(relay):
        assert time.monotonic() < deadline, "it is still connected"
        assert seconds_for_one_order(client) < 2
        pause.wait(0.2)
    # No close frame gets through, but the log names its code.
    assert until(lambda: re.search(r"\b4000\b", relay.log) is not None)
    last, code = read_what_is_left(stuck)
    assert last < 600
    assert code in (4000, None)
    stuck.close()
    epoch = stuck.welcome["epoch"]
    again = connect("serviceman", stuck.user_id, to=relay.address, since=last, epoch=epoch)
    assert (again.welcome["after"], again.welcome["resumed"]) == (last, True)
    assert [frame["seq"] for frame in again.replay()] == list(range(last + 1, 601))


def test_a_long_replay_to_a_slow_reader_reaches_its_end(start_relay: StartRelay, connect: Connect) -> None:
    relay = start_relay()
    client = connect("client", to=relay.address)
    fill(client, fresh("s"), statuses=300)
    slow = connect("client", client.user_id, to=relay.address, since=0, receive_buffer=NARROW)
    pause = threading.Event()
    for seq in range(1, 301):
        assert slow.receive_status()["seq"] == seq
        pause.wait(0.01)
    assert slow.hears_nothing_more()
    fill(client, fresh("s"), statuses=2)
    assert slow.receive_status()["seq"] == 301


def test_many_clients_that_replay_everything_and_read_nothing_cost_little_memory(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    client = connect("client", to=relay.address)
    fill(client, fresh("s"), statuses=400)  # 7 MB of feed
    before = memory(relay)
    stuck = [
        connect("client", client.user_id, to=relay.address, since=0, receive_buffer=NARROW) for _ in range(40)
    ]
    assert seconds_for_one_order(client) < 2
    assert memory(relay) - before < 40 * 2
    assert all(one.welcome["head"] == 400 for one in stuck)


def test_a_client_that_pings_endlessly_and_reads_nothing_costs_little_memory(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    before = memory(relay)
    rude = connect("client", to=relay.address, receive_buffer=NARROW)
    rude.line.set_timeout(2)
    with contextlib.suppress(TimeoutError, ConnectionError):  # it may be disconnected, or throttled
        for _ in range(2000):
            rude.line.write(encode(PING, b"p" * 125) * 100)
    assert connect("client", to=relay.address).welcome["head"] == 0
    assert memory(relay) - before < 30
