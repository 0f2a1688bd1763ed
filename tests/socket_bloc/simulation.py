"""A simulated relay, network and clock for a `Session`.

The test cuts and delays the network and refuses connections; the relay commits, answers and replays as the
protocol says. `Client` is one run of a client process: it records what a user is shown.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.frames import RejectedFrame, SendFrame, StatusFrame, WelcomeFrame
from socket_bloc.order_flow import ORDER_FLOW, OrderRecord
from socket_bloc.order_status import ClientType, OrderStatus, RejectionCode, StatusCode
from socket_bloc.outbox import Outbox, Send
from socket_bloc.session.disconnect import Disconnect
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
from socket_bloc.states import SocketConnectState, SocketDataRejectedState, SocketRefusedState

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
CLIENT = "c-17"
SERVICEMAN = "s-4"
URI, OTHER_URI = "ws://relay/order", "ws://other/order"


@dataclass
class Entry:
    """One status of the feed."""

    seq: int
    send: Send


class SimulatedRelay:
    """The feed of one client, who is the only one to send; `epoch` names the database."""

    def __init__(self, epoch: str = "epoch-1") -> None:
        self.epoch = epoch
        self.feed: list[Entry] = []
        self.orders: dict[str, OrderRecord] = {}

    def commit(self, send: Send, role: ClientType = ClientType.CLIENT) -> Entry | RejectedFrame:
        """Check a send, and append it to the feed."""
        status = send.order_status
        sender = status.sender_id or CLIENT
        assert status.order_id is not None
        for entry in self.feed:
            if entry.send.message_id == send.message_id and entry.send.order_status.sender_id == sender:
                return entry
        order = self.orders.get(status.order_id)
        refusal = ORDER_FLOW.check_order(status, sender, role, order)
        if refusal is not None:
            return RejectedFrame(
                message_id=send.message_id,
                code=refusal.code,
                reason=refusal.reason,
                current_status=refusal.current_status,
            )
        filled = status.model_copy(update={"sender_id": sender})
        entry = Entry(len(self.feed) + 1, Send(send.message_id, filled))
        self.feed.append(entry)
        if order is None:
            assert status.receiver_id is not None
            self.orders[status.order_id] = OrderRecord(sender, status.receiver_id, status.order_status_as_int)
        else:
            self.orders[status.order_id] = OrderRecord(
                order.client_id, order.serviceman_id, status.order_status_as_int
            )
        return entry

    def welcome(self, since: int | None, epoch: str | None) -> WelcomeFrame:
        """Choose where the replay starts, by the rules of the protocol."""
        head = len(self.feed)
        resumed = since == 0 or (since is not None and epoch == self.epoch and since <= head)
        after = since if resumed and since is not None else self._before_the_oldest_open_order()
        return WelcomeFrame(
            user_id=CLIENT,
            client_type=ClientType.CLIENT,
            epoch=self.epoch,
            after=after,
            head=head,
            resumed=resumed,
        )

    def _before_the_oldest_open_order(self) -> int:
        for entry in self.feed:
            order = self.orders[entry.send.order_status.order_id or ""]
            if ORDER_FLOW.is_open(order.current_status):
                return entry.seq - 1
        return len(self.feed)


def status_frame(entry: Entry) -> StatusFrame:
    """The frame of a feed's entry."""
    return StatusFrame(
        seq=entry.seq,
        message_id=entry.send.message_id,
        at=AT + timedelta(seconds=entry.seq),
        order_status=entry.send.order_status,
    )


@dataclass
class Client:
    """One run of a client process: a session over its outbox, and what the user was shown."""

    outbox: Outbox
    jitter: Callable[[], float]
    full_history: bool = False
    applied: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    """(epoch, seq, message id) of each status that was applied."""
    rejected: list[SocketDataRejectedState] = field(default_factory=list[SocketDataRejectedState])
    refused: list[str] = field(default_factory=list[str])
    starts: list[int] = field(default_factory=list[int])
    violations: list[str] = field(default_factory=list[str])
    epoch: str = ""

    def __post_init__(self) -> None:
        self.session = Session(
            CLIENT,
            ClientType.CLIENT,
            self.outbox,
            uris=[URI, OTHER_URI],  # of the same relay
            jitter=self.jitter,
            full_history=self.full_history,
        )


