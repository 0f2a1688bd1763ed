from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from server_stub import session as session_module
from server_stub.frames.outgoing import status_without_seq
from server_stub.ledger.group_commit import Reply
from server_stub.ledger.store import LedgerError
from server_stub.observer import Observers, RelayObserver
from server_stub.rate_limit import RateLimit
from server_stub.records import Duplicate, Entry, FeedStart, Submission
from server_stub.session import SessionContext, UserSession
from server_stub.wire.deadlines import TimerWheel
from socket_bloc.order_flow import ORDER_FLOW
from socket_bloc.order_status import Rejection, RejectionCode
from tests.server_stub.support import CLIENT, Clock, LedgerHarness, send_frame, submission


class FakeConnection:
    """A connection that a test makes writable or not; it holds what was sent."""

    peer = "nowhere"

    def __init__(self) -> None:
        self.is_writable = True
        self.is_held = False
        self.released = asyncio.Event()
        self.capacity = 10**9
        self.frames: list[dict[str, Any]] = []
        self.failed_with: int | None = None
        self.closed_with: int | None = None

    def send(self, text: bytes) -> None:
        self.frames.append(json.loads(text))
        self.capacity -= 1
        self.is_writable = self.capacity > 0

    def fail(self, code: int, reason: str) -> None:
        self.failed_with = code
        self.is_writable = False

    def hold(self) -> None:
        self.is_held = True

    def release(self) -> None:
        self.is_held = False
        self.released.set()

    def close(self, code: int, reason: str) -> None:
        self.closed_with = code
        self.is_writable = False


class SessionHarness:
    """A session over such a connection; its writer is the test itself."""

    def __init__(self, ledger: LedgerHarness) -> None:
        self.ledger = ledger
        self.connection = FakeConnection()
        self.submitted: list[tuple[Submission, Reply]] = []
        self.rate_limit = RateLimit(0, 0)
        self.clock = Clock()
        self.expiries = TimerWheel(self.clock)
        self.here: list[UserSession] = []

    def submit(self, wanted: Submission, reply: Reply) -> None:
        self.submitted.append((wanted, reply))

    def open(self, feed: FeedStart, expires: float | None = None) -> UserSession:
        context = SessionContext(
            feeds=self.ledger.feeds,
            writer=cast(Any, self),
            flow=ORDER_FLOW,
            observers=Observers(RelayObserver(), None),
            rate_limit=self.rate_limit,
            expiries=self.expiries,
            loop=asyncio.get_running_loop(),
            joined=self.here.append,
            left=self.here.remove,
        )
        session = UserSession(context, cast(Any, self.connection), CLIENT, feed, expires)
        session.opened()
        return session

    def close_code_at(self, seconds: float) -> int | None:
        """The code that the connection was closed with, once the clock shows so many seconds."""
        self.clock.seconds = seconds
        self.expiries.advance()
        return self.connection.closed_with

    def commit(self, count: int = 1) -> list[Entry]:
        """Commit so many orders of the user, without notifying the session."""
        start = len(self.ledger.feed(CLIENT)) + 1
        submissions = [submission(CLIENT, f"m-{n}", order_id=f"o-{n}") for n in range(start, start + count)]
        outcomes = self.ledger.commit(*submissions)
        return [outcome for outcome in outcomes if isinstance(outcome, Entry)]

    @property
    def seqs(self) -> list[int]:
        """The numbers of the statuses that were sent, in order."""
        return [frame["seq"] for frame in self.connection.frames if frame["type"] == "status"]

    @property
    def rejections(self) -> list[tuple[str | None, str]]:
        return [(f["messageId"], f["code"]) for f in self.connection.frames if f["type"] == "rejected"]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[SessionHarness]:
    ledger = LedgerHarness(tmp_path / "orders.db")
    yield SessionHarness(ledger)
    ledger.store.close()


def _offer(session: UserSession, entry: Entry) -> None:
    session.offer(entry.sender_seq, status_without_seq(entry))


async def _turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_session_sends_the_welcome_and_then_what_is_missing(harness: SessionHarness) -> None:
    harness.commit(5)
    session = harness.open(FeedStart(2, 5, resumed=True))
    assert harness.connection.frames[0] == {
        "type": "welcome",
        "userId": "c-1",
        "clientType": "client",
        "epoch": harness.ledger.feeds.epoch,
        "after": 2,
        "head": 5,
        "resumed": True,
    }
    assert harness.seqs == [3, 4, 5]
    assert harness.here == [session]
    session.lost(1000)
    assert harness.here == []


