"""The session: its connection, its clock, and what it announces.

Each row of the session's table has a test that is named after it. Those of lost connections are in
`test_disconnect`, of the feed in `test_cursor`, of the sends in `test_sends`.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from socket_bloc.errors import NoSocketError
from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.order_status import ClientType, OrderStatus, StatusCode
from socket_bloc.outbox import MemoryOutbox
from socket_bloc.session.disconnect import Closed
from socket_bloc.session.effects import Close, Open, Reconnecting
from socket_bloc.session.session import Session
from socket_bloc.session.state import BackingOff, Connecting, Live, Offline, Synchronising
from socket_bloc.states import (
    SocketConnectState,
    SocketDisconnectState,
)
from tests.socket_bloc.driver import (
    Build,
    Driver,
    backing_off,
    connecting,
    linked,
    live,
    offline,
    own,
    refused,
    rejected,
    status,
    synchronising,
    welcome,
    with_a_socket,
    without_a_socket,
)
from tests.socket_bloc.simulation import CLIENT, SERVICEMAN, URI, cancelled, placed

# The rows of the table


def test_offline_connect() -> None:
    driver = offline()
    assert driver.connect() == ["open"]
    assert driver.session.state == Connecting(1)
    session = Session(CLIENT, ClientType.CLIENT, MemoryOutbox(), uris=[URI], jitter=float)
    assert session.connect() == [Open(1, URI, since=None, epoch=None)]


def test_offline_connect_the_first() -> None:
    driver = offline(placed("o-1", "m-1"), placed("o-2", "m-2"), cancelled("o-1", "m-3"))
    assert driver.connect() == ["queued m-1", "queued m-2", "queued m-3", "open"]
    driver.disconnect()
    assert driver.connect() == ["open"]


def test_connecting_opened() -> None:
    driver = offline()
    driver.connect()
    assert driver.due_in is None
    assert driver.opened() == []
    assert driver.session.state == Connecting(1, driver.now + 10)
    assert driver.due_in == 10


def test_connecting_welcome_with_after_below_head() -> None:
    driver = connecting(placed("o-1", "m-1"))
    assert driver.receive(welcome(1, 3, resumed=False)) == ["connected"]
    assert driver.effects == [SocketConnectState(resumed=False, epoch="e1")]
    assert driver.session.state == Synchronising(1, 3, driver.now + 10)
    assert driver.receive(status(2)) == ["status 2"]


def test_connecting_welcome_with_after_equal_to_head() -> None:
    driver = connecting(placed("o-1", "m-1"), placed("o-2", "m-2"), cancelled("o-1", "m-3"))
    assert driver.receive(welcome(3)) == ["connected", "transmit m-1", "transmit m-2"]
    assert driver.session.state == Live(1, driver.now)


def test_connecting_welcome_overdue() -> None:
    driver = connecting()
    assert driver.wait(9.9) == []
    assert driver.wait(0.1) == ["close", "reconnecting in 0.5"]
    assert driver.state is BackingOff


def test_synchronising_status_at_head() -> None:
    driver = synchronising(placed("o-1", "m-1"))
    assert driver.receive(status(1)) == ["status 1"]
    assert driver.state is Synchronising
    assert driver.receive(status(2)) == ["status 2", "transmit m-1"]
    assert driver.session.state == Live(1, driver.now)


def test_synchronising_nothing_for_10_s() -> None:
    driver = synchronising()
    driver.wait(9)
    driver.receive(status(1))
    assert driver.wait(9.9) == []
    assert driver.wait(0.1) == ["close", "reconnecting in 0.5"]
    assert driver.session.state == BackingOff(driver.now + 0.5)


@linked
@pytest.mark.parametrize("text", ["nonsense", '{"type":"news"}', '{"type":"status"}', b"\xff"])
def test_linked_any_other_invalid_frame(build: Build, text: str | bytes) -> None:
    driver = build()
    before = driver.session.state
    assert driver.receive(text) == ["violation"]
    assert driver.session.state == before


def test_backing_off_the_delay_is_over() -> None:
    driver = backing_off()
    assert driver.wait(0.4) == []
    assert driver.wait(0.1) == ["open"]
    assert driver.session.state == Connecting(2)


def test_backing_off_connect() -> None:
    driver = backing_off()
    assert driver.connect() == ["open"]
    assert driver.session.state == Connecting(2)


def test_refused_connect() -> None:
    driver = refused()
    assert driver.connect() == ["open"]
    assert driver.session.state == Connecting(2)


@with_a_socket
def test_with_a_socket_disconnect(build: Build) -> None:
    driver = build()
    closes = ["close"] * (driver.state is not BackingOff)
    assert driver.disconnect() == [*closes, "disconnected"]
    assert driver.state is Offline


@without_a_socket
def test_without_a_socket_disconnect(build: Build) -> None:
    driver = build()
    state = driver.session.state
    with pytest.raises(NoSocketError):
        driver.disconnect()
    assert driver.session.state == state


# Beside the table


@linked
def test_linked_connect_changes_nothing(build: Build) -> None:
    driver = build()
    state = driver.session.state
    assert driver.connect() == []
    assert driver.session.state == state


def test_only_a_welcome_makes_a_connection() -> None:
    builds = [offline, connecting, synchronising, live, backing_off, refused]
    assert [build().session.is_connected for build in builds] == [False, False, True, True, False, False]
    assert [build().session.has_socket for build in builds] == [False, True, True, True, True, False]


def test_a_second_welcome_and_a_status_before_the_first_are_violations() -> None:
    driver = connecting()
    assert driver.receive(status(1)) == ["violation"]
    assert driver.receive(welcome()) == ["connected"]
    assert driver.receive(welcome(5)) == ["violation"]
    assert driver.receive(status(1)) == ["status 1"]


@linked
def test_what_belongs_to_an_older_attempt_is_dropped(build: Build) -> None:
    driver = build(placed("o-1", "m-1"))
    driver.disconnect()
    driver.connect()
    state = driver.session.state
    assert driver.opened(attempt=1) == driver.receive(welcome(), attempt=1) == driver.lose(attempt=1) == []
    driver.opened()
    driver.receive(welcome())
    assert driver.receive(own(1, "m-1"), attempt=1) == driver.receive("nonsense", attempt=1) == []
    assert driver.lose(Closed(4500), attempt=1) == []
    assert state == Connecting(2)
    assert driver.state is Live
    assert len(driver.outbox) == 1


@pytest.mark.parametrize("build", [offline, backing_off, refused])
def test_what_belongs_to_an_attempt_that_has_ended_is_dropped(build: Build) -> None:
    driver = build(placed("o-1", "m-1"))
    state = driver.session.state
    for effects in (driver.opened(1), driver.receive(welcome(), 1), driver.lose(Closed(4500), 1)):
        assert effects == []
    assert driver.session.state == state


def test_an_attempt_is_opened_once() -> None:
    driver = connecting()
    driver.wait(5)
    driver.opened()
    assert driver.due_in == 5


def test_the_deadline_is_when_something_is_next_due() -> None:
    driver = live()
    assert [build().due_in for build in (offline, refused)] == [None, None]
    assert (connecting().due_in, synchronising().due_in, backing_off().due_in) == (10, 10, 0.5)
    assert driver.due_in is None
    driver.send(placed("o-1", "m-1"))
    driver.wait(1)
    driver.send(placed("o-2", "m-2"))
    assert driver.due_in == 19
    driver.receive(rejected("m-2", "rateLimited"))
    assert driver.due_in == 0.5
    driver.wait(0.5)
    assert driver.due_in == 18.5


def test_live_after_a_disconnect_there_is_one_deadline_after_30_s() -> None:
    driver = backing_off()
    driver.reconnect(welcome())
    assert driver.due_in == 30
    driver.wait(30)
    assert driver.due_in is None


def test_a_status_is_passed_on_with_all_its_fields() -> None:
    driver = live()
    driver.receive(status(1, "m-9"))
    order_status = OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1", message="Hello", sender_id=SERVICEMAN)
    at = datetime(2026, 11, 22, 10, 1, 12, 345678, UTC)
    assert driver.effects == [SocketReceiveDataEvent(order_status, "m-9", 1, at)]


def test_a_connection_that_the_session_gives_up_is_closed_with_1000_and_the_reason() -> None:
    silent, in_a_gap, unanswered = connecting(), live(), live(placed("o-1", "m-1"))
    too_late = Driver(full_history=True)
    too_late.connect()
    silent.wait(10)
    in_a_gap.receive(status(2))
    unanswered.wait(20)
    too_late.receive(welcome(4, resumed=False))
    for driver, reason in (
        (silent, "the relay is silent"),
        (in_a_gap, "the feed has a gap after 0"),
        (unanswered, "the relay does not answer"),
        (too_late, "requesting the history from its start"),
    ):
        assert driver.effects[-2:] == [Close(1000, reason), Reconnecting(1, 0.5, reason)]


def test_a_disconnect_closes_with_1000_and_without_a_reason() -> None:
    driver = live()
    driver.disconnect()
    assert driver.effects == [Close(1000, ""), SocketDisconnectState()]
