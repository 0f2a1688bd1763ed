"""The session: its connection, its clock, and what it says; and the driver that tries it here and elsewhere.

The rows of the session's table have a test each, named after the row: those of a lost connection stand
in `test_loss`, those of the feed in `test_feed`, those of the sends in `test_delivery`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import assert_never

import pytest

from socket_bloc.errors import NoSocketError
from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.order_status import OrderStatus, StatusCode
from socket_bloc.outbox import MemoryOutbox, Send
from socket_bloc.session.disconnect import Closed, HttpRefused, Loss
from socket_bloc.session.effects import Close, Effect, Open, Reconnecting, Report, Transmit
from socket_bloc.session.session import Session
from socket_bloc.session.state import BackingOff, Connecting, Live, Offline, Synchronising
from socket_bloc.states import (
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDisconnectState,
    SocketRefusedState,
)
from tests.socket_bloc.simulation import CLIENT, SERVICEMAN, cancelled, placed

AT = "2026-11-22T10:01:12.345678Z"
CUT = Closed(1006, "without a word")


# Frames of the relay, as texts


def welcome(after: int = 0, head: int | None = None, *, resumed: bool = True, epoch: str = "e1") -> str:
    """A welcome; without a `head`, of one who has missed nothing."""
    head = after if head is None else head
    frame = {"type": "welcome", "userId": CLIENT, "clientType": "client", "epoch": epoch}
    return json.dumps(frame | {"after": after, "head": head, "resumed": resumed})


def status(seq: int, message_id: str = "theirs", sender: str = SERVICEMAN) -> str:
    """An entry of the feed; of the serviceman, or else of the client."""
    name, number = ("ACCEPTED", 1004) if sender == SERVICEMAN else ("PLACED", 1001)
    order_status = {"orderStatusAsString": name, "orderStatusAsInt": number, "message": "Hello"}
    ids = {"senderId": sender, "receiverId": None, "orderId": "o-1"}
    frame = {"type": "status", "seq": seq, "messageId": message_id, "at": AT}
    return json.dumps(frame | {"orderStatus": order_status | ids})


def own(seq: int, message_id: str) -> str:
    """An entry of the feed that this client has sent."""
    return status(seq, message_id, CLIENT)


def rejected(message_id: str | None, code: str = "illegalTransition", current: int | None = None) -> str:
    """A rejection."""
    frame = {"type": "rejected", "messageId": message_id, "code": code}
    return json.dumps(frame | {"reason": "not now", "currentStatus": current})


def word(effect: Effect) -> str:
    """An effect in the words of the table."""
    match effect:
        case Open(_, since, epoch):
            start = "" if since is None else f" from {since}"
            return f"open{start}" + ("" if epoch is None else f" of {epoch}")
        case Transmit(text):
            return f"transmit {json.loads(text)['messageId']}"
        case Close():
            return "close"
        case Reconnecting(_, delay):
            return f"reconnecting in {delay:g}"
        case Report():
            return "report"
        case SocketConnectState():
            return "connected"
        case SocketRefusedState():
            return "refused"
        case SocketDisconnectState():
            return "disconnected"
        case SocketDataQueuedState(_, message_id):
            return f"queued {message_id}"
        case SocketDataRejectedState(_, message_id):
            return f"rejected {message_id}"
        case SocketReceiveDataEvent(seq=seq):
            return f"status {seq}"
        case _:
            assert_never(effect)


class Driver:
    """A session with its outbox, and a clock that stands still until the test waits.

    What is told to the session is answered with the effects, in words; `effects` has the last ones.
    """

    def __init__(self, *unsettled: Send, jitter: float = 1.0, full_history: bool = False) -> None:
        self.outbox = MemoryOutbox()
        for send in unsettled:
            self.outbox.add(send)
        self.session = Session(CLIENT, self.outbox, jitter=lambda: jitter, full_history=full_history)
        self.now = 1000.0
        self.attempt = 0
        self.effects: list[Effect] = []

    @property
    def state(self) -> type:
        return type(self.session.state)

    @property
    def due_in(self) -> float | None:
        """Seconds until the session wants to look at the clock."""
        deadline = self.session.deadline
        return None if deadline is None else deadline - self.now

    def connect(self) -> list[str]:
        return self._did(self.session.connect())

    def disconnect(self) -> list[str]:
        return self._did(self.session.disconnect())

    def send(self, send: Send) -> list[str]:
        self.outbox.add(send)
        return self._did(self.session.send(send, self.now))

    def opened(self, attempt: int | None = None) -> list[str]:
        return self._did(self.session.opened(attempt or self.attempt, self.now))

    def receive(self, text: str | bytes, attempt: int | None = None) -> list[str]:
        return self._did(self.session.received(attempt or self.attempt, text, self.now))

    def lose(self, loss: Loss = CUT, attempt: int | None = None) -> list[str]:
        return self._did(self.session.lost(attempt or self.attempt, loss, self.now))

    def wait(self, seconds: float) -> list[str]:
        self.now += seconds
        return self._did(self.session.tick(self.now))

    def reconnect(self, text: str) -> list[str]:
        """Connect at once, up to the welcome that is given; answers with what that one leads to."""
        self.connect()
        self.opened()
        return self.receive(text)

    def _did(self, effects: list[Effect]) -> list[str]:
        self.effects = effects
        for effect in effects:
            if isinstance(effect, Open):
                self.attempt = effect.attempt
        return [word(effect) for effect in effects]


# A driver in each state


def offline(*unsettled: Send) -> Driver:
    return Driver(*unsettled)


def connecting(*unsettled: Send) -> Driver:
    driver = Driver(*unsettled)
    driver.connect()
    driver.opened()
    return driver


def synchronising(*unsettled: Send, head: int = 2) -> Driver:
    driver = connecting(*unsettled)
    driver.receive(welcome(0, head))
    return driver


def live(*unsettled: Send) -> Driver:
    driver = connecting(*unsettled)
    driver.receive(welcome())
    return driver


def backing_off(*unsettled: Send) -> Driver:
    driver = connecting(*unsettled)
    driver.lose()
    return driver


def refused(*unsettled: Send) -> Driver:
    driver = connecting(*unsettled)
    driver.lose(HttpRefused(403, "not you"))
    return driver


Build = Callable[..., Driver]

welcomed = pytest.mark.parametrize("build", [synchronising, live])
linked = pytest.mark.parametrize("build", [connecting, synchronising, live])
with_a_socket = pytest.mark.parametrize("build", [connecting, synchronising, live, backing_off])
without_a_socket = pytest.mark.parametrize("build", [offline, refused])


# The rows of the table


def test_offline_connect() -> None:
    driver = offline()
    assert driver.connect() == ["open"]
    assert driver.session.state == Connecting(1)
    assert Session(CLIENT, MemoryOutbox(), jitter=float).connect() == [Open(1, since=None, epoch=None)]


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


def test_connecting_the_welcome_is_overdue() -> None:
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
@pytest.mark.parametrize("text", ["nonsense", '{"type":"rumour"}', '{"type":"status"}', b"\xff"])
def test_linked_any_other_frame_without_sense(build: Build, text: str | bytes) -> None:
    driver = build()
    before = driver.session.state
    assert driver.receive(text) == ["report"]
    assert driver.session.state == before


def test_backing_off_its_time_has_come() -> None:
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


def test_a_second_welcome_and_a_status_before_the_first_are_out_of_place() -> None:
    driver = connecting()
    assert driver.receive(status(1)) == ["report"]
    assert driver.receive(welcome()) == ["connected"]
    assert driver.receive(welcome(5)) == ["report"]
    assert driver.receive(status(1)) == ["status 1"]


@linked
def test_what_comes_from_an_older_attempt_is_dropped(build: Build) -> None:
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
def test_what_comes_from_an_attempt_that_has_ended_is_dropped(build: Build) -> None:
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


def test_the_clock_is_looked_at_when_something_is_due() -> None:
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


def test_live_after_a_loss_the_clock_is_looked_at_after_30_s_and_no_more() -> None:
    driver = backing_off()
    driver.reconnect(welcome())
    assert driver.due_in == 30
    driver.wait(30)
    assert driver.due_in is None


def test_a_status_is_told_whole() -> None:
    driver = live()
    driver.receive(status(1, "m-9"))
    order_status = OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1", message="Hello", sender_id=SERVICEMAN)
    at = datetime(2026, 11, 22, 10, 1, 12, 345678, UTC)
    assert driver.effects == [SocketReceiveDataEvent(order_status, "m-9", 1, at)]


def test_a_connection_that_is_left_is_closed_with_1000_and_says_why() -> None:
    unwelcome, in_a_gap, unanswered = connecting(), live(), live(placed("o-1", "m-1"))
    too_late = Driver(full_history=True)
    too_late.connect()
    unwelcome.wait(10)
    in_a_gap.receive(status(2))
    unanswered.wait(20)
    too_late.receive(welcome(4, resumed=False))
    for driver, reason in (
        (unwelcome, "the relay is silent"),
        (in_a_gap, "the feed has a gap after 0"),
        (unanswered, "the relay does not answer"),
        (too_late, "the history is asked for from its beginning"),
    ):
        assert driver.effects[-2:] == [Close(1000, reason), Reconnecting(1, 0.5, reason)]


def test_a_disconnect_closes_with_1000_and_without_a_word() -> None:
    driver = live()
    driver.disconnect()
    assert driver.effects == [Close(1000, ""), SocketDisconnectState()]


# What makes no sense is reported


@linked
def test_each_problem_is_reported_once(build: Build) -> None:
    driver = build()
    assert driver.receive('{"type":"rumour"}') == ["report"]
    assert driver.receive('{"type":"gossip"}') == ["report"]
    assert driver.receive('{"type":"rumour"}') == []
    driver.lose()
    driver.reconnect(welcome())
    assert driver.receive('{"type":"gossip"}') == []


def test_no_more_than_100_problems_are_reported() -> None:
    driver = live()
    reports = [driver.receive(json.dumps({"type": f"rumour {number}"})) for number in range(150)]
    assert reports == [["report"]] * 100 + [[]] * 50


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "a frame of type None cannot be read: it is no JSON"),
        ('{"type":"rumour"}', "a frame of type 'rumour' cannot be read: its type is unknown"),
        ('{"type":"status"}', "a frame of type 'status' cannot be read: seq: Field required"),
        (welcome(), "a frame of type 'welcome' is out of place"),
    ],
)
def test_a_report_says_what_is_wrong(text: str, problem: str) -> None:
    driver = live()
    driver.receive(text)
    assert driver.effects == [Report(problem)]


@pytest.mark.parametrize(
    ("message_id", "problem"),
    [(None, "the relay rejects what it does not name"), ("m-9", "the relay rejects what was not sent")],
)
def test_a_report_of_a_rejection_that_fits_nothing_has_its_code(message_id: str | None, problem: str) -> None:
    driver = live()
    driver.receive(rejected(message_id, "wrongRole"))
    (effect,) = driver.effects
    assert isinstance(effect, Report)
    assert effect.problem.startswith(problem)
    assert "wrongRole" in effect.problem


@pytest.mark.parametrize("message_id", [None, "m-9"])
def test_a_report_of_an_unknown_code_is_one_short_line(message_id: str | None) -> None:
    driver = live()
    driver.receive(rejected(message_id, "a code\n" * 1000))
    (effect,) = driver.effects
    assert isinstance(effect, Report)
    assert len(effect.problem) < 200
    assert effect.problem.isprintable()