async def test_the_next_entry_is_pushed_and_an_old_one_is_not(harness: SessionHarness) -> None:
    session = harness.open(FeedStart(0, 0, resumed=True))
    (entry,) = harness.commit()
    _offer(session, entry)
    _offer(session, entry)
    assert harness.seqs == [1]
    assert harness.connection.frames[1]["orderStatus"]["orderId"] == "o-1"


async def test_a_gap_is_filled_from_the_ledger(harness: SessionHarness) -> None:
    session = harness.open(FeedStart(0, 0, resumed=True))
    entries = harness.commit(4)
    _offer(session, entries[2])
    assert harness.seqs == [1, 2, 3, 4]
    _offer(session, entries[3])
    assert harness.seqs == [1, 2, 3, 4]


async def test_a_client_that_does_not_read_is_sent_nothing_until_it_does(harness: SessionHarness) -> None:
    session = harness.open(FeedStart(0, 0, resumed=True))
    harness.connection.is_writable = False
    for entry in harness.commit(3):
        _offer(session, entry)
    assert harness.seqs == []
    harness.connection.is_writable = True
    session.drained()
    assert harness.seqs == [1, 2, 3]


async def test_a_long_replay_pauses_when_it_is_not_read_and_continues_from_there(
    harness: SessionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "PAGE", 3)
    harness.commit(10)
    harness.connection.capacity = 6  # the welcome, and five statuses
    session = harness.open(FeedStart(0, 10, resumed=True))
    await _turns()
    assert harness.seqs == [1, 2, 3, 4, 5]
    harness.connection.capacity = 2
    harness.connection.is_writable = True
    session.drained()
    await _turns()
    assert harness.seqs == [1, 2, 3, 4, 5, 6, 7]
    harness.connection.capacity = 100
    harness.connection.is_writable = True
    session.drained()
    await _turns()
    assert harness.seqs == list(range(1, 11))


async def test_other_connections_run_between_two_pages_and_new_entries_stay_in_order(
    harness: SessionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "PAGE", 3)
    harness.commit(7)
    session = harness.open(FeedStart(0, 7, resumed=True))
    assert harness.seqs == [1, 2, 3]
    (entry,) = harness.commit()
    _offer(session, entry)
    await _turns(1)
    assert harness.seqs == [1, 2, 3, 4, 5, 6]
    await _turns()
    assert harness.seqs == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_duplicate_send_is_answered_once_the_feed_has_passed_it(harness: SessionHarness) -> None:
    entries = harness.commit(3)
    session = harness.open(FeedStart(0, 3, resumed=True))
    session.received(send_frame("m-2", order_id="o-2"))
    ((wanted, reply),) = harness.submitted
    reply(wanted, Duplicate(entries[1]))
    assert harness.seqs == [1, 2, 3, 2]


async def test_the_answer_to_a_duplicate_waits_for_a_feed_that_is_behind(harness: SessionHarness) -> None:
    entries = harness.commit(3)
    harness.connection.capacity = 2  # the welcome, and one status
    session = harness.open(FeedStart(0, 3, resumed=True))
    for number in (3, 2, 1):
        session.received(send_frame(f"m-{number}", order_id=f"o-{number}"))
    for (wanted, reply), entry in zip(harness.submitted, reversed(entries), strict=True):
        reply(wanted, Duplicate(entry))
    assert harness.seqs == [1, 1]
    harness.connection.capacity = 100
    harness.connection.is_writable = True
    session.drained()
    assert harness.seqs == [1, 1, 2, 2, 3, 3]


