"""Does one client starve the others? A bystander's latency while four attackers flood the relay.

The attackers are threads of a process of their own; each sends what the relay takes, and reads what comes
back. The bystander is a pair of users who play orders, and a monitor that asks for `/healthz`. Each flood has
a relay of its own; `--loop` and `--rate-limit` say how it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.relay import run
from benchmarks.relay_host import OwnRelay, describe_machine
from benchmarks.relay_load import Pair, Tally, new_names

__all__: list[str] = []

ATTACKERS: Final = 4
LIMIT_MS: Final = 250
"""What the bystander's p99 must stay under."""
HISTORY: Final = 10_000
"""Statuses in the feed of an attacker who replays it."""
PAUSE: Final = 0.02
"""Seconds between two statuses, and between two requests of the monitor; well within the rate."""
_TEXT: Final = 0x81
_PING: Final = 0x89
_PONG: Final = 0x8A


def _frame(payload: str, first_byte: int = _TEXT) -> bytes:
    """A frame as a client sends it; its masking key is zero, which leaves the payload as it is."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([first_byte]) + length + bytes(4) + payload.encode()


def _send(message_id: str, order_id: str, status: str = "PLACED", extra: str = "") -> str:
    fields = {"orderStatusAsString": status, "orderStatusAsInt": 1001 if status == "PLACED" else 1008}
    fields |= {"message": "flood", "orderId": order_id, "receiverId": "s-flood"}
    return f'{{"type":"send","messageId":"{message_id}",{extra}"orderStatus":{json.dumps(fields)}}}'


def _large(extra: str) -> str:
    return _send("m-1", "o-1", extra=f'"x":{extra},')


_LISTS: Final = "[" + ",".join(["[[[[[[[]]]]]]]"] * 4_200) + "]"
FLOODS: Final = {
    "refused": _frame('{"type":"x"}') * 4_000,
    "one by one": _frame('{"type":"x"}'),
    "sends": _frame(_send("m-1", "o-1")) * 250,
    "pings": _frame("", _PING) * 10_000,
    "pongs": _frame("", _PONG) * 10_000,
    "fragments": (_frame("", 0x01) + _frame("", 0x00) * 62 + _frame("{}", 0x80)) * 150,
    "lists": _frame(_large(_LISTS)),
    "malformed": _frame(_large(_LISTS) + "}"),
    "deep": _frame(_large("[" * 30_000 + "]" * 30_000)),
    "values": _frame(_large("[" + "1," * 30_000 + "1]")),
    "keys": _frame(_large("{" + ",".join(f'"{n}":0' for n in range(6_000)) + "}")),
    "escapes": _frame(_large('"' + "\\u0041" * 10_000 + '"')),
}
"""What an attacker sends on one connection, again and again."""
OTHERS: Final = ("accepting", "metrics", "replays", "repeats")
"""Floods of many connections, and those of users with a history."""


class Attacker:
    """One attacker, who connects again whenever the relay ends the connection."""

    def __init__(self, url: str, number: int) -> None:
        self._url = urlsplit(url)
        self._user = f"c-{number}"

    def flood(self, kind: str) -> None:
        """Flood the relay, without an end."""
        attack: dict[str, Callable[[], None]] = {
            "accepting": lambda: self._connect("since=0").close(),
            "metrics": partial(self._get, "/metrics"),
            "replays": lambda: _read(self._connect("since=0"), HISTORY),
            "repeats": self._repeat,
        }
        once = attack.get(kind) or partial(self._send_all, FLOODS.get(kind, b""))
        while True:
            with contextlib.suppress(OSError):
                once()

    def write_history(self) -> None:
        """Place and cancel the orders that are replayed later."""
        with self._connect() as connection:
            reader = _reading(connection, HISTORY)
            for number in range(HISTORY):
                connection.sendall(self._status(number))
            reader.join()

    def _status(self, number: int) -> bytes:
        status = "CANCELLED" if number % 2 else "PLACED"
        return _frame(_send(f"m-{number}", f"{self._user}-{number // 2}", status))

    def _get(self, path: str) -> None:
        with self._open() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
            while connection.recv(1 << 16):
                pass

    def _send_all(self, data: bytes) -> None:
        with self._connect() as connection:
            _reading(connection)
            while True:
                connection.sendall(data)

    def _repeat(self) -> None:
        """While the feed is replayed, repeat what comes last in it, within the rate."""
        with self._connect("since=0") as connection:
            reader = _reading(connection, HISTORY)
            while reader.is_alive():
                connection.sendall(self._status(HISTORY - 1))
                time.sleep(1 / 90)

    def _open(self) -> socket.socket:
        return socket.create_connection((self._url.hostname, self._url.port))

    def _connect(self, query: str = "") -> socket.socket:
        connection = self._open()
        connection.sendall(
            f"GET /order?userId={self._user}&type=client&{query} HTTP/1.1\r\nHost: relay\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        connection.recv(12)
        return connection


def _reading(connection: socket.socket, statuses: int = sys.maxsize) -> threading.Thread:
    thread = threading.Thread(target=_read, args=(connection, statuses), daemon=True)
    thread.start()
    return thread


def _read(connection: socket.socket, statuses: int = sys.maxsize) -> None:
    """Read so many statuses, or all that comes."""
    marker, seen, rest = b'"type":"status"', 0, b""
    with contextlib.suppress(OSError):
        while seen < statuses and (data := connection.recv(1 << 18)):
            data = rest + data
            seen += data.count(marker)
            rest = data[1 - len(marker) :]


def _in_threads(work: Callable[[Attacker], None], url: str) -> None:
    attackers = [Attacker(url, number) for number in range(ATTACKERS)]
    threads = [threading.Thread(target=work, args=(attacker,), daemon=True) for attacker in attackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Bystander(Pair):
    """A pair of users who take their time."""

    def _send(self, step: int) -> None:
        asyncio.get_running_loop().call_later(PAUSE, super()._send, step)


def _attack(url: str, kind: str) -> None:
    _in_threads(lambda attacker: attacker.flood(kind), url)


def main() -> None:
    """Run the floods that the options name, and print a row for each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.floods", description=str(__doc__).splitlines()[0]
    )
    kinds = ("none", *FLOODS, *OTHERS)
    parser.add_argument("floods", nargs="*", metavar="FLOOD", help=f"of {', '.join(kinds)}; all by default")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop", help="(%(default)s)")
    parser.add_argument("--rate-limit", type=float, default=100, help="of the relay (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each flood (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relay-floods-") as name:
        print(describe_machine(Path(name)))
        print(f"{ATTACKERS} attackers, {options.loop}, --rate-limit {options.rate_limit:g}; milliseconds\n")
        print(f"{'flood':<12}{'hops':>7}{'p50':>8}{'p99':>8}{'longest':>9}{'/healthz p99':>14}{'longest':>9}")
        rows = [_measure(Path(name), kind, options) for kind in options.floods or kinds]
    print(f"\n{sum(rows)} of {len(rows)} under {LIMIT_MS} ms p99")


