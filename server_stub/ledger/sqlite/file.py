"""The SQLite file: its path, its lock, its schema, the checks on opening, and the connections to it.

For the statements that run in it, see `store` and `feeds`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import sqlite3
import stat
import sys
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from server_stub.ledger.sqlite.errors import describe
from server_stub.ledger.sqlite.live_files import LiveFiles
from server_stub.ledger.sqlite.mark import Mark, MarkFile
from server_stub.ledger.store import LedgerError

__all__ = [
    "NEXT_GENERATION",
    "SqliteFile",
    "check_pages",
    "connect",
    "open_sqlite_file",
    "refuse_foreign_schema",
    "sqlite_path",
]

_URL_PREFIX: Final = "sqlite:///"
_APPLICATION_ID: Final = 0x6F726431  # "ord1": how `file` and this module recognise the database of a relay
_SCHEMA_VERSION: Final = 1
_FULL: Final = 2
_log = logging.getLogger("server_stub")

NEXT_GENERATION: Final = "UPDATE relay SET touched = touched + 1"
"""Changes the database without a meaning, which shows that it takes writes, and tells its copies apart."""
_SCHEMA: Final = (
    # `merged` is the key of the last status that was compacted into `feeds` and `sent`.
    "CREATE TABLE relay (epoch TEXT NOT NULL, touched INTEGER NOT NULL, merged INTEGER NOT NULL)",
    "CREATE TABLE users (key INTEGER PRIMARY KEY, id TEXT NOT NULL, is_client INTEGER NOT NULL,"
    " UNIQUE (id, is_client))",
    # `client_first` and `serviceman_first` are the numbers of its first status in the two feeds.
    "CREATE TABLE orders (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " client INTEGER NOT NULL, serviceman INTEGER NOT NULL,"
    " client_first INTEGER NOT NULL, serviceman_first INTEGER NOT NULL,"
    " status INTEGER NOT NULL, is_open INTEGER NOT NULL)",
    "CREATE INDEX open_by_client ON orders (client, client_first) WHERE is_open",
    "CREATE INDEX open_by_serviceman ON orders (serviceman, serviceman_first) WHERE is_open",
    # `at` is in microseconds since 1970, UTC. Rows are only ever added, at the end.
    "CREATE TABLE statuses (key INTEGER PRIMARY KEY, order_key INTEGER NOT NULL, by_client INTEGER NOT NULL,"
    " client INTEGER NOT NULL, client_seq INTEGER NOT NULL,"
    " serviceman INTEGER NOT NULL, serviceman_seq INTEGER NOT NULL,"
    " message_id TEXT NOT NULL, status INTEGER NOT NULL, status_name TEXT NOT NULL,"
    " message TEXT NOT NULL, at INTEGER NOT NULL)",
    "CREATE TABLE feeds (user INTEGER NOT NULL, seq INTEGER NOT NULL, status INTEGER NOT NULL,"
    " PRIMARY KEY (user, seq)) WITHOUT ROWID",
    "CREATE TABLE sent (user INTEGER NOT NULL, message_id TEXT NOT NULL, status INTEGER NOT NULL,"
    " PRIMARY KEY (user, message_id)) WITHOUT ROWID",
)


_open_here: Final[set[tuple[int, int]]] = set()
"""The databases that this process has open.

