"""The store of a ledger in SQLite: all of its SQL, and what one writer may keep in memory.

There is one connection that writes, and only this process has it: so what was read or written can be
remembered until it is forgotten on purpose. Readers of feeds have a connection of their own, which sees
what is committed and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

from server_stub.ledger import LedgerError, order_after
from server_stub.records import Entry, User
from server_stub.sqlite_file import SqliteFile, open_sqlite_file
from socket_bloc.order_flow import OrderRecord
from socket_bloc.order_status import ClientType

__all__ = ["SqliteStore"]

_MAX_REMEMBERED: Final = 20_000
"""Users, and orders, that are kept in memory; each takes some hundreds of bytes."""

_SELECT_ENTRY: Final = (
    "SELECT s.by_client, c.id, v.id, s.client_seq, s.serviceman_seq,"
    " o.id, s.message_id, s.status, s.status_name, s.message, s.at FROM statuses s"
    " JOIN orders o ON o.key = s.order_key JOIN users c ON c.key = s.client"
    " JOIN users v ON v.key = s.serviceman"
)
_SELECT_ORDER: Final = (
    "SELECT o.key, o.client, o.serviceman, c.id, v.id, o.status FROM orders o"
    " JOIN users c ON c.key = o.client JOIN users v ON v.key = o.serviceman WHERE o.id = ?"
)
_SELECT_USER: Final = "SELECT key FROM users WHERE id = ? AND is_client = ?"
_INSERT_USER: Final = "INSERT INTO users (key, id, is_client) VALUES (?, ?, ?)"
_INSERT_ORDER: Final = (
    "INSERT INTO orders (key, id, client, serviceman, client_first, serviceman_first, status, is_open)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE_ORDER: Final = "UPDATE orders SET status = ?, is_open = ? WHERE key = ?"
_INSERT_STATUS: Final = (
    "INSERT INTO statuses (order_key, by_client, client, client_seq, serviceman, serviceman_seq,"
    " message_id, status, status_name, message, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class _SqlOfRole:
    """The same questions for the two roles: each has its own columns, and its own indexes."""

    def __init__(self, role: ClientType) -> None:
        is_client = role is ClientType.CLIENT
        user = f"(SELECT key FROM users WHERE id = ? AND is_client = {is_client:d})"
        sent = "s.by_client" if is_client else "NOT s.by_client"
        head = f"SELECT coalesce(max({role}_seq), 0) FROM statuses WHERE {role} ="
        page = f"s.{role}_seq > ? ORDER BY s.{role}_seq LIMIT ?"
        self.entry = f"{_SELECT_ENTRY} WHERE s.{role} = ? AND s.message_id = ? AND {sent}"
        self.head = f"{head} ?"
        self.committed_head = f"{head} {user}"
        self.feed = f"{_SELECT_ENTRY} WHERE s.{role} = {user} AND {page}"
        self.oldest_open = f"SELECT min({role}_first) FROM orders WHERE {role} = {user} AND is_open"


_SQL: Final = {role: _SqlOfRole(role) for role in ClientType}


class _User:
    """A user as the writer knows them: their row, and the last number of their feed."""

    __slots__ = ("head", "key")

    def __init__(self, key: int, head: int) -> None:
        self.key = key
        self.head = head


class _Order:
    """An order as the writer knows it: its row, those of its parties, and what it is now."""

    __slots__ = ("client", "key", "record", "serviceman")

    def __init__(self, key: int, client: int, serviceman: int, record: OrderRecord) -> None:
        self.key = key
        self.client = client
        self.serviceman = serviceman
        self.record = record


class SqliteStore:
    """The relay's database in one SQLite file, which no other relay can open meanwhile."""

    def __init__(self, path: str) -> None:
        """Open or make the database. Raises `LedgerError`."""
        self._file: Final[SqliteFile] = open_sqlite_file(path)
        self._writer = self._file.writer
        self._reader = self._file.reader
        self._users: dict[User, _User] = {}
        self._orders: dict[str, _Order] = {}
        self._last_user_key = self._last_key("users")
        self._last_order_key = self._last_key("orders")

    @property
    def epoch(self) -> str:
        """The name of the database."""
        return self._file.epoch

    def begin(self) -> None:
        """Begin the transaction. A file that was removed or replaced under its relay takes no more."""
        try:
            inode = os.stat(self._file.path).st_ino
        except OSError:
            inode = None
        if inode != self._file.inode:
            raise LedgerError(f"the database {self._file.path} was removed or replaced; restart the relay")
        _keep_newer_half(self._users)
        _keep_newer_half(self._orders)
        self._write("BEGIN IMMEDIATE")

    def order(self, order_id: str) -> OrderRecord | None:
        """The order of this id."""
        order = self._orders.get(order_id)
        if order is None:
            rows = _select(self._writer, _SELECT_ORDER, (order_id,))
            if not rows:
                return None
            key, client, serviceman, client_id, serviceman_id, status = rows[0]
            order = _Order(key, client, serviceman, OrderRecord(client_id, serviceman_id, status))
            self._orders[order_id] = order
        return order.record

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """What `sender` has committed under this message id."""
        user = self._user(sender)
        if user is None:
            return None
        rows = _select(self._writer, _SQL[sender.role].entry, (user.key, message_id))
        return _entry(rows[0]) if rows else None

    def head(self, user: User) -> int:
        """The last number of the feed of `user`; 0 where it is empty."""
        known = self._user(user)
        return known.head if known else 0

    def write(self, entries: Sequence[Entry], is_open: Callable[[int], bool]) -> None:
        """Write entries, and what they make of their orders."""
        users: list[tuple[int, str, bool]] = []
        orders: dict[str, tuple[object, ...]] = {}
        changed: dict[str, tuple[int, bool, int]] = {}
        statuses: list[tuple[object, ...]] = []
        for entry in entries:
            sender = self._user(entry.sender) or self._add_user(entry.sender, users)
            receiver = self._user(entry.receiver) or self._add_user(entry.receiver, users)
            sender.head, receiver.head = entry.sender_seq, entry.receiver_seq
            by_client = entry.sender.role is ClientType.CLIENT
            if by_client:
                client, client_seq, serviceman, serviceman_seq = sender, sender.head, receiver, receiver.head
            else:
                client, client_seq, serviceman, serviceman_seq = receiver, receiver.head, sender, sender.head
            record = order_after(entry)
            order = self._orders.get(entry.order_id)
            if order is None:
                self._last_order_key += 1
                order = _Order(self._last_order_key, client.key, serviceman.key, record)
                self._orders[entry.order_id] = order
                first = (order.key, entry.order_id, client.key, serviceman.key, client_seq, serviceman_seq)
                orders[entry.order_id] = (*first, entry.status, is_open(entry.status))
            else:
                order.record = record
                changed[entry.order_id] = (entry.status, is_open(entry.status), order.key)
            feeds = (client.key, client_seq, serviceman.key, serviceman_seq)
            said = (entry.message_id, entry.status, entry.status_name, entry.message, entry.at)
            statuses.append((order.key, by_client, *feeds, *said))
        self._write_all(_INSERT_USER, users)
        self._write_all(_INSERT_ORDER, list(orders.values()))
        self._write_all(_UPDATE_ORDER, list(changed.values()))
        self._write_all(_INSERT_STATUS, statuses)

    def touch(self) -> None:
        """Write what means nothing."""
        self._write("UPDATE relay SET touched = touched + 1")

    def commit(self) -> None:
        """Make what was written durable."""
        self._write("COMMIT")

    def rollback(self) -> None:
        """End the transaction and forget what it wrote, and with it all that is remembered."""
        self._users.clear()
        self._orders.clear()
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the next BEGIN finds out

    def committed_head(self, user: User) -> int:
        """The last committed number of the feed of `user`; 0 where it is empty."""
        return _select(self._reader, _SQL[user.role].committed_head, (user.user_id,))[0][0]

    def feed(self, user: User, after: int, limit: int) -> list[Entry]:
        """At most `limit` committed entries of the feed of `user`, those that follow number `after`."""
        rows = _select(self._reader, _SQL[user.role].feed, (user.user_id, after, limit))
        return [_entry(row) for row in rows]

    def oldest_open(self, user: User) -> int | None:
        """The number in the feed of `user` at which the oldest of their open orders began."""
        return _select(self._reader, _SQL[user.role].oldest_open, (user.user_id,))[0][0]

    def close(self) -> None:
        """Let go of the database."""
        self._file.close()

    def _user(self, user: User) -> _User | None:
        known = self._users.get(user)
        if known is None:
            rows = _select(self._writer, _SELECT_USER, (user.user_id, user.role is ClientType.CLIENT))
            if not rows:
                return None
            (key,) = rows[0]
            ((head,),) = _select(self._writer, _SQL[user.role].head, (key,))
            known = self._users[user] = _User(key, head)
        return known

    def _add_user(self, user: User, rows: list[tuple[int, str, bool]]) -> _User:
        self._last_user_key += 1
        rows.append((self._last_user_key, user.user_id, user.role is ClientType.CLIENT))
        added = self._users[user] = _User(self._last_user_key, 0)
        return added

    def _last_key(self, table: str) -> int:
        return _select(self._writer, f"SELECT coalesce(max(key), 0) FROM {table}", ())[0][0]

    def _write(self, sql: str) -> None:
        try:
            self._writer.execute(sql)
        except sqlite3.Error as error:
            raise LedgerError(f"SQLite: {error}") from None

    def _write_all(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        if not rows:
            return
        try:
            self._writer.executemany(sql, rows)
        except sqlite3.Error as error:
            raise LedgerError(f"SQLite: {error}") from None


def _select(connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...]) -> list[Any]:
    # All rows at once: a half-read query would hold its snapshot, and so the checkpoint.
    try:
        return connection.execute(sql, parameters).fetchall()
    except sqlite3.Error as error:
        raise LedgerError(f"SQLite: {error}") from None


def _entry(row: Any) -> Entry:
    by_client, client_id, serviceman_id, client_seq, serviceman_seq, *rest = row
    client = User(client_id, ClientType.CLIENT)
    serviceman = User(serviceman_id, ClientType.SERVICEMAN)
    if by_client:
        return Entry(client, serviceman, client_seq, serviceman_seq, *rest)
    return Entry(serviceman, client, serviceman_seq, client_seq, *rest)


def _keep_newer_half(remembered: dict[Any, Any]) -> None:
    if len(remembered) > _MAX_REMEMBERED:
        for key in list(islice(remembered, len(remembered) // 2)):
            del remembered[key]
