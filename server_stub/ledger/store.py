"""What a database must do to hold the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from server_stub.records import Entry, Submission, User
from socket_bloc.order_flow import OrderRecord

__all__ = ["LedgerError", "Store"]


class LedgerError(Exception):
    """The database did not do what it was asked; one line says what."""


class Store(Protocol):
    """A database that holds the entries. What talks to it may raise `LedgerError`.

    `begin`, `order`, `entry`, `head`, `stage`, `probe` and `write` make up a transaction, which sees what
    it has staged itself. `commit` ends it, and then either `after_commit` or `rollback` is called.
    `compact` is housekeeping between two transactions. `commit` and `compact` may run in another
    thread, while nothing but the readers is called: `committed_head`, `feed` and `oldest_open`, which
    see what is settled.
    """

    @property
    def epoch(self) -> str:
        """The name of the database."""
        ...

    def begin(self, submissions: Sequence[Submission]) -> None:
        """Begin the transaction that is to judge `submissions`; there is no other writer until it ends."""
        ...

    def order(self, order_id: str) -> OrderRecord | None:
        """The order of this id."""
        ...

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """What `sender` has sent under this message id, which is that of a submission."""
        ...

    def head(self, user: User) -> int:
        """The last number of the feed of `user`; 0 where it is empty."""
        ...

    def stage(self, entry: Entry, order: OrderRecord, *, is_open: bool) -> None:
        """Add an entry, and what it makes of its order; `is_open` says whether anything may follow."""
        ...

    def probe(self) -> None:
        """Write what means nothing, to find out whether the database takes it."""
        ...

    def write(self) -> None:
        """Write what was staged into the transaction."""
        ...

    def commit(self) -> None:
        """Make the transaction durable."""
        ...

    def after_commit(self) -> None:
        """Show the readers what was committed."""
        ...

    def rollback(self) -> None:
        """Forget what was staged."""
        ...

    @property
    def needs_compaction(self) -> bool:
        """Whether it is time for `compact`."""
        ...

    def compact(self) -> None:
        """Do what housekeeping there is to do. `after_compaction` is called after it, unless it fails."""
        ...

    def after_compaction(self) -> None:
        """Take note that `compact` has done its work."""
        ...

    def committed_head(self, user: User) -> int:
        """The last number of the feed of `user`; 0 where it is empty."""
        ...

    def feed(self, user: User, after: int, limit: int) -> list[Entry]:
        """At most `limit` entries of the feed of `user`, those that follow number `after`."""
        ...

    def oldest_open(self, user: User) -> int | None:
        """The number in the feed of `user` at which the oldest of their open orders began."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
