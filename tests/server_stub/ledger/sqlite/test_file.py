from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server_stub.ledger.sqlite import file
from server_stub.ledger.sqlite.file import open_sqlite_file, sqlite_path
from server_stub.ledger.store import LedgerError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


def _refusal(path: Path) -> str:
    with pytest.raises(LedgerError) as caught:
        open_sqlite_file(str(path))
    assert str(path.resolve()) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("url", ["sqlite:///orders.db", "sqlite:////tmp/orders.db", "sqlite:///a b/ü?.db"])
def test_the_path_is_what_follows_three_slashes(url: str) -> None:
    assert sqlite_path(url) == url[len("sqlite:///") :]


@pytest.mark.parametrize(
    "url", ["", "orders.db", "sqlite://orders.db", "sqlite:///", "SQLITE:///x", "postgresql://x/y"]
)
def test_an_invalid_url_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        sqlite_path(url)


@pytest.mark.parametrize("is_empty", [True, False])
def test_an_empty_or_missing_file_becomes_a_database_and_keeps_its_name(path: Path, is_empty: bool) -> None:
    if is_empty:
        path.touch()
    with closing(open_sqlite_file(str(path))) as first:
        epoch = first.epoch
    with closing(open_sqlite_file(str(path))) as second:
        assert second.epoch == epoch
    assert len(epoch) == 32


def test_two_databases_have_two_epochs(tmp_path: Path) -> None:
    with (
        closing(open_sqlite_file(str(tmp_path / "a"))) as a,
        closing(open_sqlite_file(str(tmp_path / "b"))) as b,
    ):
        assert a.epoch != b.epoch


def test_commits_survive_a_power_loss(path: Path) -> None:
    with closing(open_sqlite_file(str(path))) as opened:
        assert opened.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert opened.writer.execute("PRAGMA synchronous").fetchone() == (2,)


def test_on_macos_commits_also_leave_the_cache_of_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with closing(open_sqlite_file(str(path))) as opened:
        assert opened.writer.execute("PRAGMA fullfsync").fetchone() == (1,)
        assert opened.writer.execute("PRAGMA checkpoint_fullfsync").fetchone() == (1,)


class WithoutWAL(sqlite3.Connection):
    """A connection to a file on which SQLite cannot use WAL, as on some network file systems."""

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        return super().execute("SELECT 'delete'" if "journal_mode" in sql else sql, parameters)


def test_a_file_on_which_sqlite_cannot_make_commits_durable_is_rejected(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=WithoutWAL))
        with pytest.raises(LedgerError, match="did not take WAL and synchronous=FULL, but delete and 2"):
            open_sqlite_file(str(path))
    open_sqlite_file(str(path)).close()  # the lock was released


def test_a_journal_mode_that_sqlite_does_not_accept_is_an_error(path: Path) -> None:
    with closing(open_sqlite_file(str(path))):
        pass
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in _refusal(path)


def test_the_reader_cannot_write(path: Path) -> None:
    with closing(open_sqlite_file(str(path))) as opened, pytest.raises(sqlite3.OperationalError):
        opened.reader.execute("DELETE FROM relay")


def test_a_second_relay_is_rejected_while_the_first_runs(path: Path) -> None:
    with closing(open_sqlite_file(str(path))):
        assert "another relay has" in _refusal(path)
    open_sqlite_file(str(path)).close()


def test_a_second_relay_is_also_rejected_under_another_name_of_the_file(path: Path) -> None:
    with closing(open_sqlite_file(str(path))):
        link = path.with_name("link.db")
        link.symlink_to(path)
        assert "another relay has" in _refusal(link)


def test_the_lock_is_on_the_file_itself_whatever_its_name(path: Path) -> None:
    open_sqlite_file(str(path)).close()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        moved = path.rename(path.with_name("moved.db"))
        assert "another relay has" in _refusal(moved)


