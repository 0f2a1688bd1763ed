"""What becomes of a draft, and what a feed holds: the algorithm, synchronous, without SQL.

The ledger is the truth. A batch of drafts is judged one after the other, each against what those before
it have come to, and then committed as one transaction: nothing of it is true until `commit` has returned.
Who is told, and when, is the business of `group_commit` and of `relay`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from server_stub.records import Draft, Entry, User
from socket_bloc.order_flow import OrderFlow, OrderRecord
from socket_bloc.order_status import ClientType, Rejection, RejectionCode

__all__ = ["Committed", "Feed", "Ledger", "LedgerError", "Outcome", "Repeated", "Staged", "Store"]


class LedgerError(Exception):
    """The database did not do what it was asked; one line says what."""


class Committed(NamedTuple):
    """The draft is now this entry."""

    entry: Entry


class Repeated(NamedTuple):
    """The draft had been committed before, as this entry."""

    entry: Entry


Outcome = Committed | Repeated | Rejection


class Staged(NamedTuple):
    """What becomes of the drafts of a batch, once `commit` has returned if anything `needs_commit`."""

    outcomes: list[Outcome]
    needs_commit: bool


class Feed(NamedTuple):
    """Where a connection starts in its user's feed, as its `welcome` says it."""

    after: int
    head: int
    resumed: bool


class Store(Protocol):
    """A database that holds the entries. Each method but `rollback` and `close` may raise `LedgerError`.

    `order`, `entry` and `head` are asked within a transaction; what a transaction writes, it does not read
    back. `committed_head`, `feed` and `oldest_open` may be asked at any time, also while `commit` is
    running in another thread.
    """

    @property
    def epoch(self) -> str:
        """The name of the database."""
        ...

    def begin(self) -> None:
        """Begin the transaction; there is no other writer until it ends."""
        ...

    def order(self, order_id: str) -> OrderRecord | None:
        """The order of this id."""
        ...

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """What `sender` has committed under this message id."""
        ...

    def head(self, user: User) -> int:
        """The last number of the feed of `user`; 0 where it is empty."""
        ...

    def write(self, entries: Sequence[Entry], is_open: Callable[[int], bool]) -> None:
        """Write entries, and what they make of their orders; `is_open` knows which status ends one."""
        ...

    def touch(self) -> None:
        """Write what means nothing, to find out whether the database takes it."""
        ...

    def commit(self) -> None:
        """Make what was written durable. The one method that another thread may call."""
        ...

    def rollback(self) -> None:
        """End the transaction and forget what it wrote."""
        ...

    def committed_head(self, user: User) -> int:
        """The last committed number of the feed of `user`; 0 where it is empty."""
        ...

    def feed(self, user: User, after: int, limit: int) -> list[Entry]:
        """At most `limit` committed entries of the feed of `user`, those that follow number `after`."""
        ...

    def oldest_open(self, user: User) -> int | None:
        """The number in the feed of `user` at which the oldest of their open orders began."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


def _now() -> int:
    return time.time_ns() // 1000


class Ledger:
    """The statuses of all orders, in the feeds of all users."""

    def __init__(self, store: Store, flow: OrderFlow, now: Callable[[], int] = _now) -> None:
        """`now` gives microseconds since 1970, UTC."""
        self._store = store
        self._flow = flow
        self._now = now

    @property
    def epoch(self) -> str:
        """The name of the database."""
        return self._store.epoch

    def stage(self, drafts: Sequence[Draft], *, touch: bool = False) -> Staged:
        """Say what becomes of each draft, and write it, up to the commit. Raises `LedgerError`.

        `touch` adds a write of no meaning. Where nothing needs a commit, the transaction has ended.
        """
        store = self._store
        try:
            store.begin()
            batch = _Batch(store, self._flow, self._now())
            outcomes = [batch.judge(draft) for draft in drafts]
            if touch:
                store.touch()
            if batch.entries:
                store.write(batch.entries, self._flow.is_open)
            elif not touch:
                store.commit()  # nothing was written: this only ends the transaction
        except BaseException:
            store.rollback()
            raise
        return Staged(outcomes, needs_commit=touch or bool(batch.entries))

    def commit(self) -> None:
        """Make what was staged true. Raises `LedgerError`; then nothing of it is, as far as can be known.

        May be called from another thread, while nothing else is staged.
        """
        try:
            self._store.commit()
        except BaseException:
            self._store.rollback()
            raise

    def open_feed(self, user: User, since: int | None, epoch: str | None) -> Feed:
        """Where the feed of a new connection starts, given what its query says that it has."""
        head = self._store.committed_head(user)
        if since == 0:
            return Feed(0, head, resumed=True)
        if since is not None and epoch == self.epoch and since <= head:
            return Feed(since, head, resumed=True)
        first = self._store.oldest_open(user)
        return Feed(head if first is None else first - 1, head, resumed=False)

    def read_feed(self, user: User, after: int, limit: int) -> list[Entry]:
        """At most `limit` committed entries of a user's feed, those that follow number `after`."""
        return self._store.feed(user, after, limit)

    def close(self) -> None:
        """Let go of the database."""
        self._store.close()


