"""`SqliteOutbox`: the unsettled sends in a file, so that they survive the process.

All of them are also in memory, where they are looked up; the file is read once, when it is opened. How
it is opened, and what is refused, is in `outbox_file`.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Final
from weakref import finalize

from socket_bloc.errors import OutboxError, OutboxFullError
from socket_bloc.order_status import ClientType
from socket_bloc.outbox import Send
from socket_bloc.outbox_file import (
    BIND,
    SYNC,
    StoredSend,
    checkpoint,
    open_outbox_file,
    sqlite_errors,
    with_checksum,
)

__all__ = ["SqliteOutbox"]

CHECKPOINT_EVERY: Final = 256
"""Changes from one checkpoint to the next, between which the write-ahead log grows by 1 to 2 MiB."""


class SqliteOutbox:
    """An outbox that survives its process: a send is on the disk when `add` returns.

        SocketBloc("c-17", ClientType.CLIENT, outbox=SqliteOutbox("outbox.db"))

    Whatever a process leaves unsettled, however it ends, the next one on the same file sends. A file belongs
    to one user, and can be open once at a time; `SocketBloc.close` closes it.

    Args:
        path: The file. If it is missing it is created, in a directory that exists.
        limit: How many sends may be unsettled.

    Raises:
        OutboxError: The file is not an outbox, is damaged or of a newer version, or is open already. It was
            left as it is.
        ValueError: The limit is less than 1.
    """

    def __init__(self, path: str | os.PathLike[str], limit: int = 1000) -> None:
        if limit < 1:
            raise ValueError("limit: it must be at least 1")
        file = open_outbox_file(os.fspath(path))
        self.path = file.path
        self.limit = limit
        self._connection = file.connection
        self._owner = file.owner
        self._stored = {stored.send.message_id: stored for stored in file.sends}
        self._next_key = max((stored.key for stored in file.sends), default=0) + 1
        self._settled: list[int] = []  # the keys of sends that are settled and still in the file
        self._is_synced = True
        self._changes = 0
        self._checkpoint: Thread | None = None
        self._release = finalize(self, file.resources.close)

    def bind(self, user_id: str, type: ClientType) -> None:
        user = (user_id, str(type))
        if self._owner is None:
            with self._writing():
                self._connection.execute(BIND, with_checksum(*user))
            self._owner = user
        if self._owner != user:
            reason = "belongs to another user; give each user and role a file of their own"
            raise ValueError(f"outbox: {self.path} {reason}")

    def add(self, send: Send) -> None:
        stored = self._stored.get(send.message_id)
        if stored is not None:
            if stored.send != send:
                raise ValueError("message_id: it belongs to another unsettled status; choose a new one")
            return
        if len(self._stored) >= self.limit:
            reason = f"has {self.limit} unsettled sends, which is its limit; try again when some are settled"
            raise OutboxFullError(f"the outbox {self.path} {reason}")
        stored = StoredSend(self._next_key, send)
        row = stored.to_row()
        with self._writing():
            self._remove_settled()
            self._connection.execute("INSERT INTO sends VALUES (?, ?, ?, ?, ?)", row)
        self._stored[send.message_id] = stored
        self._next_key += 1
        self._is_synced = True

    def settle(self, message_id: str) -> None:
        stored = self._stored.pop(message_id, None)
        if stored is not None:
            self._settled.append(stored.key)
            with self._writing():
                self._remove_settled()

    def sync(self) -> None:
        if not self._is_synced or self._settled:
            with self._writing():
                self._remove_settled()
                self._connection.execute(SYNC)
            self._is_synced = True

    def close(self) -> None:
        """Close the file; closing it again does nothing."""
        if self._checkpoint is not None:
            self._checkpoint.join()
        self._release()

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._stored

    def __iter__(self) -> Iterator[Send]:
        return iter([stored.send for stored in self._stored.values()])

    def __len__(self) -> int:
        return len(self._stored)

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Each statement inside is a transaction of its own, and durable by default."""
        if not self._release.alive:
            raise OutboxError(f"the outbox {self.path} is closed; open it with a new SqliteOutbox")
        with sqlite_errors("write to", self.path):
            yield
        self._changes += 1
        if self._changes >= CHECKPOINT_EVERY:
            self._start_checkpoint()

    def _remove_settled(self) -> None:
        """Remove what is settled from the file. That is durable once anything durable follows."""
        if self._settled:
            keys = [(key,) for key in self._settled]
            self._is_synced = False
            # Without an fsync it survives the process, if not a power loss, in a fraction of the time.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            try:
                self._connection.executemany("DELETE FROM sends WHERE key = ?", keys)
            finally:
                self._connection.execute("PRAGMA synchronous = FULL")
            self._settled.clear()

    def _start_checkpoint(self) -> None:
        if self._checkpoint is None or not self._checkpoint.is_alive():
            thread = Thread(target=checkpoint, args=(self.path,), name="outbox-checkpoint", daemon=True)
            with suppress(RuntimeError):  # no more threads: the log grows until there are
                thread.start()
                self._checkpoint, self._changes = thread, 0
