"""The writer's side of the SQLite database, with the caches that its single writer allows.

There is one connection that writes, and no other process has one: what it has read or written stays valid
in memory until this module evicts it. Readers have `feeds`, on a connection of their own.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from sys import intern
from typing import Any, Final

from server_stub.ledger.sqlite import statements as sql
from server_stub.ledger.sqlite.compaction import Compaction
from server_stub.ledger.sqlite.errors import describe
from server_stub.ledger.sqlite.feeds import SqliteFeeds
from server_stub.ledger.sqlite.file import NEXT_GENERATION, SqliteFile, open_sqlite_file
from server_stub.ledger.sqlite.memtable import MemTable
from server_stub.ledger.sqlite.rows import entry_of, select, user_row
from server_stub.ledger.store import LedgerError, Maintenance
from server_stub.records import Entry, Submission, User
from socket_bloc.order_flow import OrderRecord
from socket_bloc.order_status import ClientType

__all__ = ["SqliteStore"]

CACHE_SIZE: Final = 20_000
"""Users, and open orders, that are cached; each takes some hundreds of bytes."""
_CLIENT: Final = ClientType.CLIENT
_MAX_PAIRS: Final = 256
"""Message ids that one statement looks up."""


class _CachedUser:
    """The row of a user, and the last number of their feed, staged entries included."""

    __slots__ = ("head", "key", "user")

    def __init__(self, user: User, key: int, head: int) -> None:
        self.user = user
        self.key = key
        self.head = head


class _CachedOrder:
    """The row of an order, its parties, and its state, staged entries included."""

    __slots__ = ("client", "id", "key", "record", "serviceman")

    def __init__(
        self, order_id: str, key: int, client: _CachedUser, serviceman: _CachedUser, status: int
    ) -> None:
        self.id = order_id
        self.key = key
        self.client = client
        self.serviceman = serviceman
        self.change(status)

    def change(self, status: int) -> None:
        self.record = OrderRecord(self.client.user.user_id, self.serviceman.user.user_id, status)


class SqliteStore:
    """The relay's database in one SQLite file, which no other relay can open meanwhile."""

    def __init__(self, path: str, *, check: bool = False) -> None:
        """Open the database, or create it; `check` reads all of it for damage. Raises `LedgerError`."""
        self._file: Final[SqliteFile] = open_sqlite_file(path, check=check)
        self._writer = self._file.writer
        self._users: dict[User, _CachedUser] = {}
        self._orders: dict[str, _CachedOrder] = {}
        self._duplicates: dict[tuple[User, str], Entry] = {}
        self._memtable = MemTable()
        self._ended_orders: list[str] = []  # by the open transaction
        self._feeds = SqliteFeeds(self._file, self._memtable, self._ended_orders)
        self._clear_staged()
        try:
            self.compaction: Final = Compaction(self._writer, self._memtable)
            self._load()
        except LedgerError:
            self.close()
            raise

    def _load(self) -> None:
        """Load what a store that had written the database itself would have in memory."""
        for row in select(self._file.reader, sql.UNCOMPACTED):
            self._memtable.stage(entry_of(row))
        self._memtable.after_commit()
        self._last_user_key = self._last_key("users")
        self._last_order_key = self._last_key("orders")
        self._last_status_key = self._last_key("statuses")

    def _clear_staged(self) -> None:
        self._new_users: list[tuple[object, ...]] = []
        self._new_orders: list[tuple[object, ...]] = []
        self._changed_orders: dict[int, int] = {}  # the status by the key
        self._new_statuses: list[tuple[object, ...]] = []
        self._ended_keys: list[tuple[int]] = []
        self._ended_orders.clear()

    @property
    def feeds(self) -> SqliteFeeds:
        """What readers see."""
        return self._feeds

    # A transaction.

    def begin(self, submissions: Sequence[Submission]) -> None:
        """Begin the transaction that decides on `submissions`."""
        if len(self._users) > CACHE_SIZE:
            _evict_older_half(self._users)
            self._orders.clear()  # they refer to their users
        elif len(self._orders) > CACHE_SIZE:
            _evict_older_half(self._orders)
        self._execute("BEGIN IMMEDIATE")
        self._find_duplicates(submissions)

    def order(self, order_id: str) -> OrderRecord | None:
        """Look up an order."""
        order = self._orders.get(order_id)
        if order is None:
            rows = select(self._writer, sql.ORDER, order_id)
            if not rows:
                return None
            key, client_id, serviceman_id, status = rows[0]
            client = self._party(User(client_id, ClientType.CLIENT))
            serviceman = self._party(User(serviceman_id, ClientType.SERVICEMAN))
            order = self._orders[order_id] = _CachedOrder(order_id, key, client, serviceman, status)
        return order.record

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """Look up what `sender` has sent under the message id of one of the submissions."""
        return self._memtable.entry(sender, message_id) or self._duplicates.get((sender, message_id))

    def stage(self, submission: Submission, at: int, *, is_open: bool) -> Entry:
        """Add a status as the next entry of both parties' feeds, and change its order accordingly."""
        sender, message_id, status, order_id, _refusal = submission
        # Nearly all statuses have one of a few names: one string for each saves a tenth of an entry's memory.
        code, name, message = (
            status.order_status_as_int,
            intern(status.order_status_as_string),
            status.message,
        )
        order = self._orders.get(order_id)
        if order is None:
            order = self._begin_order(submission)
        else:
            order.change(code)
            self._changed_orders[order.key] = code
        client, serviceman = order.client, order.serviceman
        client.head += 1
        serviceman.head += 1
        by_client = sender.role is _CLIENT
        by, to = (client, serviceman) if by_client else (serviceman, client)
        entry = Entry(by.user, to.user, by.head, to.head, order.id, message_id, code, name, message, at)
        self._new_statuses.append(
            (
                *(order.key, by_client, client.key, client.head, serviceman.key, serviceman.head),
                *(message_id, code, name, message, at),
            )
        )
        if not is_open:
            self._ended_orders.append(order_id)
            self._ended_keys.append((order.key,))
        self._memtable.stage(entry)
        return entry

    def probe(self) -> None:
        """Add a write without a meaning."""
        self._execute(NEXT_GENERATION)

    def write(self) -> None:
        """Write the staged entries into the transaction."""
        self._execute_many(sql.INSERT_USER, self._new_users)
        self._execute_many(sql.INSERT_ORDER, self._new_orders)
        self._execute_many(sql.UPDATE_ORDER, [(code, key) for key, code in self._changed_orders.items()])
        self._execute_many(sql.END_ORDER, self._ended_keys)
        self._execute_many(sql.INSERT_STATUS, self._new_statuses)

    def commit(self) -> None:
        """Make the transaction durable, and verify that it is in the files that are at their paths."""
        try:
            self._execute("COMMIT")
        finally:
            self.verify()
        if self._new_statuses:
            self._file.mark.acknowledge(self._last_status_key + len(self._new_statuses))

    def verify(self) -> None:
        """Raise `DatabaseLostError` if the files were replaced or changed by others."""
        self._file.live.verify()

    def after_commit(self) -> None:
        """Make the committed entries visible to readers."""
        self._memtable.after_commit()
        self._last_status_key += len(self._new_statuses)
        for order_id in self._ended_orders:  # hardly ever needed again
            self._orders.pop(order_id, None)
        self._clear_staged()

    def rollback(self) -> None:
        """Discard the staged entries, and the caches with them."""
        self._memtable.rollback()
        self._users.clear()
        self._orders.clear()
        self._clear_staged()
        if self._writer.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the next BEGIN will fail
                self._writer.execute("ROLLBACK")

    def maintenance(self) -> Maintenance | None:
        """Return a checkpoint or the next step of a compaction, if one is needed."""
        if self._file.live.needs_checkpoint:
            return Maintenance(self._checkpoint, lambda: None)
        if self.compaction.is_needed:
            step = self.compaction.step()
            return Maintenance(partial(self._compact, step.work), step.after)
        return None

    def _checkpoint(self) -> None:
        self.probe()
        ((generation,),) = select(self._writer, "SELECT touched FROM relay")
        self._file.live.checkpoint(lambda: self._execute("PRAGMA wal_checkpoint(PASSIVE)"))
        if self._file.live.is_checkpointed:
            self._file.mark.checkpointed(generation)

    def _compact(self, work: Callable[[], None]) -> None:
        work()
        self.verify()

    def close(self) -> None:
        """Close the database."""
        self._file.close()

    # The caches.

    def _find_duplicates(self, submissions: Sequence[Submission]) -> None:
        """Look up all message ids of a batch at once, at a sixth of the cost of one by one."""
        keys: list[object] = []
        for submission in submissions:
            user = self._user(submission.sender)
            if user is not None:
                keys += (user.key, submission.message_id)
        self._duplicates.clear()
        for start in range(0, len(keys), 2 * _MAX_PAIRS):
            some = keys[start : start + 2 * _MAX_PAIRS]
            # Filled up to a power of two with pairs that match nothing, so that the statements are few.
            pairs = 1 << (len(some) // 2 - 1).bit_length()
            some += [None] * (2 * pairs - len(some))
            for row in select(self._writer, sql.duplicates(pairs), *some):
                entry = entry_of(row)
                self._duplicates[entry.sender, entry.message_id] = entry

    def _user(self, user: User) -> _CachedUser | None:
        known = self._users.get(user)
        if known is None:
            rows = select(self._writer, sql.USER_KEY, *user_row(user))
            if not rows:
                return None
            (key,) = rows[0]
            recent = self._memtable.feed(user)
            head = recent[-1].seq(user) if recent else select(self._writer, f"{sql.HEAD} ?", key)[0][0]
            known = self._users[user] = _CachedUser(user, key, head)
        return known

    def _begin_order(self, submission: Submission) -> _CachedOrder:
        sender, _, status, order_id, _ = submission
        assert status.receiver_id is not None  # OrderFlow.check refuses a first status without one
        by, to = self._party(sender), self._party(User(status.receiver_id, sender.role.other))
        client, serviceman = (by, to) if sender.role is _CLIENT else (to, by)
        key = self._last_order_key = self._last_order_key + 1
        code = status.order_status_as_int
        first = (client.head + 1, serviceman.head + 1)
        self._new_orders.append((key, order_id, client.key, serviceman.key, *first, code))
        order = self._orders[order_id] = _CachedOrder(order_id, key, client, serviceman, code)
        return order

    def _party(self, user: User) -> _CachedUser:
        """Return a user, who is added if they are new."""
        return self._user(user) or self._add_user(user)

    def _add_user(self, user: User) -> _CachedUser:
        self._last_user_key += 1
        self._new_users.append((self._last_user_key, *user_row(user)))
        added = self._users[user] = _CachedUser(user, self._last_user_key, 0)
        return added

    def _last_key(self, table: str) -> int:
        return select(self._writer, f"SELECT coalesce(max(key), 0) FROM {table}")[0][0]

    def _execute(self, statement: str) -> None:
        try:
            self._writer.execute(statement)
        except sqlite3.Error as error:
            raise LedgerError(f"SQLite: {describe(error)}") from None

    def _execute_many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        if not rows:
            return
        try:
            self._writer.executemany(statement, rows)
        except sqlite3.Error as error:
            raise LedgerError(f"SQLite: {describe(error)}") from None


def _evict_older_half(cache: dict[Any, Any]) -> None:
    for key in list(islice(cache, len(cache) // 2)):
        del cache[key]