POSIX locks, which SQLite uses, belong to a process and a file: to close any descriptor of the file drops them
all. So a database that is open here must not be opened a second time, not even to find that it is locked.
"""


class SqliteFile(NamedTuple):
    """An open database: its path, its name, the one connection that writes, and one that only reads."""

    path: str
    epoch: str
    writer: sqlite3.Connection
    reader: sqlite3.Connection
    live: LiveFiles
    mark: MarkFile
    resources: ExitStack

    def close(self) -> None:
        """Close both connections, then release the lock. Raises `DatabaseLostError`."""
        with self.resources:
            try:
                self.live.verify()
                with suppress(sqlite3.Error):
                    self.writer.execute(NEXT_GENERATION)
            finally:
                # The last one that closes writes the WAL into the database and removes it; but the reader
                # cannot. So files that are damaged stay as they are.
                connections = (self.reader, self.writer)
                for connection in reversed(connections) if self.live.is_damaged else connections:
                    connection.close()


def sqlite_path(url: str) -> str:
    """Return the path in `sqlite:///relative.db` or `sqlite:////absolute.db`. Raises `ValueError`."""
    path = url.removeprefix(_URL_PREFIX)
    if path in ("", url):
        raise ValueError(f"invalid database URL; use {_URL_PREFIX}relative.db or {_URL_PREFIX}/absolute.db")
    return path


def open_sqlite_file(path: str, *, check: bool = False) -> SqliteFile:
    """Open the relay's database, or create it if the file is missing or empty; `check` reads all of it.

    Raises `LedgerError`: no such directory, a file that is not a relay's (it is left untouched), another
    schema version, a file with several names, one that another relay has open, a WAL that belongs to another
    file, damage, or an error of SQLite. If statuses are missing that were acknowledged, it gets a new name.
    """
    path = os.path.realpath(path)
    with ExitStack() as resources, ExitStack() as connections:  # closed again on any error
        descriptor = _open(path, resources)
        _refuse_foreign_file(path, descriptor)
        _lock(path, descriptor, resources)
        try:
            mark = MarkFile(f"{path}-mark", resources)
            generation = _refuse_foreign_wal(path, mark.found)
            writer = connections.enter_context(closing(connect(path)))
            is_new = _prepare(writer)
            if check:
                check_pages(writer, path)
            epoch, status_key = _name(writer, path, mark.found, is_new=is_new)
            mark.begin(Mark(epoch, status_key, generation))
            reader = connections.enter_context(closing(connect(path, "mode=ro")))
            reader.execute("SELECT epoch FROM relay").fetchone()  # from now on, it shares the WAL
            live = LiveFiles(path, descriptor, resources)
        except sqlite3.Error as error:
            raise LedgerError(f"cannot open the database {path}: {describe(error)}") from None
        except OSError as error:
            reason = f"a file beside it: {error.strerror}"
            raise LedgerError(f"cannot open the database {path}: {reason}") from None
        connections.pop_all()
        return SqliteFile(path, epoch, writer, reader, live, mark, resources.pop_all())


def _open(path: str, resources: ExitStack) -> int:
    """Open the file, or create it; SQLite gives the files beside it the same permissions."""
    try:
        if os.path.exists(path) and _identity(os.stat(path)) in _open_here:
            raise _taken(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
    except FileNotFoundError:
        raise LedgerError(f"cannot open the database {path}: there is no such directory") from None
    except OSError as error:
        raise LedgerError(f"cannot open the database {path}: {error.strerror}") from None
    identity = _identity(os.fstat(descriptor))
    _open_here.add(identity)
    resources.callback(_open_here.discard, identity)
    resources.callback(os.close, descriptor)
    return descriptor


def _refuse_foreign_file(path: str, descriptor: int) -> None:
    # Without SQLite, which would change the file or create others beside it.
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise LedgerError(f"cannot open the database {path}: it is not a regular file")
    if status.st_nlink > 1:
        reason = f"the file has {status.st_nlink} names (hard links); remove all but one"
        raise LedgerError(f"cannot use the database {path}: {reason}")
    header = os.pread(descriptor, 100, 0)
    if header:
        is_sqlite = header.startswith(b"SQLite format 3\0")
        version, application_id = (int.from_bytes(header[at : at + 4], "big") for at in (60, 68))
        refuse_foreign_schema(path, application_id if is_sqlite else 0, version)


def refuse_foreign_schema(path: str, application_id: int, version: int) -> None:
    """Raise `LedgerError` if these numbers are not those of a database of this relay."""
    if application_id != _APPLICATION_ID:
        raise LedgerError(f"{path} is not a database of this relay; it was left as it is")
    if version != _SCHEMA_VERSION:
        reason = f"its schema has version {version}, and this relay knows version {_SCHEMA_VERSION}"
        raise LedgerError(f"cannot use the database {path}: {reason}")


def _lock(path: str, descriptor: int, resources: ExitStack) -> None:
    """Lock the file itself, so that it has one lock whatever its name."""
    try:
        if sys.platform != "linux":
            # There, flock and the POSIX locks of SQLite exclude each other: a file beside it has the lock.
            descriptor = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT, 0o600)
            resources.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(path) from None
    except OSError as error:
        raise LedgerError(f"cannot lock the database {path}: {error.strerror}") from None


def _taken(path: str) -> LedgerError:
    return LedgerError(f"another relay has the database {path} open")


def _refuse_foreign_wal(path: str, mark: Mark | None) -> int:
    """Return the generation of the database without its WAL, if that is known.

    A WAL that does not belong to the file would be read into it: pages of one database into another.
    """
    is_foreign, generation = os.path.getsize(path) == 0, 0
    if mark is not None and not is_foreign:
        # It fails in the middle of a checkpoint: then the WAL is needed, and was so a moment ago.
        with closing(connect(path, "immutable=1")) as without_wal, suppress(sqlite3.DatabaseError):
            epoch, generation = without_wal.execute("SELECT epoch, touched FROM relay").fetchone()
            is_foreign = epoch != mark.epoch or generation < mark.generation
    wal = f"{path}-wal"
    if is_foreign and os.path.exists(wal) and os.path.getsize(wal):
        advice = f"put that database back, or remove {wal} and what only it holds"
        raise LedgerError(f"{wal} belongs to another database than {path}, such as a newer copy; {advice}")
    return generation


def _prepare(writer: sqlite3.Connection) -> bool:
    """Make commits durable, and create the schema if there is none; return whether that was so."""
    writer.execute("PRAGMA synchronous = FULL")
    (tables,) = writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables:
        _create(writer)
    _make_durable(writer)
    writer.execute(NEXT_GENERATION)  # fails now if the file cannot be written
    return not tables


def check_pages(connection: sqlite3.Connection, path: str) -> None:
    """Read the whole database, and raise `LedgerError` if it is damaged."""
    (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if result != "ok":
        raise LedgerError(f"the database {path} is damaged: {result.splitlines()[-1]}; restore a backup")


def _name(writer: sqlite3.Connection, path: str, mark: Mark | None, *, is_new: bool) -> tuple[str, int]:
    """Return the name of the database and the key of its last status; rename it if it may be an older copy.

    Under the old name, feeds would be resumed whose numbers may since have come to mean other statuses.
    """
    names = writer.execute("SELECT epoch, (SELECT coalesce(max(key), 0) FROM statuses) FROM relay")
    epoch, status_key = names.fetchone()
    if is_new:
        return epoch, status_key
    if mark is None:
        reason = f"there is no {path}-mark that says how far it had come"
    elif epoch != mark.epoch:
        reason = f"it is not the one of {path}-mark, but a copy or another one"
    elif status_key < mark.status_key:
        missing = f"{mark.status_key - status_key} statuses that were acknowledged are missing"
        reason = f"{missing}; its WAL was removed or cut, or it is an older copy"
        check_pages(writer, path)  # without its WAL, it may be in the middle of a checkpoint
    else:
        return epoch, status_key
    epoch = secrets.token_hex(16)
    writer.execute("UPDATE relay SET epoch = ?", (epoch,))
    _log.warning("the database %s has a new epoch, and clients read their feeds again: %s", path, reason)
    return epoch, status_key


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def connect(path: str, parameters: str = "") -> sqlite3.Connection:
    """Open a connection; `parameters` are those of SQLite's URIs."""
    # It never waits for a lock, which would block the event loop. Transactions are explicit.
    name = f"{Path(path).as_uri()}?{parameters}" if parameters else path
    return sqlite3.connect(
        name, timeout=0, isolation_level=None, check_same_thread=False, uri=bool(parameters)
    )


