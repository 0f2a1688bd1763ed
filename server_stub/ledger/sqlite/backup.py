"""A copy of a database, which a relay may have open meanwhile.

It is what the database was at one moment. It is made under another name, and checked, before it gets its own;
its epoch is removed, so that the relay that opens it gives it a new one: clients must not resume feeds
that have gone on without the copy.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress

from server_stub.ledger.sqlite.errors import describe
from server_stub.ledger.sqlite.file import check_pages, connect, refuse_foreign_schema
from server_stub.ledger.store import LedgerError

__all__ = ["back_up"]


def back_up(path: str, target: str, *, replace: bool) -> None:
    """Copy the database at `path` to `target`. Raises `LedgerError`, and leaves `target` as it was then."""
    path, target = os.path.realpath(path), os.path.realpath(target)
    partial = f"{target}.partial"
    try:
        _refuse_target(path, target, replace=replace)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        reason = f"another backup is under way, or has left {partial}; then remove that"
        raise LedgerError(f"cannot back up to {target}: {reason}") from None
    except OSError as error:
        raise LedgerError(f"cannot back up to {target}: {error.strerror}") from None
    try:
        _copy(path, partial)
        os.fsync(descriptor)
        os.replace(partial, target)
        _sync_directory(target)
    except sqlite3.Error as error:
        raise LedgerError(f"cannot back up {path} to {target}: {describe(error)}") from None
    except OSError as error:
        raise LedgerError(f"cannot back up {path} to {target}: {error.strerror}") from None
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(partial)


def _refuse_target(path: str, target: str, *, replace: bool) -> None:
    if target in (path, *(f"{path}-{suffix}" for suffix in ("wal", "shm", "mark", "lock"))):
        raise LedgerError(f"cannot back up to {target}: it belongs to the database; choose another name")
    if os.path.lexists(target) and not (replace and os.path.isfile(target)):
        advice = "use --force to replace it" if os.path.isfile(target) else "it is not a file"
        raise LedgerError(f"cannot back up to {target}: it exists already; {advice}")


def _copy(path: str, partial: str) -> None:
    with closing(connect(path, "mode=ro")) as source, closing(connect(partial)) as copy:
        numbers = (
            source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        refuse_foreign_schema(path, *numbers)
        source.backup(copy)  # in one step: with several, each commit of the relay would start it again
        copy.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
        copy.execute("UPDATE relay SET epoch = ''")
        check_pages(copy, partial)


def _sync_directory(path: str) -> None:
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
