"""What an honest relay never sends, although each frame of it is valid: it contradicts what the client knows.

What follows from it is decided in `session`.
"""

from __future__ import annotations

from typing import Final

from socket_bloc.frames import StatusFrame, WelcomeFrame
from socket_bloc.order_status import ClientType
from socket_bloc.outbox import Send
from socket_bloc.session.cursor import FeedCursor

__all__ = ["Violations", "is_what_was_sent", "problem_of_welcome"]

_MAX_VIOLATIONS: Final = 100


class Violations:
    """The problems that have been reported: each once, as a relay that has one has it with many frames."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def is_new(self, problem: str) -> bool:
        """Record a problem. True if it is to be reported."""
        if problem in self._reported or len(self._reported) >= _MAX_VIOLATIONS:
            return False
        self._reported.add(problem)
        return True


def problem_of_welcome(
    frame: WelcomeFrame, user_id: str, type: ClientType, requested: FeedCursor
) -> str | None:
    """Return what is wrong with the answer to a request of this user, from this cursor."""
    if (frame.user_id, frame.client_type) != (user_id, type):
        return "the welcome is for another user"
    if frame.after > frame.head:
        return f"the welcome starts the feed after {frame.after}, beyond its head {frame.head}"
    since = requested.seq
    if frame.resumed and since is not None:
        if frame.after != since:
            return f"the welcome resumes the feed after {frame.after} instead of {since}"
        if since > 0 and frame.epoch != requested.epoch:
            return "the welcome resumes the feed of another database"
    return None


def is_what_was_sent(frame: StatusFrame, send: Send) -> bool:
    """Return whether a status is that of a send, with the ids filled in that the relay fills in."""
    status, sent = frame.order_status, send.order_status
    return (
        status.order_status_as_int == sent.order_status_as_int
        and status.order_id == sent.order_id
        and status.message == sent.message
        and (status.receiver_id == sent.receiver_id or None in (status.receiver_id, sent.receiver_id))
    )
