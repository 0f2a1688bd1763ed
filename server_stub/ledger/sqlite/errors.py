"""The errors of SQLite in words that may be logged and shown."""

from __future__ import annotations

import sqlite3

__all__ = ["describe"]


def describe(error: sqlite3.Error) -> str:
    """Return what went wrong, without the content of any row.

    The texts of SQLite itself name tables and columns at most. Those of the module `sqlite3` come without a
    code, and quote a text that is not UTF-8 in full.
    """
    if hasattr(error, "sqlite_errorcode"):
        return str(error)
    return "a row cannot be read; the database is damaged"
