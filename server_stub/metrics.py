"""The metrics of a relay: plain counters, which cost next to nothing to update.

For the text format of Prometheus, see `exposition`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from math import inf
from typing import Final

from server_stub.observer import RelayObserver
from server_stub.records import Entry, User
from socket_bloc.frames import CloseCode, SendFrame
from socket_bloc.order_status import ClientType, Rejection

__all__ = ["Histogram", "Metrics"]

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_OWN_CODES: Final = frozenset(CloseCode)
_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Histogram:
    """Counts values between fixed bounds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Count the values up to each bound, and those above the last one."""
        self.sum = 0.0
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Add a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self._counts)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Return each bound, infinity last, with the number of values up to it."""
        return zip((*self._bounds, inf), accumulate(self._counts), strict=True)


class Metrics(RelayObserver):
    """Counts the notifications of a relay."""

    def __init__(self) -> None:
        self.connections = dict.fromkeys(ClientType, 0)
        self.closed: Counter[str] = Counter()
        self.sends = 0
        self.committed_by_name: Counter[str] = Counter()
        self.pushes = 0
        self.rejected_by_code: Counter[str] = Counter()
        self.failed_batches = 0
        self.batch_size = Histogram(_SIZES)
        self.commit_seconds = Histogram(_SECONDS)

    def connected(self, user: User) -> None:
        self.connections[user.role] += 1

    def disconnected(self, user: User, close_code: int) -> None:
        self.connections[user.role] -= 1
        self.closed[_label(close_code)] += 1

    def received(self, user: User, frame: SendFrame) -> None:
        self.sends += 1

    def committed(self, entry: Entry) -> None:
        self.committed_by_name[entry.status_name] += 1

    def pushed(self, user: User, seq: int) -> None:
        self.pushes += 1

    def rejected(self, user: User, message_id: str | None, rejection: Rejection) -> None:
        self.rejected_by_code[rejection.code] += 1

    def batch_ended(self, size: int, seconds: float, failed: bool) -> None:
        self.failed_batches += failed
        self.batch_size.observe(size)
        self.commit_seconds.observe(seconds)


def _label(close_code: int) -> str:
    """Return the label of a close code; those that clients make up, from 3000 on, share one in a thousand."""
    return str(close_code) if close_code < 3000 or close_code in _OWN_CODES else f"{close_code // 1000}xxx"