def _create(writer: sqlite3.Connection) -> None:
    # With the rollback journal, before WAL, so that a file that is not empty has our application_id.
    writer.execute("BEGIN IMMEDIATE")
    writer.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    writer.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    for statement in _SCHEMA:
        writer.execute(statement)
    writer.execute("INSERT INTO relay VALUES (?, 0, 0)", (secrets.token_hex(16),))
    writer.execute("COMMIT")


def _make_durable(writer: sqlite3.Connection) -> None:
    """Make commits survive a power loss; read back, since SQLite ignores unknown values."""
    (mode,) = writer.execute("PRAGMA journal_mode = WAL").fetchone()
    (synchronous,) = writer.execute("PRAGMA synchronous").fetchone()
    if (mode, synchronous) != ("wal", _FULL):
        raise LedgerError(f"SQLite did not take WAL and synchronous=FULL, but {mode} and {synchronous}")
    if sys.platform == "darwin":  # where fsync alone leaves the data in the cache of the disk
        writer.execute("PRAGMA fullfsync = 1")
        writer.execute("PRAGMA checkpoint_fullfsync = 1")
    writer.execute(
        "PRAGMA cache_spill = 0"
    )  # nothing is written before COMMIT, which is not in the event loop
    writer.execute("PRAGMA wal_autocheckpoint = 0")  # but between two batches, once the files are verified
