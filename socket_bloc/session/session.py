"""What one user's connection must do next: connect, resume, settle, back off, give up.

A `Session` is told what has happened and answers with effects, in the order in which they are to be
carried out. It does no I/O, reads no clock and draws no lots: `now` is in seconds of any monotonic
clock, `jitter` gives numbers from 0 to 1. The table in `state` is the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from socket_bloc.errors import NoSocketError
from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.frames import (
    CloseCode,
    RejectedFrame,
    SendFrame,
    StatusFrame,
    UnreadableFrame,
    WelcomeFrame,
    read_relay_frame,
)
from socket_bloc.order_status import RejectionCode
from socket_bloc.outbox import Outbox, Send
from socket_bloc.session.cursor import Feed, Place
from socket_bloc.session.delivery import Delivery, backoff
from socket_bloc.session.disconnect import HttpRefused, Loss, Patience, patience
from socket_bloc.session.effects import Close, Effect, Open, Reconnecting, Report, Transmit
from socket_bloc.session.state import (
    BackingOff,
    Connecting,
    Live,
    Offline,
    Refused,
    SessionState,
    Synchronising,
)
from socket_bloc.states import (
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDisconnectState,
    SocketRefusedState,
)

__all__ = ["SILENCE_TIMEOUT", "STABLE_AFTER", "Session"]

SILENCE_TIMEOUT: Final = 10.0
"""Seconds that the relay may be silent before its welcome, and within its replay."""
STABLE_AFTER: Final = 30.0
"""Seconds of a live connection after which the back-off starts small again."""


_NO_LOSS = (Patience.ENDLESS, 0)
_MAX_REPORTS = 100


class Session:
    """The state of one user's connection, over all its attempts."""

    def __init__(
        self, user_id: str, outbox: Outbox, *, jitter: Callable[[], float], full_history: bool = False
    ) -> None:
        self._user_id = user_id
        self._outbox = outbox
        self._delivery = Delivery(outbox, jitter)
        self._feed = Feed(full_history=full_history)
        self._jitter = jitter
        self._state: SessionState = Offline()
        self._attempt = 0
        self._tries = 0
        self._losses_in_a_row = _NO_LOSS
        self._reported: set[str] = set()
        self._effects: list[Effect] = []

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._state

    @property
    def has_socket(self) -> bool:
        """Whether a connection is there or being sought, so that sends are taken."""
        return not isinstance(self._state, Offline | Refused)

    @property
    def is_connected(self) -> bool:
        """Whether the relay has welcomed this user on the connection that there is now."""
        return isinstance(self._state, Synchronising | Live)

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called, unless something else happens before."""
        match self._state:
            case BackingOff(until):
                return until
            case Connecting(answer_by=at) | Synchronising(answer_by=at):
                return at
            case Live(since=since):
                times = (self._delivery.deadline, since + STABLE_AFTER if self._tries else None)
                return min((at for at in times if at is not None), default=None)
            case Offline() | Refused():
                return None

    def connect(self) -> list[Effect]:
        """Somebody asks for a connection."""
        if not self.has_socket:
            self._tries = 0
            self._losses_in_a_row = _NO_LOSS
        if not self._is_linked:
            self._open()
        return self._take()

    def disconnect(self) -> list[Effect]:
        """Somebody asks for the connection to end. Raises `NoSocketError`."""
        self._need_socket()
        self._close(CloseCode.NORMAL, "")
        self._state = Offline()
        self._effects.append(SocketDisconnectState())
        return self._take()

    def send(self, send: Send, now: float) -> list[Effect]:
        """Somebody asks for a status to be sent; the outbox has it. Forgets it and raises `NoSocketError`."""
        is_known = self._delivery.get(send.message_id) is not None
        if not self.has_socket and not is_known:
            self._outbox.settle(send.message_id)
        self._need_socket()
        if not is_known:
            if self._delivery.add(send) and isinstance(self._state, Live):
                self._transmit(send, now)
            else:
                self._effects.append(SocketDataQueuedState(send.order_status, send.message_id))
        return self._take()

    def opened(self, attempt: int, now: float) -> list[Effect]:
        """The handshake of an attempt is through."""
        if self._state == Connecting(attempt):
            self._state = Connecting(attempt, now + SILENCE_TIMEOUT)
        return self._take()

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
                    self._report(f"the relay rejects what it does not name: {code[:40]!r}")
                case UnreadableFrame() as frame:
                    self._on_unreadable(frame, now)
                case frame:
                    self._report(f"a frame of type {frame.type!r} is out of place")
        return self._take()

    def lost(self, attempt: int, loss: Loss, now: float) -> list[Effect]:
        """The connection of an attempt has ended, or has not come about."""
        if self._is_current(attempt):
            limit = patience(loss)
            kind, count = self._losses_in_a_row
            count = count + 1 if kind is limit else 1
            self._losses_in_a_row = (limit, count)
            self._requeue()
            if limit is Patience.STAY_AWAY:
                self._state = Offline()
                self._effects.append(SocketDisconnectState())
            elif count > limit.value:
                self._state = Refused(str(loss))
                self._effects.append(SocketRefusedState(str(loss)))
            else:
                self._back_off(str(loss), now, loss.retry_after if isinstance(loss, HttpRefused) else 0.0)
        return self._take()

    def tick(self, now: float) -> list[Effect]:
        """The clock has moved on."""
        match self._state:
            case BackingOff(until) if until <= now:
                self._open()
            case Connecting(answer_by=float(at)) | Synchronising(answer_by=at) if at <= now:
                self._try_anew("the relay is silent", now)
            case Live() if self._delivery.is_overdue(now):
                self._try_anew("the relay does not answer", now)
            case Live(since=since):
                if since + STABLE_AFTER <= now:
                    self._tries = 0
                for send in self._delivery.due(now):
                    self._transmit(send, now)
            case _:
                pass
        return self._take()

    # What has arrived

    def _on_welcome(self, frame: WelcomeFrame, now: float) -> None:
        if not self._feed.welcomed(frame):
            self._try_anew("the history is asked for from its beginning", now)
            return
        self._effects.append(SocketConnectState(frame.resumed, frame.epoch))
        self._state = Synchronising(self._attempt, frame.head, now)
        self._synchronise(now)

    def _on_status(self, frame: StatusFrame, now: float) -> None:
        is_own = frame.order_status.sender_id == self._user_id
        settles = is_own and self._delivery.get(frame.message_id) is not None
        place = self._take_place(frame.seq, now)
        if place is Place.GAP or (place is Place.KNOWN and not settles):
            return
        self._effects.append(
            SocketReceiveDataEvent(frame.order_status, frame.message_id, frame.seq, frame.at)
        )
        if settles:
            self._tries = 0
            self._losses_in_a_row = _NO_LOSS
            self._settle(frame.message_id, now)
        self._synchronise(now)

    def _on_rejected(self, frame: RejectedFrame, message_id: str, now: float) -> None:
        send = self._delivery.get(message_id)
        if send is None:
            self._report(f"the relay rejects what was not sent: {frame.code[:40]!r}")
        elif isinstance(frame.code, RejectionCode) and not frame.code.is_final:
            self._delivery.put_off(message_id, now)
        else:
            self._effects.append(
                SocketDataRejectedState(
                    send.order_status, message_id, frame.code, frame.reason, frame.current_status
                )
            )
            self._settle(message_id, now)

    def _on_unreadable(self, frame: UnreadableFrame, now: float) -> None:
        self._report(f"a frame of type {frame.type!r} cannot be read: {frame.problem}")
        if frame.seq is not None and self.is_connected:
            self._take_place(frame.seq, now)
            self._synchronise(now)

    def _take_place(self, seq: int, now: float) -> Place:
        before = self._feed.cursor
        place = self._feed.take(seq)
        if place is Place.GAP:
            self._try_anew(f"the feed has a gap after {before}", now)
        elif place is Place.NEXT_AFTER_LOSS:
            self._report(f"the feed lacks what is between {before} and {seq}; it goes on without")
        return place

    def _synchronise(self, now: float) -> None:
        match self._state:
            case Synchronising(attempt, head) if self._feed.has_reached(head):
                self._state = Live(attempt, now)
                for send in self._delivery.heads():
                    self._transmit(send, now)
            case Synchronising(attempt, head):
                self._state = Synchronising(attempt, head, now + SILENCE_TIMEOUT)
            case _:
                pass

    # What is done about it

    def _settle(self, message_id: str, now: float) -> None:
        self._outbox.settle(message_id)
        following = self._delivery.settle(message_id)
        if following is not None and isinstance(self._state, Live):
            self._transmit(following, now)

    def _transmit(self, send: Send, now: float) -> None:
        self._delivery.sent(send, now)
        frame = SendFrame(message_id=send.message_id, order_status=send.order_status)
        self._effects.append(Transmit(frame.model_dump_json()))

    def _open(self) -> None:
        self._attempt += 1
        self._state = Connecting(self._attempt)
        self._effects.append(Open(self._attempt, self._feed.cursor, self._feed.epoch))

    def _close(self, code: int, reason: str) -> None:
        self._requeue()
        if self._is_linked:
            self._effects.append(Close(code, reason))

    def _requeue(self) -> None:
        """What was in flight waits again, and its sender is told so."""
        for send in self._delivery.connection_lost():
            self._effects.append(SocketDataQueuedState(send.order_status, send.message_id))

    def _try_anew(self, reason: str, now: float) -> None:
        self._losses_in_a_row = _NO_LOSS
        self._close(CloseCode.NORMAL, reason)
        self._back_off(reason, now)

    def _back_off(self, reason: str, now: float, at_least: float = 0.0) -> None:
        delay = at_least + backoff(self._tries, self._jitter)
        self._tries += 1
        self._state = BackingOff(now + delay)
        self._effects.append(Reconnecting(self._tries, delay, reason))

    def _report(self, problem: str) -> None:
        # Each problem once: a relay that says something wrong says it often.
        if problem not in self._reported and len(self._reported) < _MAX_REPORTS:
            self._reported.add(problem)
            self._effects.append(Report(problem))

    @property
    def _is_linked(self) -> bool:
        return isinstance(self._state, Connecting | Synchronising | Live)

    def _is_current(self, attempt: int) -> bool:
        return self._is_linked and attempt == self._attempt

    def _need_socket(self) -> None:
        if not self.has_socket:
            raise NoSocketError

    def _take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
