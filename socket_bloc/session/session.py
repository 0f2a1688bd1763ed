"""What one user's connection must do next: connect, resume, settle, back off, give up.

A `Session` is given what has happened and returns effects, in the order in which they are to be applied.
It does no I/O, reads no clock and uses no randomness: `now` is in seconds of any monotonic clock,
`jitter` returns numbers from 0 to 1. The table in `state` specifies all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, assert_never

from socket_bloc.errors import NoSocketError
from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.frames import (
    CloseCode,
    InvalidFrame,
    RejectedFrame,
    StatusFrame,
    WelcomeFrame,
    read_relay_frame,
)
from socket_bloc.order_status import ClientType, RejectionCode
from socket_bloc.outbox import Send
from socket_bloc.session.addresses import Addresses
from socket_bloc.session.cursor import FeedCursor, SeqCheck
from socket_bloc.session.disconnect import Closed, Disconnect, is_about_the_address, retry_policy
from socket_bloc.session.effects import Close, Effect, Open, ProtocolViolation, Reconnecting
from socket_bloc.session.retry import Retries
from socket_bloc.session.sends import Sends
from socket_bloc.session.state import (
    BackingOff,
    Connecting,
    Linked,
    Live,
    Offline,
    Refused,
    SessionState,
    Synchronising,
    Welcomed,
    WithSocket,
)
from socket_bloc.session.violations import Violations, is_what_was_sent, problem_of_welcome
from socket_bloc.states import (
    SocketConnectState,
    SocketDisconnectState,
    SocketRefusedState,
)

__all__ = ["SILENCE_TIMEOUT", "STABLE_AFTER", "Session"]

SILENCE_TIMEOUT: Final = 10.0
"""Seconds that the relay may be silent before its welcome, and within its replay."""
STABLE_AFTER: Final = 30.0
"""Seconds of a live connection after which the back-off is reset."""


class Session:
    """The state of one user's connection, over all its attempts, to the relay at any of `uris`.

    `cursor`, `retries` and `addresses` are there to be read.
    """

    def __init__(
        self,
        user_id: str,
        type: ClientType,
        unsettled: Iterable[Send],
        *,
        uris: Sequence[str],
        jitter: Callable[[], float],
        full_history: bool = False,
    ) -> None:
        """`unsettled` is what an earlier process has left in the outbox, oldest first."""
        self._user_id = user_id
        self._type = type
        self._effects: list[Effect] = []
        self._sends = Sends(unsettled, jitter, self._effects)
        self.cursor = FeedCursor(full_history=full_history)
        self.retries = Retries(jitter)
        self.addresses = Addresses(uris)
        self._state: SessionState = Offline()
        self._attempt = 0
        self._violations = Violations()
        self._foreign_seq: int | None = None

    @property
    def state(self) -> SessionState:
        """The current state."""
        return self._state

    @property
    def has_socket(self) -> bool:
        """Whether there is a connection, or one is being opened or awaited, so that sends are accepted."""
        return isinstance(self._state, WithSocket)

    @property
    def is_connected(self) -> bool:
        """Whether the relay has welcomed this user on the current connection."""
        return isinstance(self._state, Welcomed)

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called, unless something else happens first."""
        match self._state:
            case BackingOff(until):
                return until
            case Connecting(answer_by=at) | Synchronising(answer_by=at):
                return at
            case Live(since=since):
                times = (self._sends.deadline, since + STABLE_AFTER if self.retries.tries else None)
                return min((at for at in times if at is not None), default=None)
            case Offline() | Refused():
                return None
            case _:
                assert_never(self._state)

    def connect(self) -> list[Effect]:
        """Open a connection, and keep it open until `disconnect`."""
        if not self.has_socket:
            self.retries.reset()
            self.addresses.start_again()
        self._sends.announce_inherited()
        if not self._is_linked:
            self._open()
        return self._flush_effects()

    def disconnect(self) -> list[Effect]:
        """Close the connection and stay offline. Raises `NoSocketError`."""
        self._require_socket()
        self._close(CloseCode.NORMAL, "")
        self._state = Offline()
        self._effects.append(SocketDisconnectState())
        return self._flush_effects()

    def send(self, send: Send, now: float) -> list[Effect]:
        """Send what was added to the outbox. Raises `NoSocketError`."""
        self._require_socket()
        if not self.holds(send.message_id):
            self._sends.accept(send, now, is_live=isinstance(self._state, Live))
        return self._flush_effects()

    def settle(self, message_id: str, now: float) -> list[Effect]:
        """The outcome of a send has been announced, if there was one; the next of its order may follow."""
        self._sends.announced(message_id, now, is_live=isinstance(self._state, Live))
        return self._flush_effects()

    def holds(self, message_id: str) -> bool:
        """Return whether a send is unsettled."""
        return self._sends.holds(message_id)

    def opened(self, attempt: int, now: float) -> list[Effect]:
        """The handshake of an attempt has succeeded."""
        if self._state == Connecting(attempt):
            self._state = Connecting(attempt, now + SILENCE_TIMEOUT)
        return self._flush_effects()

    def received(self, attempt: int, data: str | bytes, now: float) -> list[Effect]:
        """A frame has arrived."""
        if self._is_current(attempt):
            match read_relay_frame(data):
                case WelcomeFrame() as frame if not self.is_connected:
                    self._on_welcome(frame, now)
                case StatusFrame() as frame if self.is_connected:
                    self._on_status(frame, now)
                case RejectedFrame(message_id=str(message_id)) as frame if self.is_connected:
                    self._on_rejected(frame, message_id, now)
                case RejectedFrame(message_id=None, code=code):
                    self._report(f"rejection without a messageId: {code[:40]!r}")
                case InvalidFrame() as frame:
                    self._on_invalid_frame(frame, now)
                case frame:
                    self._report(f"unexpected frame of type {frame.type!r}")
        return self._flush_effects()

    def lost(self, attempt: int, disconnect: Disconnect, now: float) -> list[Effect]:
        """The connection of an attempt has ended, or could not be opened."""
        if self._is_current(attempt):
            self._sends.requeue()
            reason = self.addresses.described(disconnect)
            if isinstance(disconnect, Closed) and disconnect.code == CloseCode.NORMAL:
                self._state = Offline(reason)
                self._effects.append(SocketDisconnectState())
            elif self._may_retry(disconnect, now):
                self._back_off(reason, now)
            else:
                self._state = Refused(reason)
                self._effects.append(SocketRefusedState(reason))
        return self._flush_effects()

    def tick(self, now: float) -> list[Effect]:
        """Do what is due by now."""
        match self._state:
            case BackingOff(until) if until <= now:
                self._open()
            case Connecting(answer_by=float(at)) | Synchronising(answer_by=at) if at <= now:
                self._reconnect("the relay is silent", now, elsewhere=True)
            case Live() if self._sends.is_overdue(now):
                self._reconnect("the relay does not answer", now, elsewhere=True)
            case Live(since=since):
                if since + STABLE_AFTER <= now:
                    self.retries.reset_backoff()
                for send in self._sends.due(now):
                    self._sends.transmit(send, now)
            case _:
                pass
        return self._flush_effects()

    # Frames

    def _on_welcome(self, frame: WelcomeFrame, now: float) -> None:
        problem = problem_of_welcome(frame, self._user_id, self._type, self.cursor)
        if problem is not None:
            self._on_violation(problem, now)
            return
        if not self.cursor.welcomed(frame):
            self._reconnect("requesting the history from its start", now)
            return
        self.addresses.welcomed()
        self._effects.append(SocketConnectState(frame.resumed, frame.epoch))
        self._state = Synchronising(self._attempt, frame.head, now)
        self._synchronise(now)

    def _on_status(self, frame: StatusFrame, now: float) -> None:
        status = frame.order_status
        is_own = status.sender_id == self._user_id
        if not is_own and status.receiver_id != self._user_id and status.receiver_id is not None:
            self._on_foreign_status(frame.seq, now)
            return
        send = self._sends.unanswered(frame.message_id) if is_own else None
        if send is not None and not is_what_was_sent(frame, send):
            if self._sends.is_in_flight(send):
                self._on_violation(f"the answer to {send.message_id} is not what was sent", now)
                return
            send = None  # another status under its message id; once sent, it will be rejected for that
        check = self._advance(frame.seq, now)
        if check is SeqCheck.GAP or (check is SeqCheck.DUPLICATE and send is None):
            return
        self._effects.append(SocketReceiveDataEvent(status, frame.message_id, frame.seq, frame.at))
        if send is not None:
            self.retries.reset()
            self._sends.committed(frame.message_id)
        self._synchronise(now)

    def _on_foreign_status(self, seq: int, now: float) -> None:
        problem = f"status {seq} is of an order in which this user has no part"
        if self._foreign_seq != seq:
            self._foreign_seq = seq
            self._on_violation(problem, now)
        else:
            self._report(f"{problem}; continuing after it")
            self._advance(seq, now)
            self._synchronise(now)

    def _on_violation(self, problem: str, now: float) -> None:
        self._report(problem)
        self._reconnect(problem, now, elsewhere=True)

    def _on_rejected(self, frame: RejectedFrame, message_id: str, now: float) -> None:
        send = self._sends.unanswered(message_id)
        if send is None:
            self._report(f"rejection of an unknown messageId: {frame.code[:40]!r}")
        elif isinstance(frame.code, RejectionCode) and not frame.code.is_final:
            self._sends.defer(message_id, now)
        else:
            self._sends.rejected(send, frame)

    def _on_invalid_frame(self, frame: InvalidFrame, now: float) -> None:
        self._report(f"invalid frame of type {frame.type!r}: {frame.problem}")
        if frame.seq is not None and self.is_connected:
            self._advance(frame.seq, now)
            self._synchronise(now)

    def _advance(self, seq: int, now: float) -> SeqCheck:
        before = self.cursor.seq
        check = self.cursor.advance(seq)
        if check is SeqCheck.GAP:
            self._reconnect(f"the feed has a gap after {before}", now)
        elif check is SeqCheck.GAP_SKIPPED:
            self._report(f"the feed has no statuses between {before} and {seq}; continuing after the gap")
        return check

    def _synchronise(self, now: float) -> None:
        match self._state:
            case Synchronising(attempt, head) if self.cursor.has_reached(head):
                self._state = Live(attempt, now)
                for send in self._sends.ready():
                    self._sends.transmit(send, now)
            case Synchronising(attempt, head):
                self._state = Synchronising(attempt, head, now + SILENCE_TIMEOUT)
            case _:
                pass

    # Effects

    def _open(self) -> None:
        self._attempt += 1
        self.addresses.opening()
        self._state = Connecting(self._attempt)
        self._effects.append(Open(self._attempt, self.addresses.current, self.cursor.seq, self.cursor.epoch))

    def _close(self, code: int, reason: str) -> None:
        self._sends.requeue()
        if self._is_linked:
            self._effects.append(Close(code, reason))

    def _reconnect(self, reason: str, now: float, *, elsewhere: bool = False) -> None:
        self.retries.reset_disconnects()
        self._close(CloseCode.NORMAL, reason)
        described = self.addresses.described(reason)
        if elsewhere:
            self.addresses.move_on(now)
        self._back_off(described, now)

    def _may_retry(self, disconnect: Disconnect, now: float) -> bool:
        is_allowed = self.retries.allow(retry_policy(disconnect))
        is_usable = self.addresses.lost(disconnect, now, was_welcomed=self.is_connected)
        return is_usable if is_about_the_address(disconnect) else is_allowed

    def _back_off(self, reason: str, now: float) -> None:
        delay = self.addresses.held_back(now) + self.retries.next_delay()
        self._state = BackingOff(now + delay)
        self._effects.append(Reconnecting(self.retries.tries, delay, reason))

    def _report(self, problem: str) -> None:
        if self._violations.is_new(problem):
            self._effects.append(ProtocolViolation(problem))

    @property
    def _is_linked(self) -> bool:
        return isinstance(self._state, Linked)

    def _is_current(self, attempt: int) -> bool:
        return self._is_linked and attempt == self._attempt

    def _require_socket(self) -> None:
        if not self.has_socket:
            raise NoSocketError

    def _flush_effects(self) -> list[Effect]:
        effects = self._effects.copy()
        self._effects.clear()
        return effects
