"""Times single requests to a relay that has nothing else to do, and checks what it answers."""

from __future__ import annotations

import json
import statistics
import time
import urllib.request
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlencode

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.big_database.fill import History

__all__ = ["check", "metrics_ms", "welcome_ms"]

_SUBPROTOCOL: Final = Subprotocol("order-status.v1")
_TRIES: Final = 20


def _connect(url: str, number: int, role: str, **query: object) -> ClientConnection:
    query = {"userId": f"{role[0]}-{number}", "type": role, **query}
    # Without a bound to its queue: with one, closing in the middle of a replay waits for the close timeout.
    options: Any = {"compression": None, "proxy": None, "max_queue": None}
    return connect(f"{url}?{urlencode(query)}", subprotocols=[_SUBPROTOCOL], **options)


def _frame(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(timeout=10))


def metrics_ms(url: str) -> float:
    """Milliseconds that `/metrics` takes, the median of some tries."""
    address = url.replace("ws:", "http:").replace("/order", "/metrics")
    times: list[float] = []
    for _ in range(_TRIES):
        at = time.perf_counter()
        with urllib.request.urlopen(address) as answer:
            answer.read()
        times.append(time.perf_counter() - at)
    return statistics.median(times) * 1000


def welcome_ms(url: str, numbers: Iterable[int], *, resumes: bool) -> float:
    """Milliseconds from opening a connection to its welcome, the median over these users.

    A user who resumes says where their feed ended; the others leave it to the relay to find their oldest
    open order.
    """
    times: list[float] = []
    for number in numbers:
        query: dict[str, object] = {}
        if resumes:
            with _connect(url, number, "client") as connection:
                welcome = _frame(connection)
            query = {"since": welcome["head"], "epoch": welcome["epoch"]}
        at = time.perf_counter()
        with _connect(url, number, "client", **query) as connection:
            welcome = _frame(connection)
            times.append(time.perf_counter() - at)
        if welcome["type"] != "welcome" or welcome["resumed"] is not resumes:
            raise SystemExit(f"not the welcome that was expected: {welcome}")
    return statistics.median(times) * 1000


def check(url: str, history: History) -> None:
    """Raises `SystemExit` unless the relay finds the feeds, the open orders and the message ids."""
    for number in (0, 10, 50, 60, 1, history.users // 2 + 1, history.users - 1):
        for role in ("client", "serviceman"):
            _check_feed(url, history, number, role)


def _check_feed(url: str, history: History, number: int, role: str) -> None:
    length = history.feed_length(number)
    with _connect(url, number, role) as connection:
        welcome = _frame(connection)
    first_open = length
    if number % 50 == 0:
        first_open = 0
    elif number % 10 == 0:
        first_open = length - (1 + number // 10 % 7)
    expected = (length, first_open)
    if (welcome["head"], welcome["after"]) != expected:
        raise SystemExit(f"{role} {number}: head and after should be {expected}, not {welcome}")
    with _connect(url, number, role, since=0) as connection:
        _frame(connection)
        feed = [_frame(connection) for _ in range(length)]
        if [entry["seq"] for entry in feed] != list(range(1, length + 1)):
            raise SystemExit(f"{role} {number}: the feed has a gap, or a number twice")
        own = next(entry for entry in feed if entry["orderStatus"]["senderId"] == f"{role[0]}-{number}")
        send = {"type": "send", "messageId": own["messageId"], "orderStatus": own["orderStatus"]}
        connection.send(json.dumps(send))
        if (answer := _frame(connection)) != own:
            raise SystemExit(f"{role} {number}: a repeated send was answered with {answer}, not with {own}")