async def test_an_unreadable_feed_closes_the_connection(
    harness: SessionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> list[Entry]:
        raise LedgerError("disk I/O error")

    harness.commit()
    monkeypatch.setattr(harness.ledger.feeds, "page", broken)
    harness.open(FeedStart(0, 1, resumed=True))
    assert harness.connection.failed_with == 1011


async def test_a_send_becomes_a_submission_with_the_result_of_the_rules(harness: SessionHarness) -> None:
    session = harness.open(FeedStart(0, 0, resumed=True))
    session.received(send_frame("m-1"))
    session.received(send_frame("m-2", receiver_id="c-1"))
    (first, _), (second, reply) = harness.submitted
    assert first == submission(CLIENT, "m-1")
    assert second.refusal is not None
    assert harness.rejections == []
    reply(second, Rejection(RejectionCode.WRONG_RECEIVER, "receiver_id", "no", 1001))
    assert harness.rejections == [("m-2", "wrongReceiver")]
    assert harness.connection.frames[-1]["currentStatus"] == 1001


async def test_a_frame_over_the_rate_is_rejected_before_it_is_parsed(harness: SessionHarness) -> None:
    harness.rate_limit = RateLimit(0.001, 2)
    session = harness.open(FeedStart(0, 0, resumed=True))
    for text in (send_frame("m-1"), "{}", send_frame("m-3"), '{"type":"send","messageId":"m-4"}'):
        session.received(text)
    assert [wanted.message_id for wanted, _reply in harness.submitted] == ["m-1"]
    assert harness.rejections == [(None, "malformed"), ("m-3", "rateLimited"), ("m-4", "rateLimited")]


async def test_a_connection_is_not_read_once_as_much_was_refused_as_the_burst_allows(
    harness: SessionHarness,
) -> None:
    harness.rate_limit = RateLimit(50, 2)
    session = harness.open(FeedStart(0, 0, resumed=True))
    seen = 0
    while not harness.connection.is_held:
        session.received_other() if seen % 2 else session.received("{}")
        seen += 1
    assert seen >= 4
    async with asyncio.timeout(30):
        await harness.connection.released.wait()
    session.received(send_frame("m-1"))
    assert [wanted.message_id for wanted, _reply in harness.submitted] == ["m-1"]


async def test_a_connection_that_ends_while_it_is_held_is_not_released(harness: SessionHarness) -> None:
    harness.rate_limit = RateLimit(1000, 1)
    session = harness.open(FeedStart(0, 0, resumed=True))
    while not harness.connection.is_held:
        session.received("{}")
    session.lost(1006)
    await asyncio.sleep(0.01)
    assert harness.connection.is_held


async def test_the_20th_malformed_frame_is_answered_and_closes_the_connection(
    harness: SessionHarness,
) -> None:
    session = harness.open(FeedStart(0, 0, resumed=True))
    for _ in range(19):
        session.received("{}")
        session.received('{"type":"hello"}')
    assert harness.connection.failed_with is None
    session.received("[]")
    assert [code for _id, code in harness.rejections].count("malformed") == 20
    assert harness.connection.failed_with == 1008


async def test_a_connection_is_closed_when_its_token_expires_and_not_before(harness: SessionHarness) -> None:
    harness.open(FeedStart(0, 0, resumed=True), expires=2000.6)
    assert harness.close_code_at(2000.59) is None
    assert harness.close_code_at(2001.0) == 4001


async def test_a_wall_clock_that_is_set_neither_shortens_nor_extends_a_token(harness: SessionHarness) -> None:
    harness.open(FeedStart(0, 0, resumed=True), expires=2000)
    assert harness.close_code_at(1999) is None
    assert harness.close_code_at(500) is None
    assert harness.close_code_at(1999.9) is None
    assert harness.close_code_at(90_000) == 4001


@pytest.mark.parametrize("expires", [None, 253_402_300_799.9])
async def test_without_a_token_and_with_one_of_the_far_future_it_stays_open(
    harness: SessionHarness, expires: float | None
) -> None:
    harness.open(FeedStart(0, 0, resumed=True), expires=expires)
    assert harness.close_code_at(253_402_300_799) is None


async def test_a_connection_that_has_ended_does_not_expire(harness: SessionHarness) -> None:
    session = harness.open(FeedStart(0, 0, resumed=True), expires=2000)
    session.lost(1001)
    assert harness.close_code_at(3000) is None


async def test_a_token_that_expires_ends_a_replay(harness: SessionHarness) -> None:
    harness.commit(300)
    harness.open(FeedStart(0, 300, resumed=True), expires=2000)
    assert harness.close_code_at(2000) == 4001
    await _turns()
    assert harness.seqs == list(range(1, 129))  # the page of the first moment
