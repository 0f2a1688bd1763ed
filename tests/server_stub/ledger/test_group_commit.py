from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from server_stub.ledger import group_commit
from server_stub.ledger.group_commit import GroupCommit
from server_stub.ledger.ledger import Ledger
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.ledger.store import LedgerError
from server_stub.observer import Observers, RelayObserver
from server_stub.records import Duplicate, Entry, Outcome, Submission
from socket_bloc.order_flow import ORDER_FLOW
from socket_bloc.order_status import Rejection, RejectionCode, StatusCode
from tests.server_stub.support import CLIENT, SERVICEMAN, submission


class Disk(SqliteStore):
    """A store whose commits hang while `gate` is closed, and fail as long as there are `problems`."""

    def __init__(self, path: str, begun: Callable[[], None]) -> None:
        super().__init__(path)
        self.begun = begun
        self.gate = threading.Event()
        self.gate.set()
        self.commits = 0
        self.problems: list[Exception] = []

    def commit(self) -> None:
        self.commits += 1
        self.begun()
        self.gate.wait()
        if self.problems:
            raise self.problems.pop(0)
        super().commit()


class Desk(RelayObserver):
    """A group commit on such a disk, and all that it has told, in order."""

    def __init__(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self.disk = Disk(str(path / "orders.db"), lambda: loop.call_soon_threadsafe(self.changed.set))
        self.ledger = Ledger(self.disk, ORDER_FLOW)
        self.told: list[Any] = []
        self.batches: list[tuple[int, bool]] = []
        self.writer = GroupCommit(self.ledger, self.tell, Observers(self, None), loop)

    def tell(self, told: Any) -> None:
        self.told.append(told)
        self.changed.set()

    def batch_ended(self, size: int, seconds: float, failed: bool) -> None:
        self.batches.append((size, failed))
        self.changed.set()

    def submit(self, *submissions: Submission) -> None:
        for each in submissions:
            self.writer.submit(each, self.reply)

    def reply(self, told: Submission, outcome: Outcome) -> None:
        code = outcome.code if isinstance(outcome, Rejection) else outcome
        self.tell((told.message_id, code))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def until_told(self, count: int) -> list[Any]:
        """The message ids of the entries, and the answers of the others."""
        await self.until(lambda: len(self.told) >= count)
        assert len(self.told) == count, self.told
        return [each.message_id if isinstance(each, Entry) else each for each in self.told]

    @property
    def messages(self) -> list[str]:
        """What the client's feed holds."""
        return [entry.message_id for entry in self.ledger.read_feed(CLIENT, 0, 100)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.disk.gate.set()
    assert desk.writer.stop(10)


PLACED = submission(CLIENT, "placed")
ACCEPTED = submission(SERVICEMAN, "accepted", StatusCode.ACCEPTED)
STARTED = submission(CLIENT, "started", StatusCode.STARTED)
UNAVAILABLE = RejectionCode.UNAVAILABLE


async def test_what_comes_together_is_committed_together_and_told_in_order(desk: Desk) -> None:
    desk.submit(PLACED, submission(CLIENT, "again"), ACCEPTED, PLACED)
    told = await desk.until_told(4)
    entry = desk.ledger.read_feed(CLIENT, 0, 1)[0]
    assert told == ["placed", ("again", RejectionCode.ORDER_EXISTS), "accepted", ("placed", Duplicate(entry))]
    assert desk.disk.commits == 1
    assert desk.batches == [(4, False)]


async def test_what_still_comes_in_the_next_turns_of_the_loop_goes_along(desk: Desk) -> None:
    loop = asyncio.get_running_loop()
    desk.submit(PLACED)
    loop.call_soon(loop.call_soon, desk.submit, ACCEPTED)
    loop.call_soon(desk.submit, submission(CLIENT, "other", order_id="o-2"))
    await desk.until_told(3)
    assert desk.disk.commits == 1


async def test_nobody_is_told_before_the_commit_returns_and_what_comes_meanwhile_is_the_next_batch(
    desk: Desk,
) -> None:
    desk.disk.gate.clear()
    desk.submit(PLACED)
    await desk.until(lambda: desk.disk.commits == 1)
    desk.submit(ACCEPTED)
    await asyncio.sleep(0)
    desk.submit(STARTED)
    assert desk.told == []
    assert desk.messages == []
    desk.disk.gate.set()
    assert await desk.until_told(3) == ["placed", "accepted", "started"]
    assert desk.batches == [(1, False), (2, False)]


async def test_a_batch_has_a_limit_and_the_rest_follows_in_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_BATCH", 2)
    desk.submit(PLACED, ACCEPTED, STARTED, *[submission(CLIENT, f"m-{n}", order_id=f"o-{n}") for n in (2, 3)])
    assert await desk.until_told(5) == ["placed", "accepted", "started", "m-2", "m-3"]
    assert [size for size, _failed in desk.batches] == [2, 2, 1]


async def test_a_commit_that_fails_leaves_everyone_of_its_batch_unavailable_and_nothing_behind(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.disk.problems = [LedgerError("disk I/O error")]
    desk.submit(PLACED, ACCEPTED, submission(CLIENT, "wrong", StatusCode.ACCEPTED))
    assert await desk.until_told(3) == [(name, UNAVAILABLE) for name in ("placed", "accepted", "wrong")]
    assert desk.messages == []
    assert "disk I/O error" in caplog.text
    assert "Traceback" not in caplog.text
    desk.submit(PLACED, ACCEPTED)
    assert (await desk.until_told(5))[3:] == ["placed", "accepted"]
    assert [entry.receiver_seq for entry in desk.ledger.read_feed(CLIENT, 0, 1)] == [1]


async def test_what_was_built_on_a_batch_that_fails_is_judged_without_it(desk: Desk) -> None:
    desk.disk.gate.clear()
    desk.disk.problems = [LedgerError("disk I/O error")]
    desk.submit(PLACED)
    await desk.until(lambda: desk.disk.commits == 1)
    desk.submit(ACCEPTED, PLACED)
    desk.disk.gate.set()
    told = await desk.until_told(3)
    assert told == [("placed", UNAVAILABLE), ("accepted", RejectionCode.UNKNOWN_ORDER), "placed"]


async def test_a_mistake_in_the_program_is_logged_with_its_traceback_and_the_next_batch_goes_on(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.disk.problems = [ZeroDivisionError()]
    desk.submit(PLACED)
    assert await desk.until_told(1) == [("placed", UNAVAILABLE)]
    assert "ZeroDivisionError" in caplog.text
    desk.submit(PLACED)
    assert (await desk.until_told(2))[1] == "placed"


async def test_a_send_that_is_still_in_flight_counts_as_known(desk: Desk) -> None:
    desk.disk.gate.clear()
    desk.submit(PLACED)
    await desk.until(lambda: desk.disk.commits == 1)
    desk.submit(PLACED, submission(CLIENT, "placed", message="something else"))
    desk.disk.gate.set()
    told = await desk.until_told(3)
    entry = desk.ledger.read_feed(CLIENT, 0, 1)[0]
    assert told == ["placed", ("placed", Duplicate(entry)), ("placed", RejectionCode.MESSAGE_ID_REUSED)]
    assert desk.messages == ["placed"]


async def test_a_commit_that_hangs_is_unavailable_in_time_and_may_still_land(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.05)
    desk.disk.gate.clear()
    desk.submit(PLACED)
    await desk.until(lambda: desk.disk.commits == 1)
    desk.submit(ACCEPTED)
    assert await desk.until_told(2) == [("placed", UNAVAILABLE), ("accepted", UNAVAILABLE)]
    desk.submit(PLACED)
    assert (await desk.until_told(3))[2] == ("placed", UNAVAILABLE)
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 10)
    desk.submit(PLACED)
    desk.disk.gate.set()
    told = await desk.until_told(5)
    entry = desk.ledger.read_feed(CLIENT, 0, 1)[0]
    assert told[3:] == ["placed", ("placed", Duplicate(entry))]
    assert desk.messages == ["placed"]


async def test_one_who_waits_less_long_is_not_given_up_with_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.2)
    desk.disk.gate.clear()
    desk.submit(PLACED)
    await asyncio.sleep(0.1)
    desk.submit(ACCEPTED)
    assert await desk.until_told(1) == [("placed", UNAVAILABLE)]
    desk.disk.gate.set()
    assert (await desk.until_told(3))[1:] == ["placed", "accepted"]


async def test_those_of_one_batch_are_given_up_each_in_their_own_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.3)
    desk.disk.gate.clear()
    desk.submit(submission(CLIENT, "first", order_id="o-0"))
    await desk.until(lambda: desk.disk.commits == 1)
    desk.submit(PLACED)
    await asyncio.sleep(0.2)
    desk.submit(ACCEPTED)
    first_gate, desk.disk.gate = desk.disk.gate, threading.Event()
    first_gate.set()
    await desk.until(lambda: desk.disk.commits == 2)
    assert (await desk.until_told(2))[1] == ("placed", UNAVAILABLE)
    assert (await desk.until_told(3))[2] == ("accepted", UNAVAILABLE)
    desk.disk.gate.set()
    assert (await desk.until_told(5))[3:] == ["placed", "accepted"]


async def test_whoever_comes_when_too_many_wait_is_unavailable_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 1)
    desk.disk.gate.clear()
    desk.submit(PLACED)
    await desk.until(lambda: desk.disk.commits == 1)
    desk.submit(ACCEPTED, STARTED)
    assert desk.told == [("started", UNAVAILABLE)]
    desk.disk.gate.set()
    assert (await desk.until_told(3))[1:] == ["placed", "accepted"]


