"""The readers' side of the SQLite database: committed entries, from the memtable and the per-user tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from server_stub.ledger.sqlite import statements as sql
from server_stub.ledger.sqlite.file import SqliteFile
from server_stub.ledger.sqlite.memtable import MemTable
from server_stub.ledger.sqlite.rows import entry_of, select, user_row
from server_stub.records import Entry, User

__all__ = ["SqliteFeeds"]

_NEVER: Final = 2**63 - 1
"""A number that no feed reaches."""


class SqliteFeeds:
    """The feeds of all users, as readers see them."""

    def __init__(self, file: SqliteFile, memtable: MemTable, ended_orders: Sequence[str]) -> None:
        """`ended_orders` are those that the open transaction ends; for readers they are still open."""
        self._epoch = file.epoch
        self._connection = file.reader
        self._memtable = memtable
        self._ended_orders = ended_orders

    @property
    def epoch(self) -> str:
        """The name of the database."""
        return self._epoch

    def head(self, user: User) -> int:
        """Return the last number of a user's feed, 0 if it is empty."""
        recent = self._memtable.feed(user)
        if recent:
            return recent[-1].seq(user)
        return select(self._connection, f"{sql.HEAD} ({sql.USER_KEY})", *user_row(user))[0][0]

    def page(self, user: User, after: int, limit: int) -> list[Entry]:
        """Return at most `limit` entries of a user's feed, those that follow number `after`."""
        recent = self._memtable.feed(user)
        first = recent[0].seq(user) if recent else _NEVER
        if after + 1 >= first:
            return list(recent[after + 1 - first : after + 1 - first + limit])
        rows = select(self._connection, sql.FEED, *user_row(user), after, first, limit)
        page = [entry_of(row) for row in rows]
        return page + list(recent[: limit - len(page)])

    def oldest_open(self, user: User) -> int | None:
        """Return the number in a user's feed at which the oldest of their open orders starts."""
        row = user_row(user)
        ((oldest,),) = select(self._connection, sql.OLDEST_OPEN[user.role], *row)
        if not self._ended_orders:
            return oldest
        # During a commit, the orders that it ends may have ended in the database already.
        ending_ids = json.dumps(self._ended_orders)
        ((ending,),) = select(self._connection, sql.OLDEST_OF[user.role], *row, ending_ids)
        return min((first for first in (oldest, ending) if first is not None), default=None)
