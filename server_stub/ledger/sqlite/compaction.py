"""Compaction: sorts the entries of the memtable into the per-user tables, a slice between two batches.

Sorting thousands of entries at once is what makes it cheap, but to write all of them at once would take
longer than a commit may wait. So the rows are sorted once, into temporary tables in memory, and written from
there in slices, one transaction each. The memtable keeps the entries until the last slice is committed, which
also moves `merged`: a process that is killed before starts again from the first, and skips the rows that
are there already.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Final

from server_stub.ledger.sqlite import statements as sql
from server_stub.ledger.sqlite.errors import describe
from server_stub.ledger.sqlite.memtable import MemTable
from server_stub.ledger.sqlite.rows import select
from server_stub.ledger.store import LedgerError, Maintenance

__all__ = ["Compaction"]

COMPACTION_SIZE: Final = 8192
"""Entries of the memtable that are sorted together. Nearly as many may come before they are all written."""
SLICE_SIZE: Final = 256
"""Entries of a slice: as many rows as so many entries have are written in one transaction."""


class Compaction:
    """Moves entries from the memtable into the per-user tables, in steps that are taken one by one."""

    def __init__(self, writer: sqlite3.Connection, memtable: MemTable) -> None:
        """`writer` is in no transaction when a step is taken. Raises `LedgerError`."""
        self._writer = writer
        self._memtable = memtable
        self._sorted = 0  # entries in the temporary tables
        self._written = 0  # and those of them that are in the per-user tables
        for statement in sql.CREATE_SORTED:
            self._execute(statement)

    @property
    def is_under_way(self) -> bool:
        """Whether entries have been sorted, and not all of them written."""
        return self._memtable.is_frozen

    @property
    def is_needed(self) -> bool:
        """Whether one is under way, or there are enough entries to begin one."""
        return self.is_under_way or self._memtable.size >= COMPACTION_SIZE

    def step(self) -> Maintenance:
        """Return the next step of this compaction, or the first of a new one.

        One that fails leaves all as it was, and is the next one again.
        """
        if self.is_under_way:
            return Maintenance(self._write_slice, self._after_slice)
        return Maintenance(self._sort, self._memtable.freeze)

    def _sort(self) -> None:
        self._in_transaction([(statement, ()) for statement in sql.SORT])
        ((self._sorted,),) = select(self._writer, sql.COUNT_SORTED)
        self._written = 0

    def _write_slice(self) -> None:
        start, end = self._written, self._written + SLICE_SIZE
        statements: list[tuple[str, Sequence[int]]] = [
            (sql.COMPACT_FEEDS, (2 * start, 2 * end)),  # each entry is in two feeds
            (sql.COMPACT_SENT, (start, end)),
        ]
        if end >= self._sorted:
            statements.append((sql.END_COMPACTION, ()))
        self._in_transaction(statements)

    def _after_slice(self) -> None:
        self._written += SLICE_SIZE
        if self._written >= self._sorted:
            self._memtable.drop_frozen()

    def _in_transaction(self, statements: Sequence[tuple[str, Sequence[int]]]) -> None:
        try:
            self._execute("BEGIN IMMEDIATE")
            for statement, parameters in statements:
                self._execute(statement, parameters)
            self._execute("COMMIT")
        except LedgerError:
            with contextlib.suppress(sqlite3.Error):  # it may not have begun
                self._writer.execute("ROLLBACK")
            raise

    def _execute(self, statement: str, parameters: Sequence[int] = ()) -> None:
        try:
            self._writer.execute(statement, parameters)
        except sqlite3.Error as error:
            raise LedgerError(f"SQLite: {describe(error)}") from None
