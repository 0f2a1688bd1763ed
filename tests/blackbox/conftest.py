"""Relays and users for the tests.

The tests that take `relay` share one. If the environment variable RELAY_URL (`ws://HOST:PORT/order`)
is set, that is the relay that runs there, in whatever language, and the tests that must start, stop or
configure a relay of their own (`start_relay`) are deselected. It must have no rate limit, no key, and no
allowed origin.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.client import Client, Order
from tests.blackbox.process import RelayProcess
from tests.blackbox.wire import TIMEOUT, Address
from tests.blackbox.words import fresh

Connect = Callable[..., Client]
StartRelay = Callable[..., RelayProcess]
RELAY_URL = os.environ.get("RELAY_URL")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs a process of our own if RELAY_URL names a relay."""
    if RELAY_URL is None:
        return
    ours = [item for item in items if "start_relay" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in ours]


def until(condition: Callable[[], bool]) -> bool:
    """Return whether the condition comes true before the timeout; it is polled."""
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not (holds := condition()) and time.monotonic() < deadline:
        pause.wait(0.02)
    return holds


@pytest.fixture(scope="session")
def shared_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess | None]:
    """The process behind `relay`; None if RELAY_URL names a relay."""
    if RELAY_URL is not None:
        yield None
        return
    process = RelayProcess(tmp_path_factory.mktemp("relay"))
    try:
        yield process
        assert process.stop() == 0
    finally:
        process.kill()


@pytest.fixture
def relay(shared_relay: RelayProcess | None) -> Iterator[Address]:
    """The address of the shared relay. Fails the test that leaves it dead, or with a traceback in its log."""
    if shared_relay is None:
        assert RELAY_URL is not None
        yield Address.of(RELAY_URL)
        return
    assert shared_relay.is_running, f"an earlier test ended the relay; its log:\n{shared_relay.log}"
    earlier = shared_relay.complaints()
    yield shared_relay.address
    assert shared_relay.is_running, f"the relay died; its log:\n{shared_relay.log}"
    assert bool(shared_relay.complaints()) == bool(earlier), shared_relay.complaints()


@pytest.fixture
def start_relay(tmp_path: Path) -> Iterator[StartRelay]:
    """Starts relays of a test, by default on one database file; checks their logs at the end."""
    started: list[RelayProcess] = []

    def start(**options: Any) -> RelayProcess:
        started.append(RelayProcess(tmp_path, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
    assert [complaint for process in started for complaint in process.complaints()] == []


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connects users, by default new ones to the shared relay, and hangs up at the end.

    `connect("client")`, `connect("serviceman", "s-4", to=process.address, since=0)`.
    """
    opened: list[Client] = []

    def open_(role: str, user_id: str | None = None, *, to: Address | None = None, **details: Any) -> Client:
        address = to or request.getfixturevalue("relay")
        opened.append(Client(address, role, user_id or fresh(role[0]), **details))
        return opened[-1]

    yield open_
    for client in opened:
        client.close()


@pytest.fixture
def order(connect: Connect) -> Order:
    """A new order, not placed yet, between two new users on the shared relay."""
    return Order(connect("client"), connect("serviceman"))
