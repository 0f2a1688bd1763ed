"""One connection of one user: passes sends to the writer, and the user's feed to the connection.

The ledger is the truth; a push is a hint. A session has a cursor, the last number of the feed that was
written to its connection. An entry that is exactly the next one is written as soon as it is announced;
everything else is read from the ledger, page by page, as fast as the client reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from server_stub.frames.incoming import InvalidFrame, read_frame
from server_stub.frames.outgoing import rejected_frame, status_frame, status_without_seq, welcome_frame
from server_stub.frames.strict_json import find_message_id
from server_stub.ledger.group_commit import GroupCommit
from server_stub.ledger.store import FeedReader, LedgerError
from server_stub.observer import Observers
from server_stub.rate_limit import RateLimit, TokenBucket
from server_stub.records import Answer, FeedStart, Submission, User
from server_stub.wire.connection import Connection
from server_stub.wire.deadlines import TimerWheel
from socket_bloc.frames import CloseCode
from socket_bloc.order_flow import OrderFlow
from socket_bloc.order_status import Rejection, RejectionCode

__all__ = ["SessionContext", "UserSession"]

_log = logging.getLogger("server_stub")

MAX_MALFORMED: Final = 20
PAGE: Final = 128
"""Entries read from the ledger at once."""


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What all sessions share."""

    feeds: FeedReader
    writer: GroupCommit
    flow: OrderFlow
    observers: Observers
    rate_limit: RateLimit
    expiries: TimerWheel
    """Runs by the wall clock, as the `exp` of a token does: also if that clock is set."""
    loop: asyncio.AbstractEventLoop
    joined: Callable[[UserSession], None]
    left: Callable[[UserSession], None]


class UserSession:
    """Handles one user's open connection."""

    __slots__ = (
        "_bucket",
        "_connection",
        "_context",
        "_cursor",
        "_deferred_replies",
        "_expires",
        "_feed",
        "_hold",
        "_is_page_scheduled",
        "_malformed",
        "_refused",
        "slot",
        "user",
    )

    def __init__(
        self,
        context: SessionContext,
        connection: Connection,
        user: User,
        feed: FeedStart,
        expires: float | None = None,
    ) -> None:
        """`expires` is when the user's token does, in seconds since 1970."""
        self.user = user
        self.slot: int | None = None
        self._context = context
        self._connection = connection
        self._feed = feed
        self._cursor = feed.after
        self._expires = expires
        self._bucket = TokenBucket(context.rate_limit, context.loop.time())
        self._refused = TokenBucket(context.rate_limit, context.loop.time())
        self._hold: asyncio.TimerHandle | None = None
        self._malformed = 0
        self._is_page_scheduled = False  # the next page is read in another iteration of the loop
        # Seq -> the replies to duplicates of that entry, which the feed has not reached.
        self._deferred_replies: dict[int, list[bytes]] = {}

    def opened(self) -> None:
        """Send the welcome, and start the replay."""
        _log.info("connected: %s from %s", self.user, self._connection.peer)
        self._context.joined(self)
        if self._expires is not None:
            self._context.expiries.set(self, self._expires)
        self._context.observers.connected(self.user)
        self._connection.send(welcome_frame(self.user, self._context.feeds.epoch, self._feed))
        if self._cursor < self._feed.head:
            self._continue_replay()

    def received(self, text: str) -> None:
        """Handle a frame of the user."""
        context = self._context
        if not self._bucket.take(context.loop.time(), len(text)):
            reason = "more frames than this connection may send; try again later, with the same messageId"
            self._reject(find_message_id(text), Rejection(RejectionCode.RATE_LIMITED, "frame", reason))
            self._count_refused()
            return
        frame = read_frame(text)
        if isinstance(frame, InvalidFrame):
            self._reject(frame.message_id, frame.rejection)
            if frame.rejection.code is RejectionCode.MALFORMED:
                self._count_malformed()
            return
        context.observers.received(self.user, frame)
        status = frame.order_status
        refusal = context.flow.check(status, self.user.user_id, self.user.role)
        assert status.order_id is not None  # checked by read_frame
        context.writer.submit(
            Submission(self.user, frame.message_id, status, status.order_id, refusal), self._answer
        )

    def received_other(self) -> None:
        """Count a frame that gets no answer."""
        if not self._bucket.take(self._context.loop.time()):
            self._count_refused()

    def offer(self, seq: int, without_seq: bytes) -> None:
        """Write the committed entry `seq` if it is the next one, or read on from the ledger."""
        if seq == self._cursor + 1 and self._connection.is_writable:
            self._push(seq, without_seq)
        elif seq > self._cursor:
            self._continue_replay()

    def drained(self) -> None:
        """Continue the replay."""
        self._continue_replay()

    def lost(self, close_code: int) -> None:
        """The connection has ended."""
        _log.info("disconnected: %s, close code %d", self.user, close_code)
        self._context.expiries.cancel(self)
        if self._hold is not None:
            self._hold.cancel()
        self._context.left(self)
        self._context.observers.disconnected(self.user, close_code)

    def on_deadline(self, now: float) -> None:
        """The user's token has expired; what it has submitted is still committed."""
        self.close(CloseCode.TOKEN_EXPIRED, "the token has expired")

    def close(self, code: int, reason: str) -> None:
        """Start to close the connection."""
        self._connection.close(code, reason)

    def _answer(self, submission: Submission, answer: Answer) -> None:
        if isinstance(answer, Rejection):
            self._reject(submission.message_id, answer)
            return
        seq = answer.entry.seq(self.user)
        reply = status_frame(seq, status_without_seq(answer.entry))
        if seq <= self._cursor:
            self._connection.send(reply)
        else:
            self._deferred_replies.setdefault(seq, []).append(reply)
            self._continue_replay()

    def _push(self, seq: int, without_seq: bytes) -> None:
        self._connection.send(status_frame(seq, without_seq))
        self._cursor = seq
        self._context.observers.pushed(self.user, seq)
        if self._deferred_replies:
            for reply in self._deferred_replies.pop(seq, ()):
                self._connection.send(reply)

    def _continue_replay(self) -> None:
        if not self._is_page_scheduled:
            self._read_page()

    def _read_page(self) -> None:
        self._is_page_scheduled = False
        if not self._connection.is_writable:
            return  # `drained` continues, if the connection is still open
        try:
            page = self._context.feeds.page(self.user, self._cursor, PAGE)
        except LedgerError as error:
            _log.error("failed to read the feed of %s: %s", self.user, error)
            self._connection.fail(CloseCode.INTERNAL_ERROR, "the feed cannot be read now")
            return
        for entry in page:
            if not self._connection.is_writable:
                return
            self._push(entry.seq(self.user), status_without_seq(entry))
        if len(page) == PAGE:
            # Other connections run between two pages.
            self._is_page_scheduled = True
            self._context.loop.call_soon(self._read_page)

    def _reject(self, message_id: str | None, rejection: Rejection) -> None:
        self._connection.send(rejected_frame(message_id, rejection))
        self._context.observers.rejected(self.user, message_id, rejection)

    def _count_refused(self) -> None:
        """Read nothing until there are tokens, once more was refused than the rate allows to be sent."""
        now = self._context.loop.time()
        self._refused.take(now)
        if not self._refused.seconds_to_next(now):
            return
        self._connection.hold()
        self._hold = self._context.loop.call_later(
            self._bucket.seconds_to_next(now), self._connection.release
        )

    def _count_malformed(self) -> None:
        self._malformed += 1
        if self._malformed == MAX_MALFORMED:
            self._connection.fail(CloseCode.POLICY_VIOLATION, f"{MAX_MALFORMED} malformed frames")
