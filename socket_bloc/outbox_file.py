"""The SQLite file of a `SqliteOutbox`: its lock, its schema, the checks on opening, and its connections.

What is written to it, and when, is in `sqlite_outbox`.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import sys
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from zlib import crc32

from socket_bloc.errors import OutboxError
from socket_bloc.order_status import OrderStatus
from socket_bloc.outbox import Send

__all__ = [
    "BIND",
    "SYNC",
    "OutboxFile",
    "StoredSend",
    "checkpoint",
    "open_outbox_file",
    "sqlite_errors",
    "with_checksum",
]

_APPLICATION_ID: Final = 0x6F757431  # "out1": how `file` and this module recognise an outbox
_SCHEMA_VERSION: Final = 1
_FULL: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LOG_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\0\0\0\0")  # zeros: created, never synced
_SCHEMA: Final = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
    # One row, of nobody at first. `syncs` is there to be written, by `SYNC`.
    "CREATE TABLE outbox (user_id TEXT, type TEXT, checksum INTEGER, syncs INTEGER NOT NULL)",
    "INSERT INTO outbox VALUES (NULL, NULL, NULL, 0)",
    # `added_at` is in microseconds since 1970, UTC. There is no index: each send would write one more page,
    # and it is in memory that sends are looked up.
    "CREATE TABLE sends (key INTEGER PRIMARY KEY, message_id TEXT NOT NULL, order_status TEXT NOT NULL,"
    " added_at INTEGER NOT NULL, checksum INTEGER NOT NULL)",
)

SYNC: Final = "UPDATE outbox SET syncs = syncs + 1"
"""Changes nothing that matters; its commit makes all commits before it durable."""
BIND: Final = "UPDATE outbox SET user_id = ?, type = ?, checksum = ?"
_NOBODY: Final = (None, None, None)

_open_here: dict[tuple[int, int], int] = {}
"""The files that this process has open. Closing any descriptor of one drops all locks of SQLite on it."""


class StoredSend(NamedTuple):
    """A send and its key, which no other send of this process has had."""

    key: int
    send: Send

    def to_row(self) -> tuple[str | int, ...]:
        """Return it as it is stored."""
        order_status = self.send.order_status.model_dump_json()
        added_at = (self.send.added_at - _EPOCH) // _MICROSECOND
        return with_checksum(self.key, self.send.message_id, order_status, added_at)

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Return what was stored. Raises `ValueError` if it was altered."""
        key, message_id, order_status, added_at = _checked(row)
        added_at = _EPOCH + added_at * _MICROSECOND
        return cls(key, Send(message_id, OrderStatus.from_json(order_status), added_at))


def with_checksum(*fields: str | int) -> tuple[str | int, ...]:
    """Return the fields of a row and their checksum. SQLite has none: it would not notice an altered text."""
    return (*fields, crc32("\0".join(map(str, fields)).encode()))


def _checked(row: tuple[Any, ...]) -> tuple[Any, ...]:
    fields = row[:-1]
    if with_checksum(*fields) != row:
        raise ValueError("the checksum is another one")
    return fields


class OutboxFile(NamedTuple):
    """An open file: its path, its connection, whose it is, what was in it, and what closes it."""

    path: str
    connection: sqlite3.Connection
    owner: tuple[str, ...] | None
    sends: list[StoredSend]
    resources: ExitStack


@contextmanager
def sqlite_errors(doing: str, path: str) -> Generator[None]:
    """Raise an `OutboxError` for an error of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        # Those of the module `sqlite3` itself have no code, and quote the text that they cannot decode.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(path) from None
        raise OutboxError(f"cannot {doing} the outbox {path}: {error}") from None


def open_outbox_file(path: str) -> OutboxFile:
    """Open an outbox, or create it if the file is missing or empty.

    Raises `OutboxError`, and leaves the file as it is: no such directory, not a regular file or one with
    several names, not an outbox, another schema version, a damaged one, or one that is open already.
    """
    path = os.path.realpath(path)
    with ExitStack() as opened, sqlite_errors("open", path):  # closed again on any error
        try:
            descriptor = _open(path, opened)
            if os.fstat(descriptor).st_size == 0:
                descriptor = _create(path, opened)
            _check_header(path, descriptor)
            owner, sends = _read(path)
        except ValueError:
            raise _damaged(path) from None
        except OSError as error:
            is_missing = isinstance(error, FileNotFoundError)
            reason = "there is no such directory" if is_missing else error.strerror
            raise OutboxError(f"cannot open the outbox {path}: {reason}") from None
        _make_private(path)
        connection = opened.enter_context(closing(_connect(path)))
        _make_durable(path, connection)
        with suppress(sqlite3.Error):  # a file that cannot be written to says so when something is added
            connection.execute(SYNC)  # creates the log, which costs the first commit one more fsync
        return OutboxFile(path, connection, owner, sends, opened.pop_all())


def checkpoint(path: str) -> None:
    """Move the write-ahead log of an open outbox into its file. It takes several fsyncs: for a thread."""
    with suppress(sqlite3.Error), closing(_connect(path)) as connection:  # if it fails, the next one does it
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _open(path: str, opened: ExitStack) -> int:
    """Open the file, or create an empty one; lock it, and return its descriptor."""
    if os.path.exists(path) and _identity(os.stat(path)) in _open_here:
        raise _taken(path)
    # Not for writing, since a file that is read-only can still be read; and a FIFO must not be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK, 0o600)
    status = _keep(descriptor, opened)
    if not stat.S_ISREG(status.st_mode):
        raise OutboxError(f"cannot open the outbox {path}: it is not a regular file")
    if status.st_nlink > 1:  # SQLite would keep a log of its own beside each of them
        reason = f"the file has {status.st_nlink} names (hard links); remove all but one"
        raise OutboxError(f"cannot open the outbox {path}: {reason}")
    lock = descriptor
    if sys.platform != "linux":
        # There, flock and the POSIX locks of SQLite exclude each other: a file beside it has the lock.
        lock = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT, 0o600)
        opened.callback(os.close, lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(path) from None
    return descriptor


def _keep(descriptor: int, opened: ExitStack) -> os.stat_result:
    """Register the file behind a descriptor, and keep the descriptor until the outbox is closed."""
    status = os.fstat(descriptor)
    _open_here[_identity(status)] = descriptor
    opened.callback(_open_here.pop, _identity(status))
    opened.callback(os.close, descriptor)
    return status


def _release_locks() -> None:
    """Release in a forked child what it shares with its parent, so that it does not outlive that one."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor in _open_here.values():
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)


