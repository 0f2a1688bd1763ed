"""The rules of the ledger: what becomes of a submission, and where a feed starts. No SQL, no I/O of its own.

A batch of submissions is decided on one by one, each against the outcomes of those before it, and then
committed as one transaction. When it is committed, and who is notified, see `group_commit` and `relay`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from server_stub.ledger.store import Store
from server_stub.records import Duplicate, FeedStart, Outcome, Submission, User
from socket_bloc.order_flow import OrderFlow, OrderRecord
from socket_bloc.order_status import Rejection, RejectionCode

__all__ = ["Ledger"]


def _now() -> int:
    return time.time_ns() // 1000


class Ledger:
    """Decides on submissions, and on where feeds start."""

    def __init__(self, store: Store, flow: OrderFlow, now: Callable[[], int] = _now) -> None:
        """`now` returns microseconds since 1970, UTC."""
        self._store = store
        self._feeds = store.feeds
        self._flow = flow
        self._now = now

    def stage(self, submissions: Sequence[Submission], *, probe: bool = False) -> list[Outcome]:
        """Decide on each submission, and write the entries into an open transaction; `Store.commit` is next.

        `probe` adds a write without a meaning. Raises `LedgerError`, after a rollback.
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

    def open_feed(self, user: User, since: int | None, epoch: str | None) -> FeedStart:
        """Return where the feed of a new connection starts, given the `since` and `epoch` of its query.

        Raises `LedgerError`.
        """
        feeds = self._feeds
        head = feeds.head(user)
        if since == 0:
            return FeedStart(0, head, resumed=True)
        if since is not None and epoch == feeds.epoch and since <= head:
            return FeedStart(since, head, resumed=True)
        first = feeds.oldest_open(user)
        return FeedStart(head if first is None else first - 1, head, resumed=False)

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
        is_open = self._flow.is_open(wanted.order_status_as_int)
        return store.stage(submission, at, is_open=is_open)


def _current_status(order: OrderRecord | None, user: User) -> int | None:
    """The status of an order as far as it is for `user` to know."""
    if order is None or order.party(user.role) != user.user_id:
        return None
    return order.current_status


def _message_id_reused(order: OrderRecord | None, sender: User) -> Rejection:
    reason = "another status has been committed under this messageId; a new status needs a new one"
    current_status = _current_status(order, sender)
    return Rejection(RejectionCode.MESSAGE_ID_REUSED, "message_id", reason, current_status)
