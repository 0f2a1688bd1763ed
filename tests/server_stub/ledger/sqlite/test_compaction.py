from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_stub.ledger.sqlite import compaction
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.ledger.store import LedgerError
from server_stub.records import Duplicate, Entry
from tests.server_stub.support import CLIENT, SERVICEMAN, WHOLE_ORDER, LedgerHarness, submission


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture
def ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerHarness]:
    """A ledger that begins a compaction at 9 entries, and writes them in slices of 4."""
    monkeypatch.setattr(compaction, "COMPACTION_SIZE", 9)
    monkeypatch.setattr(compaction, "SLICE_SIZE", 4)
    ledger = LedgerHarness(path)
    yield ledger
    ledger.store.close()


def _commit(ledger: LedgerHarness, *, order_id: str = "o-1", statuses: int = len(WHOLE_ORDER)) -> None:
    steps = WHOLE_ORDER[:statuses]
    ledger.commit(*[submission(user, f"{order_id}-{status}", status, order_id) for user, status in steps])


def _step(ledger: LedgerHarness) -> None:
    step = ledger.store.maintenance()
    assert step is not None
    step.work()
    step.after()


def _begin_compaction(ledger: LedgerHarness) -> None:
    """Commit 9 entries, and sort them."""
    _commit(ledger)
    _commit(ledger, order_id="o-2", statuses=1)
    _step(ledger)


def _rows(path: Path) -> tuple[int, int]:
    """The number of rows in the two tables by user."""
    connection = sqlite3.connect(path)
    try:
        (feeds,) = connection.execute("SELECT count(*) FROM feeds").fetchone()
        (sent,) = connection.execute("SELECT count(*) FROM sent").fetchone()
    finally:
        connection.close()
    return feeds, sent


def _killed(path: Path) -> LedgerHarness:
    """A ledger on what a process that is killed now leaves behind."""
    copy = path.with_name("copy.db")
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    return LedgerHarness(copy)


def _numbers(feed: list[Entry]) -> list[int]:
    return [entry.seq(CLIENT) for entry in feed]


def test_enough_entries_are_compacted_one_slice_after_the_other(ledger: LedgerHarness, path: Path) -> None:
    _commit(ledger)
    assert ledger.store.maintenance() is None
    _commit(ledger, order_id="o-2", statuses=1)
    before = ledger.feed(CLIENT)
    rows: list[tuple[int, int]] = []
    while ledger.store.maintenance() is not None:
        _step(ledger)
        rows.append(_rows(path))
        assert ledger.feed(CLIENT) == before
    assert rows == [(0, 0), (8, 4), (16, 8), (18, 9)]
    _commit(ledger, order_id="o-3", statuses=2)
    assert _numbers(ledger.feed(CLIENT)) == list(range(1, 12))
    assert _numbers(ledger.feed(CLIENT, 7, 3)) == [8, 9, 10]


def test_long_messages_are_compacted_sooner(ledger: LedgerHarness) -> None:
    ledger.stage(submission(CLIENT, "m-1", message="x" * 4000))
    ledger.store.commit()
    assert ledger.store.maintenance() is None
    ledger.store.after_commit()
    assert ledger.store.maintenance() is not None


def test_the_last_slice_may_be_a_whole_one(ledger: LedgerHarness, path: Path) -> None:
    _commit(ledger)
    for _ in ("the sort", "the first slice", "the last slice"):
        ledger.compact_a_slice()
    assert not ledger.store.compaction.is_under_way
    assert _rows(path) == (16, 8)
    again = _killed(path)
    assert again.store._memtable.size == 0
    again.store.close()


def test_readers_see_the_same_while_a_slice_is_written_and_after_it(ledger: LedgerHarness) -> None:
    _begin_compaction(ledger)
    before = {user: ledger.feed(user) for user in (CLIENT, SERVICEMAN)}
    while (step := ledger.store.maintenance()) is not None:
        step.work()
        for user, feed in before.items():
            assert ledger.feed(user) == feed
            assert [ledger.feed(user, after, 1) for after in range(9)] == [[entry] for entry in feed]
            assert ledger.feeds.head(user) == 9
            assert ledger.feeds.oldest_open(user) == 9
        step.after()


