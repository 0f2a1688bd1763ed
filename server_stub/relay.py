"""The sessions of each user, and the delivery of committed entries to them."""

from __future__ import annotations

import asyncio

from server_stub.frames.outgoing import status_without_seq
from server_stub.handshake.admission import Admission
from server_stub.ledger.group_commit import GroupCommit
from server_stub.ledger.ledger import Ledger
from server_stub.ledger.store import Store
from server_stub.observer import Observers
from server_stub.rate_limit import RateLimit
from server_stub.records import Entry, User
from server_stub.session import SessionContext, UserSession
from server_stub.wire.connection import Connection
from server_stub.wire.deadlines import TimerWheel
from socket_bloc.order_flow import OrderFlow

__all__ = ["Relay"]


class Relay:
    """The sessions of one node, and the writer that they share."""

    def __init__(
        self,
        store: Store,
        flow: OrderFlow,
        observers: Observers,
        rate_limit: RateLimit,
        expiries: TimerWheel,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._ledger = Ledger(store, flow)
        self.writer = GroupCommit(self._ledger, store, self._announce, observers.batch_ended, loop)
        self._observers = observers
        self.session_count = 0
        self._sessions: dict[User, list[UserSession]] = {}
        self._context = SessionContext(
            store.feeds,
            self.writer,
            flow,
            observers,
            rate_limit,
            expiries,
            loop,
            joined=self._joined,
            left=self._left,
        )

    def session(self, connection: Connection, admission: Admission) -> UserSession:
        """Create the session of an admitted connection. Raises `LedgerError`."""
        feed = self._ledger.open_feed(admission.user, admission.since, admission.epoch)
        return UserSession(self._context, connection, admission.user, feed, admission.expires)

    def connections_of(self, user: User) -> int:
        """The number of connections that a user has."""
        return len(self._sessions.get(user, ()))

    def close_sessions(self, code: int, reason: str) -> None:
        """Start to close every connection; as in the diagram, the last to connect is the first to go."""
        for sessions in reversed(self._sessions.values()):
            for session in sessions:
                session.close(code, reason)

    def _joined(self, session: UserSession) -> None:
        self.session_count += 1
        self._sessions.setdefault(session.user, []).append(session)

    def _left(self, session: UserSession) -> None:
        self.session_count -= 1
        sessions = self._sessions[session.user]
        sessions.remove(session)
        if not sessions:
            del self._sessions[session.user]

    def _announce(self, entry: Entry) -> None:
        self._observers.committed(entry)
        without_seq = status_without_seq(entry)
        for session in self._sessions.get(entry.sender, ()):
            session.offer(entry.sender_seq, without_seq)
        for session in self._sessions.get(entry.receiver, ()):
            session.offer(entry.receiver_seq, without_seq)
