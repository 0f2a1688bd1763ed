"""The databases that there are, by the scheme of their URL. The only module that knows which."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from server_stub.ledger.sqlite import backup
from server_stub.ledger.sqlite.file import sqlite_path
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.ledger.store import Store

__all__ = ["back_up", "check_url", "open_store"]


class _Database(NamedTuple):
    open: Callable[..., Store]
    back_up: Callable[..., None]


def check_url(url: str) -> None:
    """Raise `ValueError` if this is not the URL of a database; nothing is opened."""
    _at(url)


def open_store(url: str, *, check: bool = False) -> Store:
    """Open the database at a URL; `check` reads all of it for damage. Raises `LedgerError`."""
    return _at(url).open(check=check)


def back_up(url: str, target: str, *, replace: bool) -> None:
    """Copy the database at a URL to a file, even if a relay has it open. Raises `LedgerError`."""
    _at(url).back_up(target, replace=replace)


def _at(url: str) -> _Database:
    match url.partition(":")[0]:
        case "sqlite":
            path = sqlite_path(url)
            return _Database(partial(SqliteStore, path), partial(backup.back_up, path))
        case _:
            raise ValueError("unsupported database; use sqlite:///relative.db or sqlite:////absolute.db")