os.register_at_fork(after_in_child=_release_locks)


def _create(path: str, opened: ExitStack) -> int:
    """Put a new outbox in the place of an empty file, whole: a process that is killed leaves no half of one.

    Returns the descriptor of the new file, which is locked as the empty one is.
    """
    for name in (f"{path}-wal", f"{path}-journal"):
        if os.path.exists(name) and os.path.getsize(name):
            reason = f"it is empty, but {name} is not; both are left as they are: move them away"
            raise OutboxError(f"cannot open the outbox {path}: {reason}")
    new = f"{path}-new"
    for name in (new, f"{new}-wal", f"{new}-shm", f"{new}-journal"):
        Path(name).unlink(missing_ok=True)
    descriptor = os.open(new, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600)
    _keep(descriptor, opened)
    os.fchmod(descriptor, 0o600)  # whatever the umask; SQLite gives the files beside it the same permissions
    with closing(_connect(new)) as connection:
        for statement in ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = WAL", *_SCHEMA):
            connection.execute(statement)
    os.fsync(descriptor)
    if sys.platform == "linux":
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.rename(new, path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    return descriptor


def _check_header(path: str, descriptor: int) -> None:
    # Without SQLite, which would change a foreign file or create others beside it. The header of an outbox
    # is in its file from the start, since `_create` closes it before it gets its name.
    header = os.pread(descriptor, 100, 0)
    if not header.startswith(b"SQLite format 3\0") or int.from_bytes(header[68:72], "big") != _APPLICATION_ID:
        raise OutboxError(f"{path} is not an outbox; it was left as it is: choose another path")
    _check_version(path, int.from_bytes(header[60:64], "big"))


def _check_version(path: str, version: int) -> None:
    if version != _SCHEMA_VERSION:
        reason = f"its schema has version {version}, and this socket_bloc knows version {_SCHEMA_VERSION}"
        raise OutboxError(f"cannot open the outbox {path}: {reason}; update it, or choose another path")


def _read(path: str) -> tuple[tuple[str, ...] | None, list[StoredSend]]:
    """Return the owner and the sends, all checked. Raises `ValueError` if anything is damaged.

    Read-only, since closing a connection that may write would change the file.
    """
    log = Path(f"{path}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    if has_log:
        with log.open("rb") as file:
            if file.read(4) not in _LOG_MAGIC:  # SQLite would ignore the log, and what was sent last
                raise ValueError("not a log")
    mode = "ro" if has_log else "ro&immutable=1"  # then it creates no files beside it either
    uri = f"{Path(path).as_uri()}?mode={mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection:
        _check_version(path, connection.execute("PRAGMA user_version").fetchone()[0])  # the log may be newer
        if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise ValueError("not intact")
        (owner,) = connection.execute("SELECT user_id, type, checksum FROM outbox").fetchall()
        sends = connection.execute("SELECT * FROM sends ORDER BY key").fetchall()
    return (None if owner == _NOBODY else _checked(owner)), [StoredSend.from_row(row) for row in sends]


def _connect(path: str) -> sqlite3.Connection:
    # It never waits for a lock, which would block the event loop. Each statement is a transaction.
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


def _make_durable(path: str, connection: sqlite3.Connection) -> None:
    """Make commits survive a power loss; read back, since SQLite ignores what it cannot do."""
    connection.execute("PRAGMA synchronous = FULL")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    if (mode, synchronous) != ("wal", _FULL):
        reason = f"SQLite did not take WAL and synchronous=FULL, but {mode} and {synchronous}"
        raise OutboxError(f"cannot open the outbox {path}: {reason}")
    if sys.platform == "darwin":  # where fsync alone leaves the data in the cache of the disk
        connection.execute("PRAGMA fullfsync = 1")
        connection.execute("PRAGMA checkpoint_fullfsync = 1")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # a commit must not wait for it; see `checkpoint`


def _make_private(path: str) -> None:
    """Let only its owner use it, as far as the file system knows owners, and the files beside it alike.

    SQLite creates these with the permissions of the file, but keeps those that a killed process has left.
    """
    mode = stat.S_IMODE(os.stat(path).st_mode) & 0o700
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(OSError):
            if stat.S_IMODE(os.stat(name).st_mode) != mode:
                os.chmod(name, mode)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _taken(path: str) -> OutboxError:
    return OutboxError(f"the outbox {path} is open already, here or in another process; close that one first")


def _damaged(path: str) -> OutboxError:
    return OutboxError(f"the outbox {path} is damaged; it was left as it is: move it away to start a new one")
