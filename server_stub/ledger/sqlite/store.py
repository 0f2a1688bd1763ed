"""The store of a ledger in SQLite, with what its one writer may keep in memory.

There is one connection that writes, and only this process has it: so what was read or written can be
remembered until it is forgotten on purpose. Readers of feeds have a connection of their own, which sees
what is committed and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from server_stub.ledger.sqlite import statements as sql
from server_stub.ledger.sqlite.file import SqliteFile, open_sqlite_file
from server_stub.ledger.sqlite.memtable import MemTable
from server_stub.ledger.store import LedgerError
from server_stub.records import Entry, Submission, User
from socket_bloc.order_flow import OrderRecord
from socket_bloc.order_status import ClientType

__all__ = ["SqliteStore"]

COMPACTION_SIZE: Final = 4096
"""Entries of the memtable that are sorted into the per-user tables together."""
CACHE_SIZE: Final = 20_000
"""Users, and open orders, that are kept in memory; each takes some hundreds of bytes."""

_NEVER: Final = 2**63 - 1
"""A number that no feed reaches."""


class _CachedUser:
    """A user as the writer knows them: their row, and the last number of their feed, staged or not."""

    __slots__ = ("head", "key")

    def __init__(self, key: int, head: int) -> None:
        self.key = key
        self.head = head


class _CachedOrder:
    """An order as the writer knows it: its row, and what it is, staged or not."""

    __slots__ = ("key", "record")

    def __init__(self, key: int, record: OrderRecord) -> None:
        self.key = key
        self.record = record


class SqliteStore:
    """The relay's database in one SQLite file, which no other relay can open meanwhile."""

    def __init__(self, path: str) -> None:
        """Open or make the database. Raises `LedgerError`."""
        self._file: Final[SqliteFile] = open_sqlite_file(path)
        self._writer = self._file.writer
        self._reader = self._file.reader
        self._users: dict[User, _CachedUser] = {}
        self._orders: dict[str, _CachedOrder] = {}
        self._duplicates: dict[tuple[User, str], Entry] = {}
        self._memtable = MemTable()
        self._clear_staged()
        try:
            self._load()
        except LedgerError:
            self.close()
            raise

    def _load(self) -> None:
        """Find out what a store that has written the database itself would know."""
        for row in _select(self._reader, sql.UNCOMPACTED):
            self._memtable.stage(_entry(row))
        self._memtable.after_commit()
        self._last_user_key = self._last_key("users")
        self._last_order_key = self._last_key("orders")

    def _clear_staged(self) -> None:
        self._new_users: list[tuple[object, ...]] = []
        self._new_orders: dict[int, tuple[object, ...]] = {}
        self._changed_orders: dict[int, tuple[object, ...]] = {}
        self._new_statuses: list[tuple[object, ...]] = []
        self._ended_orders: list[str] = []

    @property
    def epoch(self) -> str:
        """The name of the database."""
        return self._file.epoch

    # A transaction.

    def begin(self, submissions: Sequence[Submission]) -> None:
        """Begin the transaction. A file that was removed or replaced under its relay takes no more."""
        if not self._file.is_in_place:
            raise LedgerError(f"the database {self._file.path} was removed or replaced; restart the relay")
        _evict_older_half(self._users)
        _evict_older_half(self._orders)
        self._execute("BEGIN IMMEDIATE")
        self._find_duplicates(submissions)

    def order(self, order_id: str) -> OrderRecord | None:
        """The order of this id."""
        order = self._orders.get(order_id)
        if order is None:
            rows = _select(self._writer, sql.ORDER, order_id)
            if not rows:
                return None
            key, client_id, serviceman_id, status = rows[0]
            order = _CachedOrder(key, OrderRecord(client_id, serviceman_id, status))
            self._orders[order_id] = order
        return order.record

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """What `sender` has sent under this message id."""
        return self._memtable.entry(sender, message_id) or self._duplicates.get((sender, message_id))

    def head(self, user: User) -> int:
        """The last number of the feed of `user`; 0 where it is empty."""
        known = self._user(user)
        return known.head if known else 0

    def stage(self, entry: Entry, order: OrderRecord, *, is_open: bool) -> None:
        """Add an entry, and what it makes of its order."""
        sender = self._users.get(entry.sender) or self._add_user(entry.sender)
        receiver = self._users.get(entry.receiver) or self._add_user(entry.receiver)
        sender.head, receiver.head = entry.sender_seq, entry.receiver_seq
        by_client = entry.sender.role is ClientType.CLIENT
        client, serviceman = (sender, receiver) if by_client else (receiver, sender)
        known = self._orders.get(entry.order_id)
        if known is None:
            self._last_order_key += 1
            known = self._orders[entry.order_id] = _CachedOrder(self._last_order_key, order)
            self._new_orders[known.key] = (
                *(known.key, entry.order_id, client.key, serviceman.key, client.head, serviceman.head),
                *(entry.status, is_open),
            )
        else:
            known.record = order
            self._changed_orders[known.key] = (entry.status, is_open, known.key)
        self._new_statuses.append(
            (
                *(known.key, by_client, client.key, client.head, serviceman.key, serviceman.head),
                *(entry.message_id, entry.status, entry.status_name, entry.message, entry.at),
            )
        )
        if not is_open:
            self._ended_orders.append(entry.order_id)
        self._memtable.stage(entry)

    def probe(self) -> None:
        """Write what means nothing."""
        self._execute("UPDATE relay SET touched = touched + 1")

    def write(self) -> None:
        """Write what was staged into the transaction."""
        self._execute_many(sql.INSERT_USER, self._new_users)
        self._execute_many(sql.INSERT_ORDER, list(self._new_orders.values()))
        self._execute_many(sql.UPDATE_ORDER, list(self._changed_orders.values()))
        self._execute_many(sql.INSERT_STATUS, self._new_statuses)

    def commit(self) -> None:
        """Make the transaction durable."""
        self._execute("COMMIT")

    def after_commit(self) -> None:
        """Show the readers what was committed."""
        self._memtable.after_commit()
        for order_id in self._ended_orders:  # hardly anybody asks for these again
            self._orders.pop(order_id, None)
        self._clear_staged()

    def rollback(self) -> None:
        """Forget what was staged, and all that was remembered with it."""
        self._memtable.rollback()
        self._users.clear()
        self._orders.clear()
        self._clear_staged()
        if self._writer.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the next BEGIN finds out
                self._writer.execute("ROLLBACK")

    # Housekeeping.

    @property
    def needs_compaction(self) -> bool:
        """Whether there are enough recent entries to be sorted in."""
        return self._memtable.size >= COMPACTION_SIZE

    def compact(self) -> None:
        """Sort the recent entries into the feeds and the message ids of their users."""
        self._execute("BEGIN IMMEDIATE")
        try:
            for statement in sql.COMPACT:
                self._execute(statement)
            self._execute("COMMIT")
        except LedgerError:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            raise

    def after_compaction(self) -> None:
        """Look for them in the database from now on."""
        self._memtable.clear()

    # Readers.

    def committed_head(self, user: User) -> int:
        """The last number of the feed of `user`; 0 where it is empty."""
        recent = self._memtable.feed(user)
        if recent:
            return recent[-1].seq(user)
        return _select(self._reader, f"{sql.HEAD} ({sql.USER_KEY})", *_row_of(user))[0][0]

    def feed(self, user: User, after: int, limit: int) -> list[Entry]:
        """At most `limit` entries of the feed of `user`, those that follow number `after`."""
        recent = self._memtable.feed(user)
        first = recent[0].seq(user) if recent else _NEVER
        if after + 1 >= first:
            return list(recent[after + 1 - first : after + 1 - first + limit])
        rows = _select(self._reader, sql.FEED, *_row_of(user), after, first, limit)
        page = [_entry(row) for row in rows]
        return page + list(recent[: limit - len(page)])

    def oldest_open(self, user: User) -> int | None:
        """The number in the feed of `user` at which the oldest of their open orders began."""
        row = _row_of(user)
        ((oldest,),) = _select(self._reader, sql.OLDEST_OPEN[user.role], *row)
        if not self._ended_orders:
            return oldest
        # A commit is on its way: the orders that it ends may have ended in the database, but not for readers.
        ((ending,),) = _select(self._reader, sql.OLDEST_OF[user.role], *row, json.dumps(self._ended_orders))
        return min((first for first in (oldest, ending) if first is not None), default=None)

    def close(self) -> None:
        """Let go of the database."""
        self._file.close()

    # What is remembered.

    def _find_duplicates(self, submissions: Sequence[Submission]) -> None:
        """Find what was sent before under these message ids; all at once costs a sixth of one by one."""
        keys: list[tuple[int, str]] = []
        for submission in submissions:
            user = self._user(submission.sender)
            if user is not None:
                keys.append((user.key, submission.message_id))
        entries = [_entry(row) for row in _select(self._writer, sql.SENT, json.dumps(keys))] if keys else []
        self._duplicates = {(entry.sender, entry.message_id): entry for entry in entries}

    def _user(self, user: User) -> _CachedUser | None:
        known = self._users.get(user)
        if known is None:
            rows = _select(self._writer, sql.USER_KEY, *_row_of(user))
            if not rows:
                return None
            (key,) = rows[0]
            recent = self._memtable.feed(user)
            head = recent[-1].seq(user) if recent else _select(self._writer, f"{sql.HEAD} ?", key)[0][0]
            known = self._users[user] = _CachedUser(key, head)
        return known

    def _add_user(self, user: User) -> _CachedUser:
        self._last_user_key += 1
        self._new_users.append((self._last_user_key, *_row_of(user)))
        added = self._users[user] = _CachedUser(self._last_user_key, 0)
        return added

    def _last_key(self, table: str) -> int:
        return _select(self._writer, f"SELECT coalesce(max(key), 0) FROM {table}")[0][0]

    def _execute(self, statement: str) -> None:
        try:
            self._writer.execute(statement)
        except sqlite3.Error as error:
            raise LedgerError(f"SQLite: {error}") from None

    def _execute_many(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        if not rows:
            return
        try:
            self._writer.executemany(statement, rows)
        except sqlite3.Error as error:
            raise LedgerError(f"SQLite: {error}") from None


def _select(connection: sqlite3.Connection, query: str, *parameters: object) -> list[Any]:
    # All rows at once: a half-read query would hold its snapshot, and so the checkpoint.
    try:
        return connection.execute(query, parameters).fetchall()
    except sqlite3.Error as error:
        raise LedgerError(f"SQLite: {error}") from None


def _row_of(user: User) -> tuple[str, bool]:
    return user.user_id, user.role is ClientType.CLIENT


def _entry(row: Any) -> Entry:
    by_client, client_id, serviceman_id, client_seq, serviceman_seq, *rest = row
    client = User(client_id, ClientType.CLIENT)
    serviceman = User(serviceman_id, ClientType.SERVICEMAN)
    if by_client:
        return Entry(client, serviceman, client_seq, serviceman_seq, *rest)
    return Entry(serviceman, client, serviceman_seq, client_seq, *rest)


def _evict_older_half(cache: dict[Any, Any]) -> None:
    if len(cache) > CACHE_SIZE:
        for key in list(islice(cache, len(cache) // 2)):
            del cache[key]
