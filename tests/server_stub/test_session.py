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
from server_stub.ledger.ledger import Ledger
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.ledger.store import LedgerError
from server_stub.observer import Observers, RelayObserver
from server_stub.rate_limit import RateLimit
from server_stub.records import Duplicate, Entry, FeedStart, Submission
from server_stub.session import SessionContext, UserSession
from socket_bloc.order_flow import ORDER_FLOW
from socket_bloc.order_status import Rejection, RejectionCode
from tests.server_stub.support import CLIENT, send_frame, submission


class FakeConnection:
    """A connection that a test makes writable or not; it holds what was sent."""

    peer = "nowhere"

    def __init__(self) -> None:
        self.is_writable = True
        self.room = 10**9
        self.frames: list[dict[str, Any]] = []
        self.failed_with: int | None = None

    def send(self, text: bytes) -> None:
        self.frames.append(json.loads(text))
        self.room -= 1
        self.is_writable = self.room > 0

    def fail(self, code: int, reason: str) -> None:
        self.failed_with = code
        self.is_writable = False


class Room:
    """A session over such a connection; its writer is the test itself."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.connection = FakeConnection()
        self.submitted: list[tuple[Submission, Reply]] = []
        self.rate_limit = RateLimit(0, 0)
        self.here: list[UserSession] = []

    def submit(self, wanted: Submission, reply: Reply) -> None:
        self.submitted.append((wanted, reply))

    def open(self, feed: FeedStart) -> UserSession:
        context = SessionContext(
            ledger=self.ledger,
            writer=cast(Any, self),
            flow=ORDER_FLOW,
            observers=Observers(RelayObserver(), None),
            rate_limit=self.rate_limit,
            loop=asyncio.get_running_loop(),
            joined=self.here.append,
            left=self.here.remove,
        )
        session = UserSession(context, cast(Any, self.connection), CLIENT, feed)
        session.opened()
        return session

    def commit(self, count: int = 1) -> list[Entry]:
        """Commit so many orders of the user, without telling the session."""
        start = len(self.ledger.read_feed(CLIENT, 0, 10_000)) + 1
        submissions = [submission(CLIENT, f"m-{n}", order_id=f"o-{n}") for n in range(start, start + count)]
        outcomes = self.ledger.stage(submissions)
        self.ledger.commit()
        self.ledger.after_commit()
        return [outcome for outcome in outcomes if isinstance(outcome, Entry)]

    @property
    def seqs(self) -> list[int]:
        """The numbers of the statuses that were sent, in order."""
        return [frame["seq"] for frame in self.connection.frames if frame["type"] == "status"]

    @property
    def rejections(self) -> list[tuple[str | None, str]]:
        return [(f["messageId"], f["code"]) for f in self.connection.frames if f["type"] == "rejected"]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    ledger = Ledger(SqliteStore(str(tmp_path / "orders.db")), ORDER_FLOW)
    yield Room(ledger)
    ledger.close()


def _offer(session: UserSession, entry: Entry) -> None:
    session.offer(entry.sender_seq, status_without_seq(entry))


async def _turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_says_welcome_and_then_what_is_missing(room: Room) -> None:
    room.commit(5)
    session = room.open(FeedStart(2, 5, resumed=True))
    assert room.connection.frames[0] == {
        "type": "welcome",
        "userId": "c-1",
        "clientType": "client",
        "epoch": room.ledger.epoch,
        "after": 2,
        "head": 5,
        "resumed": True,
    }
    assert room.seqs == [3, 4, 5]
    assert room.here == [session]
    session.lost(1000)
    assert room.here == []


async def test_an_entry_that_is_the_next_is_pushed_and_an_old_one_is_not(room: Room) -> None:
    session = room.open(FeedStart(0, 0, resumed=True))
    (entry,) = room.commit()
    _offer(session, entry)
    _offer(session, entry)
    assert room.seqs == [1]
    assert room.connection.frames[1]["orderStatus"]["orderId"] == "o-1"


async def test_a_gap_is_filled_from_the_ledger(room: Room) -> None:
    session = room.open(FeedStart(0, 0, resumed=True))
    entries = room.commit(4)
    _offer(session, entries[2])
    assert room.seqs == [1, 2, 3, 4]
    _offer(session, entries[3])
    assert room.seqs == [1, 2, 3, 4]


async def test_one_who_does_not_read_gets_nothing_until_they_do(room: Room) -> None:
    session = room.open(FeedStart(0, 0, resumed=True))
    room.connection.is_writable = False
    for entry in room.commit(3):
        _offer(session, entry)
    assert room.seqs == []
    room.connection.is_writable = True
    session.drained()
    assert room.seqs == [1, 2, 3]


async def test_a_long_replay_stops_where_it_is_not_read_and_goes_on_from_there(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "PAGE", 3)
    room.commit(10)
    room.connection.room = 6  # the welcome, and five statuses
    session = room.open(FeedStart(0, 10, resumed=True))
    await _turns()
    assert room.seqs == [1, 2, 3, 4, 5]
    room.connection.room = 2
    room.connection.is_writable = True
    session.drained()
    await _turns()
    assert room.seqs == [1, 2, 3, 4, 5, 6, 7]
    room.connection.room = 100
    room.connection.is_writable = True
    session.drained()
    await _turns()
    assert room.seqs == list(range(1, 11))


async def test_between_two_pages_others_have_their_turn_and_what_comes_meanwhile_is_in_order(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "PAGE", 3)
    room.commit(7)
    session = room.open(FeedStart(0, 7, resumed=True))
    assert room.seqs == [1, 2, 3]
    (entry,) = room.commit()
    _offer(session, entry)
    await _turns(1)
    assert room.seqs == [1, 2, 3, 4, 5, 6]
    await _turns()
    assert room.seqs == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_repeated_send_is_answered_once_the_feed_has_passed_it(room: Room) -> None:
    entries = room.commit(3)
    session = room.open(FeedStart(0, 3, resumed=True))
    session.received(send_frame("m-2", order_id="o-2"))
    ((wanted, reply),) = room.submitted
    reply(wanted, Duplicate(entries[1]))
    assert room.seqs == [1, 2, 3, 2]


async def test_a_repeated_send_waits_for_a_feed_that_is_behind(room: Room) -> None:
    entries = room.commit(3)
    room.connection.room = 2  # the welcome, and one status
    session = room.open(FeedStart(0, 3, resumed=True))
    for number in (3, 2, 1):
        session.received(send_frame(f"m-{number}", order_id=f"o-{number}"))
    for (wanted, reply), entry in zip(room.submitted, reversed(entries), strict=True):
        reply(wanted, Duplicate(entry))
    assert room.seqs == [1, 1]
    room.connection.room = 100
    room.connection.is_writable = True
    session.drained()
    assert room.seqs == [1, 1, 2, 2, 3, 3]


async def test_a_feed_that_cannot_be_read_closes_the_connection(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> list[Entry]:
        raise LedgerError("disk I/O error")

    room.commit()
    monkeypatch.setattr(room.ledger, "read_feed", broken)
    room.open(FeedStart(0, 1, resumed=True))
    assert room.connection.failed_with == 1011


async def test_a_send_becomes_a_draft_with_what_the_rules_say_of_it(room: Room) -> None:
    session = room.open(FeedStart(0, 0, resumed=True))
    session.received(send_frame("m-1"))
    session.received(send_frame("m-2", receiver_id="c-1"))
    (first, _), (second, reply) = room.submitted
    assert first == submission(CLIENT, "m-1")
    assert second.refusal is not None
    assert room.rejections == []
    reply(second, Rejection(RejectionCode.WRONG_RECEIVER, "receiver_id", "no", 1001))
    assert room.rejections == [("m-2", "wrongReceiver")]
    assert room.connection.frames[-1]["currentStatus"] == 1001


async def test_what_is_over_the_rate_is_refused_and_malformed_stays_malformed(room: Room) -> None:
    room.rate_limit = RateLimit(0.001, 2)
    session = room.open(FeedStart(0, 0, resumed=True))
    for text in (send_frame("m-1"), "{}", send_frame("m-3"), '{"type":"send","messageId":"m-4"}'):
        session.received(text)
    assert [wanted.message_id for wanted, _reply in room.submitted] == ["m-1"]
    assert room.rejections == [(None, "malformed"), ("m-3", "rateLimited"), ("m-4", "malformed")]


async def test_the_20th_malformed_frame_is_answered_and_ends_the_connection(room: Room) -> None:
    session = room.open(FeedStart(0, 0, resumed=True))
    for _ in range(19):
        session.received("{}")
        session.received('{"type":"hello"}')
    assert room.connection.failed_with is None
    session.received("[]")
    assert [code for _id, code in room.rejections].count("malformed") == 20
    assert room.connection.failed_with == 1008
