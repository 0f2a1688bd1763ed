"""Which unsettled send may be transmitted when: one in flight for each order, the others of that order wait.

So a rejected PLACED cannot turn the CANCELLED after it into an unknown order. No I/O, no clock and no
randomness: times are passed in, in seconds of any monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from socket_bloc.outbox import Send
from socket_bloc.session.retry import backoff

__all__ = ["ANSWER_TIMEOUT", "Delivery"]

ANSWER_TIMEOUT: Final = 20.0
"""Seconds after which a send without an answer means that the connection is broken.

The relay answers within 5 s, if only with `unavailable`."""


class Delivery:
    """The queues of one user's unsettled sends, one for each order.

    `jitter` returns numbers from 0 to 1. Without a connection nothing is in flight, and `add` only queues.
    """

    def __init__(self, sends: Iterable[Send], jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._queues: dict[str | None, deque[Send]] = {}
        self._unsettled: dict[str, Send] = {}
        # Message id -> when its answer is overdue. Filled in the order of time, so the first is the oldest.
        self._in_flight: dict[str, float] = {}
        # Message id -> when to transmit it again, and how often it has been deferred.
        self._deferred: dict[str, float] = {}
        self._deferrals: dict[str, int] = {}
        # Those with an outcome, until they are settled. The next of their order waits for that, too.
        self._answered: set[str] = set()
        for send in sends:
            self.add(send)

    def add(self, send: Send) -> bool:
        """Queue a send. True if it is the first of its order, and may be transmitted."""
        if send.message_id in self._unsettled:
            return False
        self._unsettled[send.message_id] = send
        queue = self._queues.setdefault(send.order_status.order_id, deque())
        queue.append(send)
        return len(queue) == 1

    def ready(self) -> list[Send]:
        """Return the first send of each order: what to transmit when a connection has become live."""
        return [queue[0] for queue in self._queues.values() if queue[0].message_id not in self._answered]

    def mark_sent(self, send: Send, now: float) -> None:
        """Record that a send has been transmitted."""
        self._deferred.pop(send.message_id, None)
        self._in_flight[send.message_id] = now + ANSWER_TIMEOUT

    def connection_lost(self) -> list[Send]:
        """Forget all times, and return the sends that were in flight; they are ready again."""
        lost = [self._unsettled[message_id] for message_id in self._in_flight]
        self._in_flight.clear()
        self._deferred.clear()
        self._deferrals.clear()
        return lost

    def mark_answered(self, message_id: str) -> None:
        """Record that the outcome of a send is known: it is not transmitted again."""
        self._answered.add(message_id)
        self._in_flight.pop(message_id, None)
        self._deferred.pop(message_id, None)
        self._deferrals.pop(message_id, None)

    def settle(self, message_id: str) -> Send | None:
        """Remove a send that was answered. Return the next one of its order if it may now follow."""
        self._answered.remove(message_id)
        send = self._unsettled.pop(message_id)
        order_id = send.order_status.order_id
        queue = self._queues[order_id]
        was_first = queue[0] is send
        queue.remove(send)
        if not queue:
            del self._queues[order_id]
            return None
        return queue[0] if was_first and queue[0].message_id not in self._answered else None

    def defer(self, message_id: str, now: float) -> None:
        """Schedule another try, as the relay asks; the back-off grows each time."""
        if self._in_flight.pop(message_id, None) is None:
            return
        deferrals = self._deferrals.get(message_id, 0)
        self._deferrals[message_id] = deferrals + 1
        self._deferred[message_id] = now + backoff(deferrals, self._jitter)

    def due(self, now: float) -> list[Send]:
        """Return the deferred sends whose time has come."""
        return [self._unsettled[message_id] for message_id, at in self._deferred.items() if at <= now]

    def is_in_flight(self, send: Send) -> bool:
        """Return whether a send has been transmitted on this connection, and its answer is awaited."""
        return send.message_id in self._in_flight

    def is_overdue(self, now: float) -> bool:
        """Return whether an answer should have arrived by now."""
        return next(iter(self._in_flight.values()), now + 1) <= now

    @property
    def deadline(self) -> float | None:
        """When a send is next due or overdue."""
        oldest = next(iter(self._in_flight.values()), None)
        times = [*self._deferred.values()] if oldest is None else [oldest, *self._deferred.values()]
        return min(times, default=None)

    def holds(self, message_id: str) -> bool:
        """Return whether a send is unsettled, with an answer or without."""
        return message_id in self._unsettled

    def unanswered(self, message_id: str) -> Send | None:
        """Return the send with this message id, unless it was answered."""
        return None if message_id in self._answered else self._unsettled.get(message_id)
