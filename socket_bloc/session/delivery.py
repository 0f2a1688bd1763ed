"""Which unsettled send may go out when: one in flight for each order, the others of that order wait.

So a refused PLACED cannot turn the CANCELLED behind it into an unknown order. No I/O, no clock and no
randomness: times are handed in, in seconds of any monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from socket_bloc.outbox import Send

__all__ = ["ANSWER_TIMEOUT", "Delivery", "backoff"]

ANSWER_TIMEOUT: Final = 20.0
"""Seconds after which a send without an answer means that the connection is of no use.

The relay answers within 5 s, if only with `unavailable`."""


def backoff(tries: int, jitter: Callable[[], float]) -> float:
    """Seconds to wait after `tries` earlier tries: full jitter, U(0, min(30, 0.5 * 2**tries))."""
    return jitter() * min(30.0, 0.5 * 2.0 ** min(tries, 10))


class Delivery:
    """The queues of one user, one for each order.

    `jitter` gives numbers from 0 to 1. While the connection is away nothing is in flight, and `add`
    only queues.
    """

    def __init__(self, sends: Iterable[Send], jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._queues: dict[str | None, deque[Send]] = {}
        self._known: dict[str, Send] = {}
        # Message id -> when its answer is overdue. Filled in the order of time, so the first is the oldest.
        self._in_flight: dict[str, float] = {}
        # Message id -> when to try again, and how often it has been put off.
        self._put_off: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        for send in sends:
            self.add(send)

    def add(self, send: Send) -> bool:
        """Queue a send. True where it is the first of its order, and may go out."""
        if send.message_id in self._known:
            return False
        self._known[send.message_id] = send
        queue = self._queues.setdefault(send.order_status.order_id, deque())
        queue.append(send)
        return len(queue) == 1

    def heads(self) -> list[Send]:
        """The first send of each order: what goes out when a connection has become live."""
        return [queue[0] for queue in self._queues.values()]

    def sent(self, send: Send, now: float) -> None:
        """It has been handed to the connection."""
        self._put_off.pop(send.message_id, None)
        self._in_flight[send.message_id] = now + ANSWER_TIMEOUT

    def connection_lost(self) -> list[Send]:
        """Nothing is in flight any more. Gives what was: it goes out again on the next connection."""
        lost = [self._known[message_id] for message_id in self._in_flight]
        self._in_flight.clear()
        self._put_off.clear()
        self._tries.clear()
        return lost

    def settle(self, message_id: str) -> Send | None:
        """The outcome of a send is known. Gives the next one of its order."""
        send = self._known.pop(message_id, None)
        if send is None:
            return None
        self._in_flight.pop(message_id, None)
        self._put_off.pop(message_id, None)
        self._tries.pop(message_id, None)
        order_id = send.order_status.order_id
        queue = self._queues[order_id]
        was_head = queue[0] is send
        queue.remove(send)
        if not queue:
            del self._queues[order_id]
            return None
        return queue[0] if was_head else None

    def put_off(self, message_id: str, now: float) -> None:
        """The relay asks for another try later; ever later, the more often it asks."""
        if self._in_flight.pop(message_id, None) is None:
            return
        tries = self._tries.get(message_id, 0)
        self._tries[message_id] = tries + 1
        self._put_off[message_id] = now + backoff(tries, self._jitter)

    def due(self, now: float) -> list[Send]:
        """The sends whose time for another try has come."""
        return [self._known[message_id] for message_id, at in self._put_off.items() if at <= now]

    def is_overdue(self, now: float) -> bool:
        """Whether an answer should have come by now."""
        return next(iter(self._in_flight.values()), now + 1) <= now

    @property
    def deadline(self) -> float | None:
        """When to look again at what is due or overdue."""
        oldest = next(iter(self._in_flight.values()), None)
        times = [*self._put_off.values()] if oldest is None else [oldest, *self._put_off.values()]
        return min(times, default=None)

    def get(self, message_id: str) -> Send | None:
        """The unsettled send of this message id."""
        return self._known.get(message_id)
