from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from server_stub.backup_command import run
from server_stub.ledger.sqlite.store import SqliteStore

Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RELAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def database(tmp_path: Path) -> str:
    SqliteStore(str(tmp_path / "orders.db")).close()
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs the command; returns its one line on stderr."""

    def refused(status: int, *argv: str) -> str:
        assert run(argv) == status
        output, errors = capsys.readouterr()
        assert (output, errors.count("\n")) == ("", 1)
        return errors

    return refused


def test_a_backup_is_a_database(database: str, tmp_path: Path) -> None:
    assert run(["--database", database, str(tmp_path / "backup.db")]) == 0
    SqliteStore(str(tmp_path / "backup.db")).close()


def test_the_database_is_that_of_the_relay_in_this_environment(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY_DATABASE", database)
    assert run([str(tmp_path / "backup.db")]) == 0
    assert (tmp_path / "backup.db").exists()


def test_without_a_database_it_is_orders_db(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["backup.db"]) == 0
    assert (tmp_path / "backup.db").exists()


def test_an_existing_file_needs_force(database: str, tmp_path: Path, refused: Refused) -> None:
    target = tmp_path / "backup.db"
    target.write_text("something else")
    argv = ("--database", database, str(target))
    assert "use --force to replace it" in refused(1, *argv)
    assert target.read_text() == "something else"
    assert run([*argv, "--force"]) == 0
    assert target.read_bytes().startswith(b"SQLite format 3\0")


def test_invalid_settings_are_named(database: str, tmp_path: Path, refused: Refused) -> None:
    assert "--database (RELAY_DATABASE): unsupported database" in refused(2, "--database", "redis://h", "x")
    assert "FILE" in refused(2, "--database", database).upper()


def test_a_missing_database_is_one_line(tmp_path: Path, refused: Refused) -> None:
    line = refused(1, "--database", f"sqlite:///{tmp_path}/none.db", str(tmp_path / "backup.db"))
    assert str(tmp_path / "none.db") in line
    assert os.listdir(tmp_path) == []