async def test_a_probe_says_whether_a_write_goes_through(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await desk.writer.probe()
    desk.disk.problems = [LedgerError("disk I/O error")]
    assert not await desk.writer.probe()
    assert await desk.writer.probe()
    desk.disk.gate.clear()
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.05)
    assert not await desk.writer.probe()
    desk.disk.gate.set()
    await desk.until(lambda: len(desk.batches) == 4)
    assert await desk.writer.probe()


async def test_draining_finishes_what_has_come_and_takes_nothing_more(desk: Desk) -> None:
    desk.disk.gate.clear()
    desk.submit(PLACED)
    await desk.until(lambda: desk.disk.commits == 1)
    desk.submit(ACCEPTED)
    draining = asyncio.create_task(desk.writer.drain())
    await asyncio.sleep(0)
    desk.submit(STARTED)
    assert desk.told == [("started", UNAVAILABLE)]
    desk.disk.gate.set()
    await asyncio.wait_for(draining, 10)
    assert await desk.until_told(3) == [("started", UNAVAILABLE), "placed", "accepted"]


async def test_draining_when_nothing_waits_returns_at_once(desk: Desk) -> None:
    await desk.writer.drain()
    await desk.writer.drain()


async def test_after_it_is_stopped_nobody_is_told_anything_and_nothing_more_is_committed(desk: Desk) -> None:
    desk.disk.gate.clear()
    desk.submit(PLACED)
    await desk.until(lambda: desk.disk.commits == 1)
    desk.submit(ACCEPTED)
    probe = desk.writer.probe()
    assert not desk.writer.stop(0)
    desk.disk.gate.set()
    assert desk.writer.stop(10)
    assert not await probe
    assert not await desk.writer.probe()
    desk.submit(STARTED)
    await asyncio.sleep(0)
    assert desk.told == [("started", UNAVAILABLE)]
    assert desk.disk.commits == 1


async def test_recent_entries_are_sorted_in_between_two_batches(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compactions: list[str] = []
    original = desk.disk.compact

    def compact() -> None:
        compactions.append(threading.current_thread().name)
        if len(compactions) == 1:
            raise LedgerError("disk I/O error")
        original()

    monkeypatch.setattr("server_stub.ledger.sqlite.store.COMPACTION_SIZE", 1)
    monkeypatch.setattr(desk.disk, "compact", compact)
    for number, each in enumerate((PLACED, ACCEPTED, STARTED), start=1):
        desk.submit(each)
        await desk.until_told(number)
    await desk.writer.drain()
    assert compactions == ["commit"] * 3
    assert "the database was not tidied up: disk I/O error" in caplog.text
    assert desk.messages == ["placed", "accepted", "started"]
    assert not desk.ledger.needs_compaction


async def test_one_who_fails_when_told_keeps_nobody_else_from_being_told(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_submission: Submission, _outcome: Outcome) -> None:
        raise ZeroDivisionError

    desk.writer.submit(submission(CLIENT, "wrong", StatusCode.ACCEPTED), fail)
    desk.submit(PLACED)
    assert await desk.until_told(1) == ["placed"]
    assert "ZeroDivisionError" in caplog.text