def _measure(directory: Path, kind: str, options: argparse.Namespace) -> bool:
    directory = directory / kind.replace(" ", "-")
    if kind in ("replays", "repeats"):
        relay = OwnRelay(directory, max_connections=0)
        _in_threads(Attacker.write_history, relay.url)
        relay.stop()
    relay = OwnRelay(
        directory, max_connections=0, rate_limit=options.rate_limit, has_uvloop=options.loop == "uvloop"
    )
    attack = multiprocessing.get_context("spawn").Process(target=_attack, args=(relay.url, kind))
    try:
        hops, health = run(_stand_by(relay.url, options.seconds, None if kind == "none" else attack))
    finally:
        if attack.pid is not None:
            attack.kill()
            attack.join()
        relay.stop()
    figures = (_p(hops, 50), _p(hops, 99), _p(hops, 100), _p(health, 99), _p(health, 100))
    widths = (8, 8, 9, 14, 9)
    cells = "".join(f"{figure:>{width},.1f}" for figure, width in zip(figures, widths, strict=True))
    print(f"{kind:<12}{len(hops):>7}{cells}", flush=True)
    return _p(hops, 99) < LIMIT_MS and _p(health, 99) < LIMIT_MS


async def _stand_by(
    url: str, seconds: float, attack: multiprocessing.process.BaseProcess | None
) -> tuple[list[float], list[float]]:
    """Return the seconds of each hop and of each `/healthz`, sorted."""
    tally, health = Tally(), list[float]()
    pair = Bystander(url, *new_names(1), tally)
    await pair.client.connect()
    await pair.serviceman.connect()
    if attack is not None:
        attack.start()
        await asyncio.sleep(1)  # to start Python, and to connect
    pair.begin_order()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        at = time.perf_counter()
        await _get_health(url)
        health.append(time.perf_counter() - at)
        await asyncio.sleep(PAUSE)
    tally.stopping = True
    async with asyncio.timeout(60):
        await pair.done
    pair.hang_up()
    return sorted(tally.latencies), sorted(health)


async def _get_health(url: str) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: relay\r\n\r\n")
    async with asyncio.timeout(60):
        if not (await reader.read()).startswith(b"HTTP/1.1 200 "):
            raise SystemExit("the relay answers /healthz with an error")
    writer.close()


def _p(values: list[float], percent: int) -> float:
    return values[min(len(values) - 1, len(values) * percent // 100)] * 1000


if __name__ == "__main__":
    main()