def test_a_refused_second_relay_leaves_the_locks_of_the_first(path: Path) -> None:
    with closing(open_sqlite_file(str(path))) as opened:
        assert "another relay has" in _refusal(path)
        # The last connection to close a database removes its WAL. If the locks were gone, that was this one.
        subprocess.run([sys.executable, "-c", READ, str(path)], check=True)
        assert path.with_name("orders.db-wal").exists()
        opened.writer.execute("UPDATE relay SET touched = 17")
    with closing(open_sqlite_file(str(path))) as opened:
        assert opened.writer.execute("SELECT touched FROM relay").fetchone() == (
            19,
        )  # and once on closing, on opening


READ = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
assert connection.execute("SELECT count(*) FROM relay").fetchone() == (1,)
connection.close()
"""


def test_a_file_with_two_names_is_rejected(path: Path) -> None:
    open_sqlite_file(str(path)).close()
    link = path.with_name("link.db")
    link.hardlink_to(path)
    assert "2 names (hard links); remove all but one" in _refusal(path)
    link.unlink()
    open_sqlite_file(str(path)).close()


def test_new_files_can_be_read_by_their_owner_alone(path: Path) -> None:
    with closing(open_sqlite_file(str(path))) as opened:
        opened.writer.execute("UPDATE relay SET touched = 0")
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert set(modes) > {"orders.db", "orders.db-wal"}
    assert set(modes.values()) == {0o600}


def test_the_permissions_of_an_existing_file_are_kept(path: Path) -> None:
    path.touch()
    path.chmod(0o640)
    open_sqlite_file(str(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_on_other_systems_a_file_beside_it_has_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd")
    with (
        closing(open_sqlite_file(str(path))),
        path.with_name("orders.db-lock").open("rb") as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    path.with_name("orders.db-lock").unlink()
    path.with_name("orders.db-lock").mkdir()
    assert "cannot lock the database" in _refusal(path)


def test_a_wal_that_cannot_be_opened_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(file, "LiveFiles", fail)
    assert "a file beside it: Too many open files" in _refusal(path)
    monkeypatch.undo()
    open_sqlite_file(str(path)).close()


@pytest.mark.parametrize(
    "content",
    [b"not a database", b"x", b"\0" * 4096, b"SQLite format 3\0", b"SQLite format 3\0" + b"\0" * 4080],
    ids=["text", "short", "zeros", "magic", "header"],
)
def test_a_foreign_file_is_rejected_and_left_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "is not a database of this relay" in _refusal(path)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_a_database_of_another_program_is_rejected_and_left_untouched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE orders (id)")
        other.commit()
    content = path.read_bytes()
    assert "is not a database of this relay" in _refusal(path)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("version", [0, 2])
def test_a_schema_of_another_version_is_rejected_and_left_untouched(path: Path, version: int) -> None:
    with closing(open_sqlite_file(str(path))) as opened:
        opened.writer.execute(f"PRAGMA user_version = {version}")
    content = path.read_bytes()
    assert f"its schema has version {version}" in _refusal(path)
    assert path.read_bytes() == content


def test_a_missing_directory_is_rejected(path: Path) -> None:
    assert "there is no such directory" in _refusal(path / "deeper" / "orders.db")


def test_a_directory_is_rejected_as_a_database(tmp_path: Path) -> None:
    assert "directory" in _refusal(tmp_path)


def test_what_is_not_a_regular_file_is_rejected(path: Path) -> None:
    os.mkfifo(path)
    assert "not a regular file" in _refusal(path)


def test_an_error_repeats_no_content_of_a_row(path: Path) -> None:
    with closing(open_sqlite_file(str(path))) as opened:
        opened.writer.execute(
            "UPDATE relay SET epoch = CAST(x'736563726574ff' AS TEXT)"
        )  # "secret", not UTF-8
    refusal = _refusal(path)
    assert "a row cannot be read" in refusal
    assert "secret" not in refusal


def test_a_database_with_damaged_pages_is_rejected(path: Path) -> None:
    open_sqlite_file(str(path)).close()
    content = bytearray(path.read_bytes())
    content[100:2000] = b"\xff" * 1900
    path.write_bytes(content)
    assert "cannot open the database" in _refusal(path)
    with pytest.raises(LedgerError, match="cannot open"):  # and the lock was released
        open_sqlite_file(str(path))
