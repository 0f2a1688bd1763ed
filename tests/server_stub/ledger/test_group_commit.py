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
from server_stub.ledger.store import DatabaseLostError, LedgerError, Maintenance
from server_stub.records import Duplicate, Entry, Outcome, Submission
from socket_bloc.order_flow import ORDER_FLOW
from socket_bloc.order_status import Rejection, RejectionCode, StatusCode
from tests.server_stub.support import CLIENT, SERVICEMAN, submission


class SlowStore(SqliteStore):
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


class WriterHarness:
    """A group commit on such a store, and all outcomes that it has delivered, in order."""

    def __init__(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self.store = SlowStore(str(path / "orders.db"), lambda: loop.call_soon_threadsafe(self.changed.set))
        self.delivered: list[Any] = []
        self.batches: list[tuple[int, bool]] = []
        self.writer = GroupCommit(
            Ledger(self.store, ORDER_FLOW), self.store, self.deliver, self.batch_ended, loop
        )

    def deliver(self, outcome: Any) -> None:
        self.delivered.append(outcome)
        self.changed.set()

    def batch_ended(self, size: int, seconds: float, failed: bool) -> None:
        self.batches.append((size, failed))
        self.changed.set()

    def submit(self, *submissions: Submission) -> None:
        for each in submissions:
            self.writer.submit(each, self.reply)

    def reply(self, submission: Submission, outcome: Outcome) -> None:
        code = outcome.code if isinstance(outcome, Rejection) else outcome
        self.deliver((submission.message_id, code))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def until_delivered(self, count: int) -> list[Any]:
        """The message ids of the entries, and the answers of the others."""
        await self.until(lambda: len(self.delivered) >= count)
        assert len(self.delivered) == count, self.delivered
        return [each.message_id if isinstance(each, Entry) else each for each in self.delivered]

    @property
    def messages(self) -> list[str]:
        """The message ids in the client's feed."""
        return [entry.message_id for entry in self.store.feeds.page(CLIENT, 0, 100)]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WriterHarness]:
    harness = WriterHarness(tmp_path)
    yield harness
    harness.store.gate.set()
    assert harness.writer.stop(10)


PLACED = submission(CLIENT, "placed")
ACCEPTED = submission(SERVICEMAN, "accepted", StatusCode.ACCEPTED)
STARTED = submission(CLIENT, "started", StatusCode.STARTED)
UNAVAILABLE = RejectionCode.UNAVAILABLE


async def test_submissions_that_arrive_together_are_committed_together_and_answered_in_order(
    harness: WriterHarness,
) -> None:
    harness.submit(PLACED, submission(CLIENT, "again"), ACCEPTED, PLACED)
    delivered = await harness.until_delivered(4)
    entry = harness.store.feeds.page(CLIENT, 0, 1)[0]
    assert delivered == [
        "placed",
        ("again", RejectionCode.ORDER_EXISTS),
        "accepted",
        ("placed", Duplicate(entry)),
    ]
    assert harness.store.commits == 1
    assert harness.batches == [(4, False)]


async def test_submissions_of_the_next_iterations_of_the_loop_join_the_batch(harness: WriterHarness) -> None:
    loop = asyncio.get_running_loop()
    harness.submit(PLACED)
    loop.call_soon(loop.call_soon, harness.submit, ACCEPTED)
    loop.call_soon(harness.submit, submission(CLIENT, "other", order_id="o-2"))
    await harness.until_delivered(3)
    assert harness.store.commits == 1


async def test_no_outcome_is_delivered_before_the_commit_returns_and_new_submissions_are_the_next_batch(
    harness: WriterHarness,
) -> None:
    harness.store.gate.clear()
    harness.submit(PLACED)
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(ACCEPTED)
    await asyncio.sleep(0)
    harness.submit(STARTED)
    assert harness.delivered == []
    assert harness.messages == []
    harness.store.gate.set()
    assert await harness.until_delivered(3) == ["placed", "accepted", "started"]
    assert harness.batches == [(1, False), (2, False)]


