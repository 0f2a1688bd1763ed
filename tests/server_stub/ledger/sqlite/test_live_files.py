"""What other programs do to the files of an open database, and what is noticed before anybody is told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server_stub.ledger.sqlite import live_files
from server_stub.ledger.store import DatabaseLostError, LedgerError
from tests.server_stub.support import CLIENT, LedgerHarness, submission


class Database(LedgerHarness):
    """A ledger with some commits, and its files."""

    def __init__(self, path: Path, *, commits: int = 3) -> None:
        super().__init__(path)
        self.path = path
        self.wal = path.with_name(f"{path.name}-wal")
        self.older = path.with_name("older.db")
        self.is_closed = False
        self._numbers = count(self.feeds.head(CLIENT))
        self.place(commits)
        self.checkpoint()
        shutil.copy(path, self.older)
        self.place(commits)

    def close(self) -> None:
        """Close the store."""
        self.is_closed = True
        self.store.close()

    def place(self, orders: int = 1) -> None:
        """Place so many orders, a transaction each."""
        for _ in range(orders):
            number = next(self._numbers)
            self.commit(submission(CLIENT, f"m-{number}", order_id=f"o-{number}", message="x" * 4000))

    def checkpoint(self) -> None:
        """Copy the WAL into the database, as between two batches."""
        self.store._checkpoint()

    def compact_a_slice(self) -> None:
        step = self.store.compaction.step()
        self.store._compact(step.work)
        step.after()

    def place_in_vain(self) -> str:
        """Place an order, which must not be acknowledged; return why."""
        with pytest.raises(DatabaseLostError) as caught:
            self.place()
        return str(caught.value)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "orders.db")
    yield database
    if not database.is_closed:
        with suppress(DatabaseLostError):
            database.close()


def _overwrite(path: Path, content: bytes, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def _replace(database: Database) -> None:
    shutil.copy(database.older, database.older.with_suffix(".copy"))
    database.older.with_suffix(".copy").replace(database.path)


def _put_back_in_place(database: Database) -> None:
    shutil.copy(database.older, database.path)


def _cut(database: Database, share: float) -> None:
    """Cut off the end of what the WAL holds; there may be older frames behind it."""
    live = database.store._file.live
    os.truncate(database.wal, int(share * (32 + live._frames * len(live._last_frame))))


DAMAGES: dict[str, tuple[str, Callable[[Database], None]]] = {
    "database removed": ("orders.db was removed", lambda it: it.path.unlink()),
    "database moved": ("orders.db was removed", lambda it: it.path.replace(it.path.with_name("moved.db"))),
    "database replaced": ("orders.db was replaced", _replace),
    "older database written over it": ("orders.db was overwritten", _put_back_in_place),
    "database emptied": ("orders.db was overwritten or truncated", lambda it: os.truncate(it.path, 0)),
    "database cut": ("orders.db was overwritten or truncated", lambda it: os.truncate(it.path, 4096)),
    "byte of the database changed": ("orders.db was overwritten", lambda it: _overwrite(it.path, b"!", 5000)),
    "WAL emptied": ("orders.db-wal was overwritten or truncated", lambda it: _cut(it, 0)),
    "WAL cut in half": ("orders.db-wal was overwritten or truncated", lambda it: _cut(it, 0.5)),
    "end of the WAL cut off": ("orders.db-wal was overwritten or truncated", lambda it: _cut(it, 0.99)),
    "header of the WAL overwritten": (
        "orders.db-wal was overwritten",
        lambda it: _overwrite(it.wal, bytes(32)),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_commit_after_a_damage_is_not_acknowledged_and_the_files_stay_as_they_are(
    database: Database, damage: str
) -> None:
    reason, do = DAMAGES[damage]
    do(database)
    assert reason in database.place_in_vain()
    files = {each: each.read_bytes() for each in database.path.parent.iterdir() if each.suffix != ".db-shm"}
    with pytest.raises(DatabaseLostError, match=reason):
        database.close()
    assert {each: each.read_bytes() for each in files if each.exists()} == files


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_commit_into_a_wal_without_a_name_is_not_acknowledged_and_closing_saves_what_was(
    database: Database, is_replaced: bool
) -> None:
    content = database.wal.read_bytes()
    database.wal.unlink()
    if is_replaced:
        database.wal.write_bytes(content)
    assert "orders.db-wal was removed or replaced" in database.place_in_vain()
    with pytest.raises(DatabaseLostError):
        database.close()
    with closing(sqlite3.connect(database.path)) as other:
        assert other.execute("SELECT count(*) FROM statuses").fetchone() == (7,)


def test_an_older_database_that_is_put_in_place_just_before_the_wal_starts_again_is_noticed(
    database: Database,
) -> None:
    database.checkpoint()
    status = database.path.stat()
    older = database.older.read_bytes()
    database.path.write_bytes(older.ljust(status.st_size, b"\0"))
    os.utime(database.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "orders.db was overwritten" in database.place_in_vain()


def test_a_truncation_during_a_commit_is_noticed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    execute = database.store._execute

    def execute_and_truncate(statement: str) -> None:
        execute(statement)
        if statement == "COMMIT":
            os.truncate(database.wal, 4096)

    monkeypatch.setattr(database.store, "_execute", execute_and_truncate)
    assert "orders.db-wal was overwritten or truncated" in database.place_in_vain()


def test_a_damaged_wal_is_not_written_into_the_database(database: Database) -> None:
    content = database.path.read_bytes()
    os.truncate(database.wal, 0)
    with pytest.raises(DatabaseLostError):
        database.checkpoint()
    assert database.path.read_bytes() == content


def test_a_damage_explains_why_a_commit_fails(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(statement: str) -> None:
        raise LedgerError("SQLite: disk I/O error")

    database.stage(submission(CLIENT, "m"))
    os.truncate(database.wal, 0)
    monkeypatch.setattr(database.store, "_execute", fail)
    with pytest.raises(DatabaseLostError):
        database.store.commit()


def test_a_damage_explains_why_a_step_of_a_compaction_is_the_last(database: Database) -> None:
    step = database.store.compaction.step()
    os.truncate(database.wal, 0)
    with pytest.raises(DatabaseLostError):
        database.store._compact(step.work)


def test_a_checkpoint_is_due_once_the_wal_has_grown_and_the_wal_starts_again_after_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_files, "CHECKPOINT_SIZE", 20)
    largest = 0
    for _ in range(50):
        database.place()
        maintenance = database.store.maintenance()
        if maintenance is not None:
            maintenance.work()
            maintenance.after()
            assert database.store.maintenance() is None
        largest = max(largest, database.wal.stat().st_size)
    assert largest < 40 * 4120


def test_a_checkpoint_that_a_reader_holds_up_is_not_tried_again_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_files, "CHECKPOINT_SIZE", 20)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM statuses").fetchone()
        database.place(20)
        maintenance = database.store.maintenance()
        assert maintenance is not None
        maintenance.work()
        assert database.store.maintenance() is None
    database.place(20)
    assert database.store.maintenance() is not None


def test_a_checkpoint_that_fails_damages_nothing(database: Database) -> None:
    def fail() -> None:
        _overwrite(database.path, b"?", 5000)  # as far as it came
        raise LedgerError("SQLite: disk I/O error")

    (backfilled,) = (database.store._file.live._backfilled,)
    with pytest.raises(LedgerError, match="disk I/O error"):
        database.store._file.live.checkpoint(fail)
    assert database.store._file.live._backfilled == backfilled


def _read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM statuses").fetchone()


def _checkpoint(mode: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA wal_checkpoint({mode})")


def _commit_nothing(database: Database) -> None:
    database.commit()


def _roll_back(database: Database) -> None:
    database.stage(submission(CLIENT, "rolled back", order_id="rolled-back"))
    database.store.rollback()


def _change_status(database: Database) -> None:
    database.path.chmod(0o640)
    database.wal.chmod(0o640)
    os.utime(database.path, ns=(0, database.path.stat().st_mtime_ns))


HARMLESS: dict[str, Callable[[Database], None]] = {
    "place": Database.place,
    "many": lambda it: it.place(30),
    "commit nothing": _commit_nothing,
    "roll back": _roll_back,
    "checkpoint": Database.checkpoint,
    "compact": Database.compact,
    "read": lambda it: _read(it.path),
    "passive": lambda it: _checkpoint("PASSIVE", it.path),
    "restart": lambda it: _checkpoint("RESTART", it.path),
    "truncate": lambda it: _checkpoint("TRUNCATE", it.path),
    "change status": _change_status,
}


@settings(max_examples=40)
@given(st.lists(st.sampled_from(list(HARMLESS)), max_size=12))
def test_whatever_sqlite_does_to_its_files_is_no_damage(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        database = Database(Path(name) / "orders.db", commits=1)
        for step in steps:
            HARMLESS[step](database)
        database.place()
        head = database.feeds.head(CLIENT)
        database.close()
        with closing(sqlite3.connect(Path(name) / "orders.db")) as other:
            assert other.execute("SELECT count(*) FROM statuses").fetchone() == (head,)


def test_pages_of_64_kib_are_verified_too(tmp_path: Path) -> None:
    database = Database(tmp_path / "orders.db")
    database.close()
    with closing(sqlite3.connect(database.path)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("PRAGMA page_size = 65536")
        other.execute("VACUUM")
    database = Database(tmp_path / "orders.db")
    os.truncate(database.wal, 70_000)
    assert "was overwritten or truncated" in database.place_in_vain()
    with suppress(DatabaseLostError):
        database.close()