class Network:
    """Client, network and relay on one simulated clock.

    Each frame takes `delay` seconds, in order, and so does what the session announces to its user.
    """

    def __init__(self, relay: SimulatedRelay, client: Client, delay: Callable[[], float]) -> None:
        self.relay = relay
        self.client = client
        self.now = 0.0
        self._delay = delay
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        # The connection: its attempt, how far the relay has pushed once it has welcomed the client, and
        # when the last frame arrives in each direction. What belongs to an earlier generation never arrives.
        self._attempt: int | None = None
        self._generation = 0
        self._pushed: int | None = None
        self._arrival = {"up": 0.0, "down": 0.0}
        self._announcement = 0.0
        self.refuse_next: list[Disconnect] = []
        self.answer_next: list[RejectionCode] = []

    def do(self, effects: list[Effect]) -> None:
        """Apply the effects of the session."""
        for effect in effects:
            match effect:
                case Open():
                    self._attempt, self._pushed = effect.attempt, None
                    self._later(lambda effect=effect: self._on_open(effect))
                case Transmit(text):
                    attempt = self._attempt
                    self._along("up", lambda text=text, attempt=attempt: self._on_frame(text, attempt))
                case Close():
                    # What is in transit still arrives, at both ends; the session must recognise it as old.
                    self._attempt = None
                case Settle(message_id):
                    self.client.outbox.settle(message_id)
                case _:
                    self._announce(effect)

    def _announce(self, effect: Effect) -> None:
        """Announce something, later; a send whose outcome it was is settled in the same moment."""
        client = self.client

        def announce() -> None:
            match effect:
                case SocketReceiveDataEvent(_, message_id, seq, _):
                    client.applied.append((client.epoch, seq, message_id))
                    self.do(client.session.settle(message_id, self.now))
                case SocketConnectState(_, epoch):
                    client.epoch = epoch
                case SocketDataRejectedState(_, message_id):
                    client.rejected.append(effect)
                    self.do(client.session.settle(message_id, self.now))
                case SocketRefusedState(reason):
                    client.refused.append(reason)
                case ProtocolViolation(problem):
                    client.violations.append(problem)
                case Reconnecting() | _:
                    pass

        self._announcement = max(self._announcement, self.now) + self._delay()
        heapq.heappush(self._queue, (self._announcement, next(self._order), announce))

    def cut(self, disconnect: Disconnect) -> None:
        """Break the connection: what is in transit in either direction is lost."""
        attempt, self._attempt = self._attempt, None
        self._generation += 1
        if attempt is not None:
            self.do(self.client.session.lost(attempt, disconnect, self.now))

    def restart_client(self, client: Client) -> None:
        """End the client's process, and start another one."""
        self._generation += 1
        self._attempt = None
        self._queue.clear()
        self.client = client

    def send(self, send: Send) -> None:
        """The user sends a status."""
        self.client.outbox.add(send)
        self.do(self.client.session.send(send, self.now))

    def serviceman_sends(self, status: StatusCode, order_id: str, message_id: str) -> None:
        """Let the other party send a status; the relay pushes it, or replays it later."""
        order_status = OrderStatus.of(status, order_id=order_id, sender_id=SERVICEMAN)
        self.relay.commit(Send(message_id, order_status), ClientType.SERVICEMAN)
        self._push_up_to_date()

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            event_at = self._queue[0][0] if self._queue else float("inf")
            deadline = self.client.session.deadline
            deadline = float("inf") if deadline is None else max(deadline, self.now)
            if min(event_at, deadline) > until:
                break
            if event_at <= deadline:
                self.now, _, action = heapq.heappop(self._queue)
                action()
            else:
                self.now = deadline
                self.do(self.client.session.tick(self.now))
        self.now = until

    def _later(self, action: Callable[[], None], at: float | None = None) -> None:
        generation = self._generation
        at = self.now + self._delay() if at is None else at

        def act() -> None:
            if generation == self._generation:
                action()

        heapq.heappush(self._queue, (at, next(self._order), act))

    def _along(self, way: str, action: Callable[[], None]) -> None:
        self._arrival[way] = max(self._arrival[way], self.now) + self._delay()
        self._later(action, self._arrival[way])

    def _on_open(self, effect: Open) -> None:
        if effect.attempt != self._attempt:
            return
        if self.refuse_next:
            self._attempt = None
            self.do(self.client.session.lost(effect.attempt, self.refuse_next.pop(0), self.now))
            return
        self._arrival = {"up": self.now, "down": self.now}
        self.do(self.client.session.opened(effect.attempt, self.now))
        welcome = self.relay.welcome(effect.since, effect.epoch)
        self.client.starts.append(welcome.after)
        self._pushed = welcome.after
        self._down(welcome.model_dump_json())
        self._push_up_to_date()

    def _push_up_to_date(self) -> None:
        if self._attempt is not None and self._pushed is not None:
            for entry in self.relay.feed[self._pushed :]:
                self._down(status_frame(entry).model_dump_json())
            self._pushed = len(self.relay.feed)

    def _down(self, text: str) -> None:
        attempt = self._attempt
        assert attempt is not None
        self._along("down", lambda: self.do(self.client.session.received(attempt, text, self.now)))

    def _on_frame(self, text: str, attempt: int | None) -> None:
        frame = SendFrame.from_json(text)
        outcome: Entry | RejectedFrame
        if self.answer_next:
            outcome = RejectedFrame(
                message_id=frame.message_id,
                code=self.answer_next.pop(0),
                reason="try again",
                current_status=None,
            )
        else:
            outcome = self.relay.commit(Send(frame.message_id, frame.order_status))
        # A status goes to the current connection; any other answer, only to the connection that asked.
        if isinstance(outcome, Entry) and outcome.seq > (self._pushed or 0):
            self._push_up_to_date()
        elif attempt == self._attempt and attempt is not None:
            answer = outcome if isinstance(outcome, RejectedFrame) else status_frame(outcome)
            self._down(answer.model_dump_json())


def placed(order_id: str, message_id: str) -> Send:
    """A PLACED of the simulated client."""
    return Send(message_id, OrderStatus.of(StatusCode.PLACED, order_id=order_id, receiver_id=SERVICEMAN))


def cancelled(order_id: str, message_id: str) -> Send:
    """A CANCELLED of the simulated client."""
    return Send(message_id, OrderStatus.of(StatusCode.CANCELLED, order_id=order_id))
