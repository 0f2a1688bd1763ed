"""The values that the rooms of the relay hand to each other.

They are made for every status, some of them several times, so they are named tuples: frozen, and far
cheaper to make than frozen dataclasses.
"""

from __future__ import annotations

from typing import NamedTuple

from socket_bloc.order_status import ClientType, OrderStatus, Rejection

__all__ = ["Duplicate", "Entry", "FeedStart", "Outcome", "Submission", "User"]


class User(NamedTuple):
    """Who is connected. The same id in the two roles is two users."""

    user_id: str
    role: ClientType

    def __str__(self) -> str:
        # The representation of an id shows what would not be seen, or would start a new line.
        return f"{self.role} {self.user_id!r}"


class Submission(NamedTuple):
    """A status that a user wants to have committed.

    `refusal` is what `OrderFlow.check` had to say about it. A refused submission still goes to the ledger,
    since the answer names the status that the order has when its turn comes.
    """

    sender: User
    message_id: str
    order_status: OrderStatus
    order_id: str
    refusal: Rejection | None


class Entry(NamedTuple):
    """One committed status, with its number in the feed of each of its two sides.

    `at` is in microseconds since 1970, UTC.
    """

    sender: User
    receiver: User
    sender_seq: int
    receiver_seq: int
    order_id: str
    message_id: str
    status: int
    status_name: str
    message: str
    at: int

    def seq(self, user: User) -> int:
        """Its number in the feed of `user`, who is one of its two sides."""
        return self.sender_seq if user == self.sender else self.receiver_seq

    def matches(self, submission: Submission) -> bool:
        """Whether `submission`, of the same sender, is this very status once its gaps are filled in."""
        wanted = submission.order_status
        return (
            submission.order_id == self.order_id
            and wanted.order_status_as_int == self.status
            and wanted.order_status_as_string == self.status_name
            and wanted.message == self.message
            and wanted.receiver_id in (None, self.receiver.user_id)
        )


class Duplicate(NamedTuple):
    """The submission had been committed before, as this entry."""

    entry: Entry


Outcome = Entry | Duplicate | Rejection
"""What becomes of a submission: an entry of its own, or an older one, or nothing."""


class FeedStart(NamedTuple):
    """Where a connection starts in its user's feed, as its `welcome` says it."""

    after: int
    head: int
    resumed: bool