class _Batch:
    """One transaction's drafts: what they have come to so far lies over what is committed."""

    def __init__(self, store: Store, flow: OrderFlow, at: int) -> None:
        self.entries: list[Entry] = []
        self._store = store
        self._flow = flow
        self._at = at
        self._orders: dict[str, OrderRecord] = {}
        self._heads: dict[User, int] = {}
        self._sent: dict[tuple[User, str], Entry] = {}

    def judge(self, draft: Draft) -> Outcome:
        sender, wanted = draft.sender, draft.order_status
        order = self._orders.get(draft.order_id) or self._store.order(draft.order_id)
        if draft.refusal is not None:
            return replace(draft.refusal, current_status=_current_status(order, sender))
        known = self._sent.get((sender, draft.message_id)) or self._store.entry(sender, draft.message_id)
        if known is not None:
            return Repeated(known) if known.says_the_same(draft) else _message_id_reused(order, sender)
        rejection = self._flow.check_order(wanted, sender.user_id, sender.role, order)
        if rejection is not None:
            return rejection
        receiver = _receiver(draft, order)
        entry = Entry(
            sender=sender,
            receiver=receiver,
            sender_seq=self._next_seq(sender),
            receiver_seq=self._next_seq(receiver),
            order_id=draft.order_id,
            message_id=draft.message_id,
            status=wanted.order_status_as_int,
            status_name=wanted.order_status_as_string,
            message=wanted.message,
            at=self._at,
        )
        self.entries.append(entry)
        self._sent[sender, draft.message_id] = entry
        self._orders[draft.order_id] = order_after(entry)
        return Committed(entry)

    def _next_seq(self, user: User) -> int:
        head = self._heads.get(user)
        seq = (self._store.head(user) if head is None else head) + 1
        self._heads[user] = seq
        return seq


def order_after(entry: Entry) -> OrderRecord:
    """What the order of an entry is with it."""
    sender_id, receiver_id = entry.sender.user_id, entry.receiver.user_id
    if entry.sender.role is ClientType.CLIENT:
        return OrderRecord(sender_id, receiver_id, entry.status)
    return OrderRecord(receiver_id, sender_id, entry.status)


def _receiver(draft: Draft, order: OrderRecord | None) -> User:
    other = draft.sender.role.other
    receiver_id = order.party(other) if order else draft.order_status.receiver_id
    assert receiver_id is not None  # OrderFlow.check refuses a first status without one
    return User(receiver_id, other)


def _current_status(order: OrderRecord | None, user: User) -> int | None:
    """The status of an order as far as it is for `user` to know."""
    if order is None or order.party(user.role) != user.user_id:
        return None
    return order.current_status


def _message_id_reused(order: OrderRecord | None, sender: User) -> Rejection:
    reason = "another status has been committed under this messageId; a new status needs a new one"
    current_status = _current_status(order, sender)
    return Rejection(RejectionCode.MESSAGE_ID_REUSED, "message_id", reason, current_status)
