"""Drives a `Session` in a test: the relay's frames as texts, a clock that stands still, one of each state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import assert_never

import pytest

from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.frames import StatusFrame
from socket_bloc.order_status import ClientType, OrderStatus, StatusCode
from socket_bloc.outbox import MemoryOutbox, Send
from socket_bloc.session.disconnect import Closed, Disconnect, HttpRefused
from socket_bloc.session.effects import (
    Close,
    Effect,
    Open,
    ProtocolViolation,
    Reconnecting,
    Settle,
    Transmit,
)
from socket_bloc.session.session import Session
from socket_bloc.states import (
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDisconnectState,
    SocketRefusedState,
)
from tests.socket_bloc.simulation import CLIENT, SERVICEMAN, URI, placed

AT = "2026-11-22T10:01:12.345678Z"
CUT = Closed(1006, "no close frame received")


# Frames of the relay, as texts


def welcome(
    after: int = 0,
    head: int | None = None,
    *,
    resumed: bool = True,
    epoch: str = "e1",
    user_id: str = CLIENT,
    type: str = "client",
) -> str:
    """A welcome; without a `head`, one that replays nothing."""
    head = after if head is None else head
    frame = {"type": "welcome", "userId": user_id, "clientType": type, "epoch": epoch}
    return json.dumps(frame | {"after": after, "head": head, "resumed": resumed})


def status(seq: int, message_id: str = "theirs", *, receiver: str | None = None) -> str:
    """An entry of the feed: a status of the serviceman."""
    order_status = OrderStatus.of(
        StatusCode.ACCEPTED, order_id="o-1", message="Hello", sender_id=SERVICEMAN, receiver_id=receiver
    )
    return entry(seq, message_id, order_status)


def own(seq: int, sent: str | Send) -> str:
    """An entry of the feed that this client has sent; by its message id alone, that of a PLACED."""
    send = placed("o-1", sent) if isinstance(sent, str) else sent
    return entry(seq, send.message_id, send.order_status.model_copy(update={"sender_id": CLIENT}))


def entry(seq: int, message_id: str, order_status: OrderStatus) -> str:
    """An entry of the feed."""
    frame = StatusFrame(
        seq=seq, message_id=message_id, at=datetime.fromisoformat(AT), order_status=order_status
    )
    return frame.model_dump_json()


def rejected(message_id: str | None, code: str = "illegalTransition", current: int | None = None) -> str:
    """A rejection."""
    frame = {"type": "rejected", "messageId": message_id, "code": code}
    return json.dumps(frame | {"reason": "not now", "currentStatus": current})


def describe(effect: Effect) -> str:
    """Describe an effect in the words of the table."""
    match effect:
        case Open(_, _, since, epoch):
            start = "" if since is None else f" from {since}"
            return f"open{start}" + ("" if epoch is None else f" of {epoch}")
        case Transmit(text):
            return f"transmit {json.loads(text)['messageId']}"
        case Settle(message_id, durably):
            return f"settle {message_id}" + (" durably" if durably else "")
        case Close():
            return "close"
        case Reconnecting(_, delay):
            return f"reconnecting in {delay:g}"
        case ProtocolViolation():
            return "violation"
        case SocketConnectState():
            return "connected"
        case SocketRefusedState():
            return "refused"
        case SocketDisconnectState():
            return "disconnected"
        case SocketDataQueuedState(_, message_id):
            return f"queued {message_id}"
        case SocketDataRejectedState(_, message_id):
            return f"rejected {message_id}"
        case SocketReceiveDataEvent(seq=seq):
            return f"status {seq}"
        case _:
            assert_never(effect)


class Driver:
    """A session with its outbox, and a clock that stands still until the test waits.

    Each method returns the session's effects in words; `effects` has the last ones. Outcomes count as
    announced at once, unless `announces` is False.
    """

    def __init__(
        self,
        *unsettled: Send,
        uris: Sequence[str] = (URI,),
        jitter: float = 1.0,
        full_history: bool = False,
        announces: bool = True,
    ) -> None:
        self.outbox = MemoryOutbox()
        for send in unsettled:
            self.outbox.add(send)
        self.session = Session(
            CLIENT,
            ClientType.CLIENT,
            self.outbox,
            uris=uris,
            jitter=lambda: jitter,
            full_history=full_history,
        )
        self.now = 1000.0
        self.attempt = 0
        self.announces = announces
        self.effects: list[Effect] = []

    @property
    def state(self) -> type:
        return type(self.session.state)

    @property
    def due_in(self) -> float | None:
        """Seconds until the session's deadline."""
        deadline = self.session.deadline
        return None if deadline is None else deadline - self.now

    def connect(self) -> list[str]:
        return self._did(self.session.connect())

    def disconnect(self) -> list[str]:
        return self._did(self.session.disconnect())

    def send(self, send: Send) -> list[str]:
        self.outbox.add(send)
        return self._did(self.session.send(send, self.now))

    def announce(self, message_id: str) -> list[str]:
        return self._did(self.session.settle(message_id, self.now))

    def opened(self, attempt: int | None = None) -> list[str]:
        return self._did(self.session.opened(attempt or self.attempt, self.now))

    def receive(self, text: str | bytes, attempt: int | None = None) -> list[str]:
        return self._did(self.session.received(attempt or self.attempt, text, self.now))

    def lose(self, disconnect: Disconnect = CUT, attempt: int | None = None) -> list[str]:
        return self._did(self.session.lost(attempt or self.attempt, disconnect, self.now))

    def wait(self, seconds: float) -> list[str]:
        self.now += seconds
        return self._did(self.session.tick(self.now))

    def reconnect(self, text: str) -> list[str]:
        """Connect at once and receive this welcome; return its effects."""
        self.connect()
        self.opened()
        return self.receive(text)

    def _did(self, effects: list[Effect]) -> list[str]:
        self.effects = [*self._applied(effects)]
        return [describe(effect) for effect in self.effects]

    def _applied(self, effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            yield effect
            match effect:
                case Open(attempt):
                    self.attempt = attempt
                case Settle(message_id):
                    self.outbox.settle(message_id)
                case SocketReceiveDataEvent() | SocketDataRejectedState() if self.announces:
                    yield from self._applied(self.session.settle(effect.message_id, self.now))
                case _:
                    pass


# A driver in each state


def offline(*unsettled: Send) -> Driver:
    return Driver(*unsettled)


def connecting(*unsettled: Send) -> Driver:
    driver = Driver(*unsettled)
    driver.connect()
    driver.opened()
    return driver


def synchronising(*unsettled: Send, head: int = 2) -> Driver:
    driver = connecting(*unsettled)
    driver.receive(welcome(0, head))
    return driver


def live(*unsettled: Send) -> Driver:
    driver = connecting(*unsettled)
    driver.receive(welcome())
    return driver


def backing_off(*unsettled: Send) -> Driver:
    driver = connecting(*unsettled)
    driver.lose()
    return driver


def refused(*unsettled: Send) -> Driver:
    driver = connecting(*unsettled)
    driver.lose(HttpRefused(403, "not you"))
    return driver


Build = Callable[..., Driver]

welcomed = pytest.mark.parametrize("build", [synchronising, live])
linked = pytest.mark.parametrize("build", [connecting, synchronising, live])
with_a_socket = pytest.mark.parametrize("build", [connecting, synchronising, live, backing_off])
without_a_socket = pytest.mark.parametrize("build", [offline, refused])
