"""What a start finds of a database that is not as it was left: an older copy, or one without its WAL."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from server_stub.ledger.sqlite.mark import Mark, MarkFile
from server_stub.ledger.store import LedgerError
from tests.server_stub.support import CLIENT, LedgerHarness, submission


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}-{suffix}")


class Run:
    """A relay's store from its start on, in which orders are placed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = LedgerHarness(path)
        self.epoch = self.ledger.feeds.epoch

    def place(self, orders: int = 1) -> None:
        """Place so many orders, a transaction each."""
        for number in range(self.ledger.feeds.head(CLIENT), self.ledger.feeds.head(CLIENT) + orders):
            self.ledger.commit(submission(CLIENT, f"m-{number}", order_id=f"o-{number}", message="x" * 4000))

    def checkpoint(self) -> None:
        """Copy the WAL into the database, as between two batches."""
        self.ledger.store._checkpoint()

    @property
    def head(self) -> int:
        """The last number of the client's feed."""
        return self.ledger.feeds.head(CLIENT)

    def stop(self) -> None:
        """Shut down."""
        self.ledger.store.close()

    def crash(self) -> None:
        """Stop as after `kill -9`: the files are left as they are."""
        left = {each: each.read_bytes() for each in self.path.parent.glob("orders.db*")}
        self.stop()
        for each, content in left.items():
            each.write_bytes(content)
        _beside(self.path, "shm").unlink()


def _epoch_of_next_start(path: Path) -> str:
    run = Run(path)
    run.stop()
    return run.epoch


def test_a_database_that_goes_on_keeps_its_epoch(path: Path) -> None:
    run = Run(path)
    run.place(3)
    run.stop()
    again = Run(path)
    again.checkpoint()
    again.place(2)
    again.crash()
    last = Run(path)
    assert (run.epoch, 5) == (again.epoch, again.head) == (last.epoch, last.head)
    last.stop()


def test_a_mark_that_went_with_the_power_is_no_reason_for_a_new_epoch(path: Path) -> None:
    run = Run(path)
    run.place(3)
    mark = _beside(path, "mark").read_bytes()
    run.checkpoint()
    run.place(3)
    run.crash()
    _beside(path, "mark").write_bytes(mark)
    assert _epoch_of_next_start(path) == run.epoch


@pytest.mark.parametrize("pages", [0, 1, 2, 5, 20])
def test_a_crash_in_the_middle_of_a_checkpoint_is_no_reason_for_a_new_epoch(path: Path, pages: int) -> None:
    run = Run(path)
    run.place(3)
    run.checkpoint()
    run.place(9)
    before, mark = path.read_bytes(), _beside(path, "mark").read_bytes()
    run.checkpoint()
    after, wal = path.read_bytes(), _beside(path, "wal").read_bytes()
    run.crash()
    written = pages * 4096
    path.write_bytes(after[:written] + before[written:])
    _beside(path, "wal").write_bytes(wal)
    _beside(path, "mark").write_bytes(mark)
    again = Run(path)
    assert (again.epoch, again.head) == (run.epoch, 12)
    again.stop()


