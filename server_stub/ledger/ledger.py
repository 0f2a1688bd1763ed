"""What becomes of a submission, and what a feed holds: the algorithm, synchronous, without SQL.

The ledger is the truth. A batch of submissions is judged one after the other, each against what those before
it have come to, and then committed as one transaction: nothing of it is true until `commit` has returned.
Who is told, and when, is the business of `group_commit` and of `relay`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from server_stub.ledger.store import Store
from server_stub.records import Duplicate, Entry, FeedStart, Outcome, Submission, User
from socket_bloc.order_flow import OrderFlow, OrderRecord
from socket_bloc.order_status import ClientType, Rejection, RejectionCode

__all__ = ["Ledger"]


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

    def stage(self, submissions: Sequence[Submission], *, probe: bool = False) -> list[Outcome]:
        """Say what becomes of each submission, and write it, up to the commit. Raises `LedgerError`.

        `probe` adds a write of no meaning.
        """
        store = self._store
        try:
            store.begin(submissions)
            at = self._now()
            outcomes = [self._decide(submission, at) for submission in submissions]
            if probe:
                store.probe()
            store.write()
        except BaseException:
            store.rollback()
            raise
        return outcomes

    def commit(self) -> None:
        """Make what was staged durable. May run in another thread. Raises `LedgerError`."""
        self._store.commit()

    def after_commit(self) -> None:
        """Take note that `commit` has returned: what was staged is true."""
        self._store.after_commit()

    def rollback(self) -> None:
        """Take note that `commit` has failed: nothing of what was staged is true, as far as can be known."""
        self._store.rollback()

    @property
    def needs_compaction(self) -> bool:
        """Whether the store wants to do its housekeeping, between two batches."""
        return self._store.needs_compaction

    def compact(self) -> None:
        """Let it. May run in another thread. Raises `LedgerError`, which harms nothing."""
        self._store.compact()

    def after_compaction(self) -> None:
        """Take note that `compact` has returned."""
        self._store.after_compaction()

    def open_feed(self, user: User, since: int | None, epoch: str | None) -> FeedStart:
        """Where the feed of a new connection starts, given what its query says that it has."""
        head = self._store.committed_head(user)
        if since == 0:
            return FeedStart(0, head, resumed=True)
        if since is not None and epoch == self.epoch and since <= head:
            return FeedStart(since, head, resumed=True)
        first = self._store.oldest_open(user)
        return FeedStart(head if first is None else first - 1, head, resumed=False)

    def read_feed(self, user: User, after: int, limit: int) -> list[Entry]:
        """At most `limit` committed entries of a user's feed, those that follow number `after`."""
        return self._store.feed(user, after, limit)

    def close(self) -> None:
        """Let go of the database."""
        self._store.close()

    def _decide(self, submission: Submission, at: int) -> Outcome:
        store = self._store
        sender, message_id, wanted, order_id, refusal = submission
        order = store.order(order_id)
        if refusal is not None:
            return replace(refusal, current_status=_current_status(order, sender))
        known = store.entry(sender, message_id)
        if known is not None:
            return Duplicate(known) if known.matches(submission) else _message_id_reused(order, sender)
        rejection = self._flow.check_order(wanted, sender.user_id, sender.role, order)
        if rejection is not None:
            return rejection
        receiver = _receiver(submission, order)
        status = wanted.order_status_as_int
        entry = Entry(
            sender,
            receiver,
            store.head(sender) + 1,
            store.head(receiver) + 1,
            order_id,
            message_id,
            status,
            wanted.order_status_as_string,
            wanted.message,
            at,
        )
        store.stage(entry, _order_after(entry), is_open=self._flow.is_open(status))
        return entry


def _order_after(entry: Entry) -> OrderRecord:
    sender_id, receiver_id = entry.sender.user_id, entry.receiver.user_id
    if entry.sender.role is ClientType.CLIENT:
        return OrderRecord(sender_id, receiver_id, entry.status)
    return OrderRecord(receiver_id, sender_id, entry.status)


def _receiver(submission: Submission, order: OrderRecord | None) -> User:
    other = submission.sender.role.other
    receiver_id = order.party(other) if order else submission.order_status.receiver_id
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
