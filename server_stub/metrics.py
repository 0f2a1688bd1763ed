"""Numbers about a relay, as Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from server_stub.observer import RelayObserver
from server_stub.records import Entry, User
from socket_bloc.frames import SendFrame
from socket_bloc.order_status import ClientType, Rejection

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(RelayObserver):
    """Counts what a relay tells."""

    def __init__(self) -> None:
        self._open = dict.fromkeys(ClientType, 0)
        self._closed: Counter[int] = Counter()
        self._received = 0
        self._committed: Counter[str] = Counter()
        self._pushed = 0
        self._rejected: Counter[str] = Counter()
        self._batches = 0
        self._failed_batches = 0
        self._batch_seconds = 0.0

    def connected(self, user: User) -> None:
        self._open[user.role] += 1

    def disconnected(self, user: User, close_code: int) -> None:
        self._open[user.role] -= 1
        self._closed[close_code] += 1

    def received(self, user: User, frame: SendFrame) -> None:
        self._received += 1

    def committed(self, entry: Entry) -> None:
        self._committed[entry.status_name] += 1

    def pushed(self, user: User, seq: int) -> None:
        self._pushed += 1

    def rejected(self, user: User, message_id: str | None, rejection: Rejection) -> None:
        self._rejected[rejection.code] += 1

    def batch_ended(self, size: int, seconds: float, failed: bool) -> None:
        self._batches += 1
        self._failed_batches += failed
        self._batch_seconds += seconds

    def render(self) -> str:
        """All of them, in the text format."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from _family("relay_connections", "gauge", "Open connections.")
        for role, count in self._open.items():
            yield f'relay_connections{{type="{role}"}} {count}'
        yield from _family("relay_disconnections_total", "counter", "Ended connections, by close code.")
        for code, count in sorted(self._closed.items()):
            yield f'relay_disconnections_total{{code="{code}"}} {count}'
        yield from _family("relay_sends_total", "counter", "Well-formed send frames.")
        yield f"relay_sends_total {self._received}"
        yield from _family("relay_committed_total", "counter", "Committed statuses.")
        for name, count in sorted(self._committed.items()):
            yield f'relay_committed_total{{status="{name}"}} {count}'
        yield from _family("relay_rejected_total", "counter", "Rejected frames, by code.")
        for code, count in sorted(self._rejected.items()):
            yield f'relay_rejected_total{{code="{code}"}} {count}'
        yield from _family("relay_pushed_total", "counter", "Statuses written to a connection.")
        yield f"relay_pushed_total {self._pushed}"
        yield from _family("relay_batches_total", "counter", "Transactions, by result.")
        yield f'relay_batches_total{{result="committed"}} {self._batches - self._failed_batches}'
        yield f'relay_batches_total{{result="failed"}} {self._failed_batches}'
        yield from _family("relay_batch_seconds_total", "counter", "Seconds that transactions took.")
        yield f"relay_batch_seconds_total {self._batch_seconds:.6f}"


def _family(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