def test_an_older_copy_that_was_put_back_gets_a_new_epoch(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(path)
    run.place(3)
    run.stop()
    shutil.copy(path, path.with_name("older.db"))
    again = Run(path)
    again.place(4)
    again.stop()
    shutil.copy(path.with_name("older.db"), path)
    assert _epoch_of_next_start(path) != run.epoch
    assert "4 statuses that were acknowledged are missing" in caplog.text
    assert str(path) in caplog.text
    renamed = Run(path)
    assert renamed.head == 3
    renamed.place()
    renamed.stop()
    assert _epoch_of_next_start(path) == renamed.epoch


@pytest.mark.parametrize(
    "damage",
    [
        lambda wal: wal.unlink(),
        lambda wal: os.truncate(wal, 0),
        lambda wal: os.truncate(wal, wal.stat().st_size // 2),
        lambda wal: os.truncate(wal, wal.stat().st_size - 1),
    ],
    ids=["removed", "emptied", "cut in half", "cut by a byte"],
)
def test_a_database_without_all_of_its_wal_gets_a_new_epoch(
    path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(path)
    run.place(5)
    run.crash()
    damage(_beside(path, "wal"))
    assert _epoch_of_next_start(path) != run.epoch
    assert "its WAL was removed or cut" in caplog.text


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe", b"x y z"], ids=["none", "empty", "binary", "text"]
)
def test_a_database_without_its_mark_gets_a_new_epoch(
    path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(path)
    run.place()
    run.stop()
    if content is None:
        _beside(path, "mark").unlink()
    else:
        _beside(path, "mark").write_bytes(content)
    assert _epoch_of_next_start(path) != run.epoch
    assert "there is no" in caplog.text


def test_another_database_in_its_place_gets_a_new_epoch(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Run(path).stop()
    (path.parent / "other").mkdir()
    other = Run(path.parent / "other" / "orders.db")
    other.place()
    other.stop()
    shutil.copy(other.path, path)
    assert _epoch_of_next_start(path) != other.epoch
    assert "a copy or another one" in caplog.text


@pytest.mark.parametrize("checkpoints", [0, 1])
def test_an_older_database_under_the_wal_of_a_newer_one_is_refused(path: Path, checkpoints: int) -> None:
    run = Run(path)
    run.place(3)
    run.stop()
    shutil.copy(path, path.with_name("older.db"))
    run = Run(path)
    run.place(2)
    run.stop()  # which changes the database itself
    run = Run(path)
    for _ in range(checkpoints):
        run.place(2)
        run.checkpoint()
    run.place(2)
    run.crash()
    newer = path.read_bytes()
    shutil.copy(path.with_name("older.db"), path)
    older, wal = path.read_bytes(), _beside(path, "wal").read_bytes()
    with pytest.raises(LedgerError, match=r"orders\.db-wal belongs to another database than") as caught:
        Run(path)
    assert f"remove {_beside(path, 'wal')}" in str(caught.value)
    assert (path.read_bytes(), _beside(path, "wal").read_bytes()) == (older, wal)
    path.write_bytes(newer)
    assert _epoch_of_next_start(path) == run.epoch
    _beside(path, "wal").unlink(missing_ok=True)
    path.write_bytes(older)
    assert _epoch_of_next_start(path) != run.epoch


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_wal_without_its_database_is_refused(path: Path, is_removed: bool) -> None:
    run = Run(path)
    run.place()
    run.crash()
    path.unlink() if is_removed else os.truncate(path, 0)
    wal = _beside(path, "wal").read_bytes()
    with pytest.raises(LedgerError, match="belongs to another database"):
        Run(path)
    assert _beside(path, "wal").read_bytes() == wal


def test_a_database_that_lost_its_wal_in_the_middle_of_a_checkpoint_is_refused(path: Path) -> None:
    run = Run(path)
    run.place(30)
    run.checkpoint()
    older = path.read_bytes()
    run.place(30)
    run.crash()
    _beside(path, "wal").unlink()
    path.write_bytes(older[:40960] + bytes(4096) + older[45056:])
    with pytest.raises(LedgerError, match=r"orders\.db is damaged: .*; restore a backup"):
        Run(path)


def test_a_new_database_in_the_place_of_a_removed_one_starts_afresh(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(path)
    run.place()
    run.stop()
    path.unlink()
    assert _epoch_of_next_start(path) != run.epoch
    assert caplog.text == ""


def test_a_rejected_batch_moves_no_mark(path: Path) -> None:
    run = Run(path)
    run.place()
    before = _beside(path, "mark").read_bytes()
    run.ledger.commit(submission(CLIENT, "again", order_id="o-0"))
    assert _beside(path, "mark").read_bytes() == before
    run.stop()


def test_the_mark_is_where_the_database_is(path: Path) -> None:
    run = Run(path)
    run.place(3)
    run.ledger.stage(submission(CLIENT, "rolled back", order_id="rolled-back"))
    run.ledger.store.rollback()
    run.place()
    run.checkpoint()
    with closing(sqlite3.connect(path)) as other:
        (key, generation) = other.execute("SELECT max(key), touched FROM statuses, relay").fetchone()
    with ExitStack() as resources:
        mark = MarkFile(str(_beside(path, "mark")), resources).found
    assert mark == Mark(run.epoch, key, generation)
    run.stop()


def test_a_checkpoint_that_a_reader_holds_up_does_not_move_the_generation(path: Path) -> None:
    run = Run(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM relay").fetchone()
        before = _beside(path, "mark").read_bytes()
        run.checkpoint()
        assert _beside(path, "mark").read_bytes() == before
    run.checkpoint()
    assert _beside(path, "mark").read_bytes() != before
    run.stop()


def test_a_mark_that_cannot_be_written_is_left_behind_and_nothing_fails(tmp_path: Path) -> None:
    with ExitStack() as resources:
        marks = MarkFile(str(tmp_path / "mark"), resources)
        marks.begin(Mark("e" * 32, 1, 1))
        content = (tmp_path / "mark").read_bytes()
        os.close(marks._file)
        marks._file = os.open(tmp_path / "mark", os.O_RDONLY)
        resources.pop_all()
        marks.acknowledge(2)
        os.close(marks._file)
    assert (tmp_path / "mark").read_bytes() == content