async def test_a_batch_is_limited_and_the_rest_follows_in_order(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_BATCH", 2)
    others = [submission(CLIENT, f"m-{number}", order_id=f"o-{number}") for number in (2, 3)]
    harness.submit(PLACED, ACCEPTED, STARTED, *others)
    assert await harness.until_delivered(5) == ["placed", "accepted", "started", "m-2", "m-3"]
    assert [size for size, _failed in harness.batches] == [2, 2, 1]


async def test_a_failed_commit_rejects_its_whole_batch_as_unavailable_and_leaves_nothing_behind(
    harness: WriterHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.store.problems = [LedgerError("disk I/O error")]
    harness.submit(PLACED, ACCEPTED, submission(CLIENT, "wrong", StatusCode.ACCEPTED))
    assert await harness.until_delivered(3) == [
        (name, UNAVAILABLE) for name in ("placed", "accepted", "wrong")
    ]
    assert harness.messages == []
    assert "disk I/O error" in caplog.text
    assert "Traceback" not in caplog.text
    harness.submit(PLACED, ACCEPTED)
    assert (await harness.until_delivered(5))[3:] == ["placed", "accepted"]
    assert [entry.receiver_seq for entry in harness.store.feeds.page(CLIENT, 0, 1)] == [1]


async def test_submissions_after_a_failed_batch_are_decided_without_it(harness: WriterHarness) -> None:
    harness.store.gate.clear()
    harness.store.problems = [LedgerError("disk I/O error")]
    harness.submit(PLACED)
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(ACCEPTED, PLACED)
    harness.store.gate.set()
    delivered = await harness.until_delivered(3)
    assert delivered == [("placed", UNAVAILABLE), ("accepted", RejectionCode.UNKNOWN_ORDER), "placed"]


async def test_a_bug_is_logged_with_its_traceback_and_the_next_batch_is_committed(
    harness: WriterHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.store.problems = [ZeroDivisionError()]
    harness.submit(PLACED)
    assert await harness.until_delivered(1) == [("placed", UNAVAILABLE)]
    assert "ZeroDivisionError" in caplog.text
    harness.submit(PLACED)
    assert (await harness.until_delivered(2))[1] == "placed"


async def test_a_send_that_is_still_in_flight_counts_as_known(harness: WriterHarness) -> None:
    harness.store.gate.clear()
    harness.submit(PLACED)
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(PLACED, submission(CLIENT, "placed", message="something else"))
    harness.store.gate.set()
    delivered = await harness.until_delivered(3)
    entry = harness.store.feeds.page(CLIENT, 0, 1)[0]
    assert delivered == ["placed", ("placed", Duplicate(entry)), ("placed", RejectionCode.MESSAGE_ID_REUSED)]
    assert harness.messages == ["placed"]


async def test_a_hanging_commit_is_unavailable_in_time_and_may_still_land(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.05)
    harness.store.gate.clear()
    harness.submit(PLACED)
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(ACCEPTED)
    assert await harness.until_delivered(2) == [("placed", UNAVAILABLE), ("accepted", UNAVAILABLE)]
    harness.submit(PLACED)
    assert (await harness.until_delivered(3))[2] == ("placed", UNAVAILABLE)
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 10)
    harness.submit(PLACED)
    harness.store.gate.set()
    delivered = await harness.until_delivered(5)
    entry = harness.store.feeds.page(CLIENT, 0, 1)[0]
    assert delivered[3:] == ["placed", ("placed", Duplicate(entry))]
    assert harness.messages == ["placed"]


async def test_a_submission_that_timed_out_is_not_answered_again(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.05)
    harness.store.gate.clear()
    harness.submit(PLACED, submission(CLIENT, "again"))
    assert await harness.until_delivered(2) == [("placed", UNAVAILABLE), ("again", UNAVAILABLE)]
    harness.store.gate.set()
    assert (await harness.until_delivered(3))[2:] == ["placed"]
    await harness.writer.drain()
    assert len(harness.delivered) == 3


async def test_each_submission_times_out_after_its_own_wait(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.2)
    harness.store.gate.clear()
    harness.submit(PLACED)
    await asyncio.sleep(0.1)
    harness.submit(ACCEPTED)
    assert await harness.until_delivered(1) == [("placed", UNAVAILABLE)]
    harness.store.gate.set()
    assert (await harness.until_delivered(3))[1:] == ["placed", "accepted"]


async def test_each_submission_of_a_batch_times_out_after_its_own_wait(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.3)
    harness.store.gate.clear()
    harness.submit(submission(CLIENT, "first", order_id="o-0"))
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(PLACED)
    await asyncio.sleep(0.2)
    harness.submit(ACCEPTED)
    first_gate, harness.store.gate = harness.store.gate, threading.Event()
    first_gate.set()
    await harness.until(lambda: harness.store.commits == 2)
    assert (await harness.until_delivered(2))[1] == ("placed", UNAVAILABLE)
    assert (await harness.until_delivered(3))[2] == ("accepted", UNAVAILABLE)
    harness.store.gate.set()
    assert (await harness.until_delivered(5))[3:] == ["placed", "accepted"]


async def test_a_submission_over_the_queue_limit_is_unavailable_at_once(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 1)
    harness.store.gate.clear()
    harness.submit(PLACED)
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(ACCEPTED, STARTED)
    assert harness.delivered == [("started", UNAVAILABLE)]
    harness.store.gate.set()
    assert (await harness.until_delivered(3))[1:] == ["placed", "accepted"]


async def test_a_probe_says_whether_a_write_goes_through(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await harness.writer.probe()
    harness.store.problems = [LedgerError("disk I/O error")]
    assert not await harness.writer.probe()
    assert await harness.writer.probe()
    harness.store.gate.clear()
    monkeypatch.setattr(group_commit, "COMMIT_TIMEOUT", 0.05)
    assert not await harness.writer.probe()
    harness.store.gate.set()
    await harness.until(lambda: len(harness.batches) == 4)
    assert await harness.writer.probe()


async def test_a_probe_fails_as_long_as_the_last_batch_has_failed(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.store.problems = [LedgerError("database or disk is full")]
    harness.submit(PLACED)
    await harness.until_delivered(1)
    assert not await harness.writer.probe()
    assert not await harness.writer.probe(), "a probe's own write says nothing of the next batch"
    harness.submit(PLACED)
    await harness.until_delivered(2)
    assert await harness.writer.probe()
    monkeypatch.setattr(group_commit, "FAILURE_MEMORY", 0)
    harness.store.problems = [LedgerError("database or disk is full")]
    harness.submit(ACCEPTED)
    await harness.until_delivered(3)
    assert await harness.writer.probe(), "nobody has sent anything for so long"


async def test_draining_commits_what_is_queued_and_rejects_new_submissions(harness: WriterHarness) -> None:
    harness.store.gate.clear()
    harness.submit(PLACED)
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(ACCEPTED)
    draining = asyncio.create_task(harness.writer.drain())
    await asyncio.sleep(0)
    harness.submit(STARTED)
    assert harness.delivered == [("started", UNAVAILABLE)]
    harness.store.gate.set()
    await asyncio.wait_for(draining, 10)
    assert await harness.until_delivered(3) == [("started", UNAVAILABLE), "placed", "accepted"]


async def test_draining_an_empty_queue_returns_at_once(harness: WriterHarness) -> None:
    await harness.writer.drain()
    await harness.writer.drain()


async def test_after_a_stop_no_outcome_is_delivered_and_nothing_is_committed(
    harness: WriterHarness,
) -> None:
    harness.store.gate.clear()
    harness.submit(PLACED)
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(ACCEPTED)
    probe = harness.writer.probe()
    assert not harness.writer.stop(0)
    harness.store.gate.set()
    assert harness.writer.stop(10)
    assert not await probe
    assert not await harness.writer.probe()
    harness.submit(STARTED)
    await asyncio.sleep(0)
    assert harness.delivered == [("started", UNAVAILABLE)]
    assert harness.store.commits == 1


async def test_a_stop_before_the_batch_begins_leaves_the_database_alone(harness: WriterHarness) -> None:
    harness.submit(PLACED)
    assert harness.writer.stop(10)
    for _ in range(10):
        await asyncio.sleep(0)
    assert harness.batches == []
    assert harness.store.commits == 0


async def test_maintenance_that_ends_after_a_stop_is_dropped(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    ended: list[None] = []

    def work() -> None:
        gate.wait()

    maintenance = Maintenance(work, lambda: ended.append(None))
    monkeypatch.setattr(harness.store, "maintenance", lambda: maintenance)
    harness.submit(PLACED)
    await harness.until_delivered(1)
    assert not harness.writer.stop(0)
    gate.set()
    assert harness.writer.stop(10)
    await asyncio.sleep(0)
    assert ended == []


async def test_a_database_that_fails_to_close_is_logged_and_does_not_hinder_the_stop(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def close() -> None:
        raise LedgerError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(harness.store, "close", close)
        assert harness.writer.stop(10)
    harness.store.close()
    await asyncio.sleep(0)
    assert "failed to close the database: disk I/O error" in caplog.text


async def test_a_lost_database_is_the_end_of_all_that_waits_and_of_all_that_comes(
    harness: WriterHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.store.gate.clear()
    harness.store.problems = [DatabaseLostError("orders.db was removed")]
    harness.submit(PLACED)
    await harness.until(lambda: harness.store.commits == 1)
    harness.submit(ACCEPTED)
    probe = harness.writer.probe()
    draining = asyncio.create_task(harness.writer.drain())
    await asyncio.sleep(0)
    assert not harness.writer.lost.done()
    harness.store.gate.set()
    await asyncio.wait_for(harness.writer.lost, 30)
    await asyncio.wait_for(draining, 30)
    assert harness.delivered == [("placed", UNAVAILABLE), ("accepted", UNAVAILABLE)]
    assert not await probe
    assert not await harness.writer.probe()
    harness.submit(STARTED)
    assert harness.delivered[2:] == [("started", UNAVAILABLE)]
    assert harness.messages == []
    assert caplog.messages == ["the database is lost, nothing is committed any more: orders.db was removed"]
    assert harness.writer.stop(30)
    assert harness.store.commits == 1


@pytest.mark.parametrize("is_lost", [True, False])
async def test_a_batch_that_cannot_be_staged_may_show_that_the_database_is_lost(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    def fail(_submissions: object) -> None:
        raise LedgerError("database disk image is malformed")

    def lose() -> None:
        raise DatabaseLostError("orders.db was overwritten")

    monkeypatch.setattr(harness.store, "begin", fail)
    if is_lost:
        monkeypatch.setattr(harness.store, "verify", lose)
    harness.submit(PLACED)
    assert await harness.until_delivered(1) == [("placed", UNAVAILABLE)]
    assert harness.writer.lost.done() == is_lost
    assert harness.batches == [(1, True)]
    assert harness.store.commits == 0
    monkeypatch.undo()


async def test_a_batch_that_cannot_be_staged_before_a_stop_is_dropped(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    verified = threading.Event()

    def fail(_submissions: object) -> None:
        raise LedgerError("database disk image is malformed")

    def verify() -> None:
        verified.set()
        gate.wait()

    monkeypatch.setattr(harness.store, "begin", fail)
    monkeypatch.setattr(harness.store, "verify", verify)
    harness.submit(PLACED)
    await asyncio.get_running_loop().run_in_executor(None, verified.wait, 30)
    assert not harness.writer.stop(0)
    gate.set()
    assert harness.writer.stop(30)
    await asyncio.sleep(0)
    assert harness.delivered == []


class Upkeep:
    """The maintenance of a store: so many pieces, which hang while `gate` is closed."""

    def __init__(self, harness: WriterHarness, pieces: int) -> None:
        self.pieces = pieces
        self.harness = harness
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.problems: list[Exception] = []
        self.log: list[str] = []
        """What was done, in order, with the thread in which it was."""

    def __call__(self) -> Maintenance | None:
        return Maintenance(self.work, self.after) if self.pieces else None

    def work(self) -> None:
        self.log.append(f"work in {threading.current_thread().name}")
        self.begun.set()
        self.harness.store.begun()
        self.gate.wait()
        if self.problems:
            raise self.problems.pop()

    def after(self) -> None:
        self.pieces -= 1
        self.harness.changed.set()
        self.log.append(f"after with {len(self.harness.batches)} batches")


async def test_one_piece_of_maintenance_is_done_between_two_batches(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = Upkeep(harness, pieces=2)
    monkeypatch.setattr(harness.store, "maintenance", upkeep)
    harness.submit(PLACED)
    await harness.until(lambda: len(upkeep.log) == 1)
    harness.submit(ACCEPTED)
    upkeep.gate.set()
    assert await harness.until_delivered(2) == ["placed", "accepted"]
    await harness.writer.drain()
    done = ["work in commit", "after with 1 batches", "work in commit", "after with 2 batches"]
    assert upkeep.log == done


async def test_maintenance_runs_while_outcomes_are_delivered(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = Upkeep(harness, pieces=1)
    monkeypatch.setattr(harness.store, "maintenance", upkeep)

    def announce(entry: Entry) -> None:
        harness.deliver(upkeep.begun.wait(30))

    monkeypatch.setattr(harness.writer, "_announce", announce)
    harness.submit(PLACED)
    await harness.until(lambda: harness.delivered == [True])
    upkeep.gate.set()
    await harness.writer.drain()


async def test_maintenance_goes_on_while_nothing_is_submitted(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = Upkeep(harness, pieces=3)
    upkeep.gate.set()
    monkeypatch.setattr(harness.store, "maintenance", upkeep)
    harness.submit(PLACED)
    await harness.until(lambda: upkeep.log.count("work in commit") == 3)
    await harness.writer.drain()
    assert upkeep.log[1::2] == ["after with 1 batches"] * 3


async def test_a_probe_waits_for_one_piece_of_maintenance_only(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = Upkeep(harness, pieces=2)
    monkeypatch.setattr(harness.store, "maintenance", upkeep)
    harness.submit(PLACED)
    await harness.until(lambda: len(upkeep.log) == 1)
    probe = harness.writer.probe()
    upkeep.gate.set()
    assert await probe
    await harness.writer.drain()
    assert upkeep.log[1::2] == ["after with 1 batches", "after with 2 batches"]


async def test_draining_waits_for_no_further_piece_of_maintenance(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = Upkeep(harness, pieces=3)
    monkeypatch.setattr(harness.store, "maintenance", upkeep)
    harness.submit(PLACED)
    await harness.until(lambda: len(upkeep.log) == 1)
    draining = asyncio.create_task(harness.writer.drain())
    await asyncio.sleep(0)
    upkeep.gate.set()
    await asyncio.wait_for(draining, 10)
    assert upkeep.log == ["work in commit", "after with 1 batches"]


async def test_maintenance_that_fails_is_tried_again_after_the_next_batch(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(what: str, problem: Exception) -> None:
        harness.deliver((what, str(problem)))

    upkeep = Upkeep(harness, pieces=1)
    upkeep.gate.set()
    upkeep.problems = [LedgerError("disk I/O error")]
    monkeypatch.setattr(harness.store, "maintenance", upkeep)
    monkeypatch.setattr(group_commit, "_report", report)
    harness.submit(PLACED)
    assert await harness.until_delivered(2) == ["placed", ("database maintenance failed", "disk I/O error")]
    harness.submit(ACCEPTED)
    await harness.until(lambda: not upkeep.pieces)
    assert upkeep.log == ["work in commit", "work in commit", "after with 2 batches"]


async def test_maintenance_that_finds_the_database_lost_is_the_end(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = Upkeep(harness, pieces=1)
    upkeep.gate.set()
    upkeep.problems = [DatabaseLostError("orders.db was overwritten")]
    monkeypatch.setattr(harness.store, "maintenance", upkeep)
    harness.submit(PLACED)
    await asyncio.wait_for(harness.writer.lost, 30)
    assert harness.delivered[0].message_id == "placed"
    assert not await harness.writer.probe()


async def test_no_maintenance_is_done_after_a_batch_that_failed(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = Upkeep(harness, pieces=1)
    upkeep.gate.set()
    monkeypatch.setattr(harness.store, "maintenance", upkeep)
    harness.store.problems = [LedgerError("disk I/O error")]
    harness.submit(PLACED)
    await harness.until_delivered(1)
    await harness.writer.drain()
    assert upkeep.log == []


async def test_a_failing_reply_does_not_keep_other_outcomes_from_being_delivered(
    harness: WriterHarness, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_submission: Submission, _outcome: Outcome) -> None:
        raise ZeroDivisionError

    harness.writer.submit(submission(CLIENT, "wrong", StatusCode.ACCEPTED), fail)
    harness.submit(PLACED)
    assert await harness.until_delivered(1) == ["placed"]
    assert "ZeroDivisionError" in caplog.text
