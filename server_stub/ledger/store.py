"""What a database must do to hold the ledger: `Store` for the one writer, `FeedReader` for everybody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from server_stub.records import Entry, Submission, User
from socket_bloc.order_flow import OrderRecord

__all__ = ["DatabaseLostError", "FeedReader", "LedgerError", "Maintenance", "Store"]


class LedgerError(Exception):
    """The database did not do what it was asked; one line says what."""


class DatabaseLostError(LedgerError):
    """The database is no longer the one that was opened: nothing that is written to it can be relied on."""


class Maintenance(NamedTuple):
    """A piece of work that a store would like to do between two batches, short enough for them to wait."""

    work: Callable[[], None]
    """Blocks, and may run in another thread while feeds are read. A `LedgerError` leaves all as it was."""
    after: Callable[[], None]
    """Called in the event loop when `work` has returned."""


class FeedReader(Protocol):
    """The committed entries, by user. May be called at any time; raises `LedgerError`."""

    @property
    def epoch(self) -> str:
        """The name of the database, within which the numbers of a feed are comparable."""
        ...

    def head(self, user: User) -> int:
        """Return the last number of a user's feed, 0 if it is empty."""
        ...

    def page(self, user: User, after: int, limit: int) -> list[Entry]:
        """Return at most `limit` entries of a user's feed, those that follow number `after`."""
        ...

    def oldest_open(self, user: User) -> int | None:
        """Return the number in a user's feed at which the oldest of their open orders starts."""
        ...


class Store(Protocol):
    """The writer's side of a database; raises `LedgerError`.

    A transaction is `begin`, then any of the look-ups and `stage`, `write`, and `commit`, after which
    `after_commit` or `rollback` is called. Look-ups see what the transaction has staged; `feeds` does not,
    until `after_commit`. `commit` blocks, and may run in another thread.
    """

    @property
    def feeds(self) -> FeedReader:
        """What readers see."""
        ...

    def begin(self, submissions: Sequence[Submission]) -> None:
        """Begin the transaction that decides on `submissions`; nobody else writes until it ends."""
        ...

    def order(self, order_id: str) -> OrderRecord | None:
        """Look up an order."""
        ...

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """Look up what `sender` has sent under the message id of one of the submissions."""
        ...

    def stage(self, submission: Submission, at: int, *, is_open: bool) -> Entry:
        """Add a status as the next entry of both parties' feeds, and change its order accordingly.

        It goes to the other party of the order, or to its receiver if it begins one. `at` is in
        microseconds since 1970, UTC; `is_open` says whether anything may follow in the order.
        """
        ...

    def probe(self) -> None:
        """Add a write without a meaning, to check that the database takes writes."""
        ...

    def write(self) -> None:
        """Write the staged entries into the transaction."""
        ...

    def commit(self) -> None:
        """Make the transaction durable. Raises `DatabaseLostError` if it may be durable in vain."""
        ...

    def verify(self) -> None:
        """Raise `DatabaseLostError` if the database is lost. Blocks, and may run in another thread."""
        ...

    def after_commit(self) -> None:
        """Make the committed entries visible to readers."""
        ...

    def rollback(self) -> None:
        """Discard the staged entries; whether a commit landed is unknown."""
        ...

    def maintenance(self) -> Maintenance | None:
        """Return the next piece of work to do between two batches, if it is time for any."""
        ...

    def close(self) -> None:
        """Close the database."""
        ...