def test_what_is_sent_again_during_a_compaction_is_a_duplicate(ledger: LedgerHarness) -> None:
    _begin_compaction(ledger)
    (first, *_) = ledger.feed(CLIENT)
    while ledger.store.maintenance() is not None:
        assert ledger.commit(submission(CLIENT, "o-1-1001")) == [Duplicate(first)]
        _step(ledger)
    assert ledger.commit(submission(CLIENT, "o-1-1001")) == [Duplicate(first)]


def test_entries_that_come_between_two_slices_wait_for_the_next_compaction(
    ledger: LedgerHarness, path: Path
) -> None:
    _begin_compaction(ledger)
    _step(ledger)
    _commit(ledger, order_id="o-3")
    _step(ledger)
    _commit(ledger, order_id="o-4", statuses=1)
    _step(ledger)
    assert _rows(path) == (18, 9)
    feed = ledger.feed(CLIENT)
    assert _numbers(feed) == list(range(1, 19))
    for _ in ("the sort", "first slice", "second slice", "last slice"):
        _step(ledger)
    assert ledger.store.maintenance() is None
    assert _rows(path) == (36, 18)
    assert ledger.feed(CLIENT) == feed


@pytest.mark.parametrize("slices", [0, 1, 2])
def test_a_process_killed_between_two_slices_loses_and_doubles_nothing(
    ledger: LedgerHarness, path: Path, slices: int
) -> None:
    _begin_compaction(ledger)
    for _ in range(slices):
        _step(ledger)
    _commit(ledger, order_id="o-3", statuses=3)
    feeds = {user: ledger.feed(user) for user in (CLIENT, SERVICEMAN)}
    again = _killed(path)
    try:
        assert {user: again.feed(user) for user in feeds} == feeds
        again.compact()
        assert _rows(path.with_name("copy.db")) == (24, 12)
        assert {user: again.feed(user) for user in feeds} == feeds
        assert again.commit(submission(CLIENT, "o-3-1001", order_id="o-3")) == [Duplicate(feeds[CLIENT][9])]
    finally:
        again.store.close()


def test_a_slice_that_fails_changes_nothing_and_is_tried_again(
    ledger: LedgerHarness, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin_compaction(ledger)
    _step(ledger)
    before = ledger.feed(CLIENT)
    with monkeypatch.context() as patch:
        patch.setattr(compaction.sql, "COMPACT_SENT", "INSERT INTO nowhere VALUES (?, ?)")
        with pytest.raises(LedgerError, match="nowhere"):
            _step(ledger)
    assert _rows(path) == (8, 4)
    assert ledger.feed(CLIENT) == before
    _commit(ledger, order_id="o-3", statuses=1)
    _step(ledger)
    _step(ledger)
    assert _rows(path) == (18, 9)
    assert ledger.feed(CLIENT, 0, 9) == before


def test_a_sort_that_fails_changes_nothing_and_is_tried_again(
    ledger: LedgerHarness, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(compaction.sql, "SORT", (*compaction.sql.SORT, "INSERT INTO nowhere VALUES (1)"))
        with pytest.raises(LedgerError, match="nowhere"):
            _begin_compaction(ledger)
    assert not ledger.store.compaction.is_under_way
    _commit(ledger, order_id="o-3", statuses=3)
    ledger.compact()
    assert _rows(path) == (24, 12)
    assert _numbers(ledger.feed(CLIENT)) == list(range(1, 13))


def test_a_slice_that_cannot_begin_is_tried_again(ledger: LedgerHarness, path: Path) -> None:
    _begin_compaction(ledger)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked"):
        _step(ledger)
    other.execute("ROLLBACK")
    other.close()
    ledger.compact()
    assert _rows(path) == (18, 9)


def test_every_row_of_a_commit_whose_outcome_was_unknown_is_compacted(
    ledger: LedgerHarness, path: Path
) -> None:
    _commit(ledger)
    ledger.stage(submission(CLIENT, "o-2-1001", order_id="o-2"))
    ledger.store.commit()  # it has landed, but was reported as failed
    ledger.store.rollback()
    ledger.compact()
    assert _rows(path) == (18, 9)
    assert _numbers(ledger.feed(CLIENT)) == list(range(1, 10))


def test_a_database_that_cannot_be_prepared_is_closed_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(compaction.sql, "CREATE_SORTED", ("CREATE TEMP TABLE relay",))
        with pytest.raises(LedgerError, match="SQLite"):
            SqliteStore(str(path))
    LedgerHarness(path).store.close()
