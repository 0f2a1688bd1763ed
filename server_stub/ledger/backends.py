"""The databases that there are, by the scheme of their URL. The only module that knows which."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from server_stub.ledger.sqlite.file import sqlite_path
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.ledger.store import Store

__all__ = ["check_url", "open_store"]


def check_url(url: str) -> None:
    """Raise `ValueError` if this is not the URL of a database; nothing is opened."""
    _opener(url)


def open_store(url: str) -> Store:
    """Open the database at a URL. Raises `LedgerError`."""
    return _opener(url)()


def _opener(url: str) -> Callable[[], Store]:
    match url.partition(":")[0]:
        case "sqlite":
            return partial(SqliteStore, sqlite_path(url))
        case _:
            raise ValueError("unsupported database; use sqlite:///relative.db or sqlite:////absolute.db")
