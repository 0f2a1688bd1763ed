from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server_stub.ledger.sqlite import file
from server_stub.ledger.sqlite.backup import back_up
from server_stub.ledger.store import LedgerError
from server_stub.records import Entry
from tests.server_stub.support import CLIENT, LedgerHarness, submission


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[LedgerHarness]:
    ledger = LedgerHarness(path)
    _place(ledger, 3)
    yield ledger
    ledger.store.close()


def _place(ledger: LedgerHarness, orders: int) -> list[Entry]:
    head = ledger.feeds.head(CLIENT)
    for number in range(head, head + orders):
        ledger.commit(submission(CLIENT, f"m-{number}", order_id=f"o-{number}", message="x" * 4000))
    return ledger.feed(CLIENT)


def _refusal(path: Path, target: Path, *, replace: bool = False) -> str:
    before = target.read_bytes() if target.is_file() else None
    with pytest.raises(LedgerError) as caught:
        back_up(str(path), str(target), replace=replace)
    assert "\n" not in str(caught.value)
    assert (target.read_bytes() if target.is_file() else None) == before
    return str(caught.value)


def _feed_and_epoch(path: Path) -> tuple[list[Entry], str]:
    ledger = LedgerHarness(path)
    try:
        return ledger.feed(CLIENT), ledger.feeds.epoch
    finally:
        ledger.store.close()


def test_a_backup_has_what_was_committed_and_a_new_epoch_each_time_it_is_restored(
    ledger: LedgerHarness, path: Path, target: Path
) -> None:
    ledger.compact()
    feed = _place(ledger, 2)
    back_up(str(path), str(target), replace=False)
    _place(ledger, 2)
    assert sorted(os.listdir(path.parent)) == [
        "backup.db",
        *(f"orders.db{s}" for s in ("", "-mark", "-shm", "-wal")),
    ]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    content = target.read_bytes()
    epochs = {ledger.feeds.epoch}
    for name in ("one.db", "two.db", "two.db"):
        (path.parent / name).write_bytes(content)
        restored, epoch = _feed_and_epoch(path.parent / name)
        assert restored == feed
        assert epoch not in epochs
        epochs.add(epoch)


def test_the_relay_goes_on_after_a_backup(ledger: LedgerHarness, path: Path, target: Path) -> None:
    back_up(str(path), str(target), replace=False)
    assert len(_place(ledger, 3)) == 6
    ledger.store._checkpoint()
    assert len(_place(ledger, 3)) == 9


def test_the_database_of_a_relay_that_does_not_run_can_be_backed_up(path: Path, target: Path) -> None:
    ledger = LedgerHarness(path)
    feed = _place(ledger, 2)
    ledger.store.close()
    back_up(str(path), str(target), replace=False)
    assert _feed_and_epoch(target)[0] == feed
    assert _feed_and_epoch(path) == (feed, ledger.feeds.epoch)


def test_an_existing_file_is_replaced_only_if_that_is_wanted(
    ledger: LedgerHarness, path: Path, target: Path
) -> None:
    target.write_text("something else")
    assert "backup.db: it exists already; use --force to replace it" in _refusal(path, target)
    back_up(str(path), str(target), replace=True)
    assert _feed_and_epoch(target)[0] == ledger.feed(CLIENT)


@pytest.mark.parametrize("replace", [True, False])
def test_a_directory_is_never_replaced(
    ledger: LedgerHarness, path: Path, target: Path, replace: bool
) -> None:
    target.mkdir()
    assert "it is not a file" in _refusal(path, target, replace=replace)


@pytest.mark.parametrize("name", ["orders.db", "orders.db-wal", "orders.db-shm", "orders.db-mark", "link.db"])
def test_the_database_itself_is_never_replaced(ledger: LedgerHarness, path: Path, name: str) -> None:
    path.with_name("link.db").symlink_to(path)
    with pytest.raises(LedgerError, match="it belongs to the database; choose another name"):
        back_up(str(path), str(path.with_name(name)), replace=True)
    assert len(_place(ledger, 1)) == 4


def test_a_missing_database_is_an_error_and_is_not_created(path: Path, target: Path) -> None:
    assert "unable to open database file" in _refusal(path, target)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("is_sqlite", [True, False])
def test_a_foreign_file_is_not_backed_up(path: Path, target: Path, is_sqlite: bool) -> None:
    if is_sqlite:
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE orders (id)")
    else:
        path.write_text("Dear diary,\n" * 100)
    assert "not a database" in _refusal(path, target)
    assert os.listdir(path.parent) == [path.name]


def test_a_missing_directory_is_an_error(ledger: LedgerHarness, path: Path, tmp_path: Path) -> None:
    assert "No such file or directory" in _refusal(path, tmp_path / "nowhere" / "backup.db")


def test_a_backup_that_is_under_way_is_not_disturbed(ledger: LedgerHarness, path: Path, target: Path) -> None:
    partial = target.with_name("backup.db.partial")
    partial.write_text("half")
    assert f"another backup is under way, or has left {partial}" in _refusal(path, target)
    assert partial.read_text() == "half"


def test_a_damaged_database_is_not_backed_up(path: Path, target: Path) -> None:
    ledger = LedgerHarness(path)
    _place(ledger, 30)
    ledger.store.close()
    content = path.read_bytes()
    path.write_bytes(content[:40960] + bytes(4096) + content[45056:])
    assert "is damaged" in _refusal(path, target)
    assert not target.with_name("backup.db.partial").exists()


def test_a_backup_that_cannot_be_made_durable_is_none(
    ledger: LedgerHarness, path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: str) -> None:
        raise OSError(5, "Input/output error")

    target.write_text("the last backup")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_paths: fail(""))
        assert "Input/output error" in _refusal(path, target, replace=True)
    assert not target.with_name("backup.db.partial").exists()


def test_a_damaged_database_is_refused_at_a_start_that_checks_it(path: Path) -> None:
    ledger = LedgerHarness(path)
    _place(ledger, 30)
    ledger.store.close()
    file.open_sqlite_file(str(path), check=True).close()
    content = path.read_bytes()
    path.write_bytes(content[:40960] + bytes(4096) + content[45056:])
    with pytest.raises(LedgerError, match=r"orders\.db is damaged: Page 11.*; restore a backup"):
        file.open_sqlite_file(str(path), check=True)
    file.open_sqlite_file(str(path)).close()
