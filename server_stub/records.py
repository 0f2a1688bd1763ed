"""The values that the modules of the relay pass to each other.

They are created for every status, some of them several times, so they are named tuples: immutable, and far
cheaper to create than frozen dataclasses.
"""

from __future__ import annotations

from typing import NamedTuple

from socket_bloc.order_status import ClientType, OrderStatus, Rejection

__all__ = ["Answer", "Duplicate", "Entry", "FeedStart", "Outcome", "Submission", "User"]


class User(NamedTuple):
    """A user. The same id in the two roles is two users."""

    user_id: str
    role: ClientType

    def __str__(self) -> str:
        # For logs: `repr` escapes invisible characters and line breaks, and anybody may choose a long id.
        user_id = self.user_id
        return f"{self.role} {user_id if len(user_id) <= 40 else user_id[:39] + '…'!r}"


class Submission(NamedTuple):
    """A status that a user asks to commit.

    `refusal` is the result of `OrderFlow.check`. A refused submission still goes to the ledger, since its
    rejection names the status of the order at that point of the batch.
    """

    sender: User
    message_id: str
    order_status: OrderStatus
    order_id: str
    refusal: Rejection | None


class Entry(NamedTuple):
    """One committed status, with its number in the feeds of both parties.

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
        """Return its number in the feed of `user`, who is one of the two parties."""
        return self.sender_seq if user == self.sender else self.receiver_seq

    def matches(self, submission: Submission) -> bool:
        """Return whether `submission`, of the same sender, is this status once its gaps are filled in."""
        wanted = submission.order_status
        return (
            submission.order_id == self.order_id
            and wanted.order_status_as_int == self.status
            and wanted.order_status_as_string == self.status_name
            and wanted.message == self.message
            and wanted.receiver_id in (None, self.receiver.user_id)
        )


class Duplicate(NamedTuple):
    """The submission repeats one that was committed as this entry."""

    entry: Entry


Answer = Duplicate | Rejection
"""An outcome that only its sender is told."""
Outcome = Entry | Answer
"""The outcome of a submission. An entry goes to both parties, with their feeds."""


class FeedStart(NamedTuple):
    """Where a connection starts in its user's feed, as in its `welcome`."""

    after: int
    head: int
    resumed: bool
