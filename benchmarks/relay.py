"""How fast is the relay? Whole orders, each status durable before it is passed on.

N pairs of users play orders of eight statuses. The next status is sent only after the last one has arrived at
the other side, so this is a closed loop: what it measures is the relay, and not the length of a queue. Each
round has a relay of its own, as a process, on a new SQLite database with `synchronous=FULL`, without a rate
limit. The work is checked: every status that was sent must have been received by both sides and be in the
database.

`--idle N` opens N connections that do nothing, and reports the memory that each takes in the relay.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import tempfile
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.relay_host import ForeignRelay, OwnRelay, allow_open_files, describe_machine, own_cpu_seconds
from benchmarks.relay_load import ORDER, Tally, connect_idle, connect_pairs, new_names

__all__ = ["Round", "play", "run"]

_WARM_UP = 1.0
"""Seconds of load before the clock starts."""
_BUSY = 0.9
"""From this share of a core on, a process that works in one thread has nothing left to give."""
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round measured; each field is a column of the table, under the same name."""

    orders_per_s: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    relay_cpu_s_per_1000: float
    relay_cores: float
    load_cores: float
    relay_mib: float


def main() -> None:
    """Run what the options ask for, and print it."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="relay-benchmark-") as name:
        directory = Path(name)
        print(describe_machine(directory))
        if options.idle:
            _measure_idle(options, directory)
        else:
            _measure_orders(options, directory)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.relay", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--pairs", type=int, default=200, help="pairs of users (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (%(default)s)")
    parser.add_argument(
        "--url", help="ws://HOST:PORT/order of a relay that runs already, without a rate limit"
    )
    parser.add_argument("--tls", action="store_true", help="with TLS 1.3, by a certificate of EC P-256")
    parser.add_argument("--idle", type=int, metavar="N", help="measure N idle connections instead of orders")
    return parser.parse_args()


def _relay(options: argparse.Namespace, directory: Path, *, connections: int) -> ForeignRelay:
    if options.url:
        return ForeignRelay(options.url)
    certificate = _certificate(directory) if options.tls else None
    return OwnRelay(directory, max_connections=connections, certificate=certificate)


def _certificate(directory: Path) -> Path:
    """Make a certificate for loopback, and return the file that has it and its key."""
    import trustme

    directory.mkdir(exist_ok=True)
    path = directory / "relay.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run it on uvloop if it is installed."""
    try:
        import uvloop as runner
    except ImportError:
        import asyncio as runner
    return runner.run(work)


# Orders


def _measure_orders(options: argparse.Namespace, directory: Path) -> None:
    print(
        f"{options.pairs} pairs, {options.rounds} rounds of {options.seconds:g} s; p50, p99 and longest are"
        " of a hop, from a send to its arrival at the other side\n"
    )
    allow_open_files(2 * options.pairs)
    columns = [field.name for field in fields(Round)]
    widths = [len(column) + 3 for column in columns]

    def print_row(name: str, cells: list[str]) -> None:
        padded = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]
        print(f"{name:<6}" + "".join(padded), flush=True)

    print_row("round", columns)
    rounds: list[Round] = []
    for number in range(1, options.rounds + 1):
        rounds.append(_measure_round(options, directory / str(number)))
        print_row(str(number), [_figure(getattr(rounds[-1], column)) for column in columns])
    values = [[getattr(one, column) for one in rounds] for column in columns]
    for name, summary in (("median", statistics.median), ("least", min), ("most", max)):
        print_row(name, [_figure(summary(column)) for column in values])
    print("\n" + _verdict(rounds))


def _measure_round(options: argparse.Namespace, directory: Path) -> Round:
    relay = _relay(options, directory, connections=2 * options.pairs)
    tally = Tally()
    try:
        measured = run(play(relay, tally, new_names(options.pairs), options.seconds))
    finally:
        committed = relay.stop()
    if tally.received != 2 * tally.sent:
        raise SystemExit(f"{tally.sent} statuses were sent, but {tally.received} received: not twice as many")
    if committed not in (tally.sent, None):
        raise SystemExit(f"{tally.sent} statuses were sent, but {committed} are in the database")
    return measured


async def play(relay: ForeignRelay, tally: Tally, names: Sequence[str], seconds: float) -> Round:
    """Play orders on the relay, a pair of users for each name."""
    pairs = await connect_pairs(relay.url, names, tally)
    for pair in pairs:
        pair.begin_order()
    await asyncio.sleep(_WARM_UP)
    first, at = len(tally.latencies), time.perf_counter()
    load_cpu, relay_cpu = own_cpu_seconds(), relay.cpu_seconds()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - at
    load_cpu, relay_cpu = own_cpu_seconds() - load_cpu, relay.cpu_seconds() - relay_cpu
    hops = sorted(tally.latencies[first:])
    tally.stopping = True
    async with asyncio.timeout(60):
        await asyncio.gather(*(pair.done for pair in pairs))
    resident = relay.resident_kib()
    for pair in pairs:
        pair.hang_up()
    orders = len(hops) / len(ORDER)
    return Round(
        orders_per_s=orders / elapsed,
        p50_ms=hops[len(hops) // 2] * 1000,
        p99_ms=hops[len(hops) * 99 // 100] * 1000,
        longest_ms=hops[-1] * 1000,
        relay_cpu_s_per_1000=relay_cpu / orders * 1000,
        relay_cores=relay_cpu / elapsed,
        load_cores=load_cpu / elapsed,
        relay_mib=resident / 1024,
    )


def _figure(value: float) -> str:
    """Three significant digits; a dash if the relay's process is not ours to measure."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def _verdict(rounds: list[Round]) -> str:
    load = statistics.median(one.load_cores for one in rounds)
    relay = statistics.median(one.relay_cores for one in rounds)
    if math.isnan(relay):
        lines = ["Every status that was sent was received by both sides. The database was not checked."]
    else:
        lines = ["Every status that was sent was received by both sides, and is in the database."]
    if load >= _BUSY:
        lines.append(f"The load generator was busy for {load:.0%} of a core: the bottleneck may be there.")
    elif relay < _BUSY:
        lines.append(
            "Neither side used a whole core: the disk, or something else that runs here, held them up."
        )
    return "\n".join(lines)


# Idle connections


def _measure_idle(options: argparse.Namespace, directory: Path) -> None:
    allow_open_files(options.idle)
    relay = _relay(options, directory / "idle", connections=options.idle)
    try:
        run(_idle(relay, options.idle, options.seconds))
    finally:
        relay.stop()


async def _idle(relay: ForeignRelay, count: int, seconds: float) -> None:
    before, at = relay.resident_kib(), time.perf_counter()
    links = await connect_idle(relay.url, count)
    elapsed = time.perf_counter() - at
    after, cpu = relay.resident_kib(), relay.cpu_seconds()
    await asyncio.sleep(seconds)
    cpu = relay.cpu_seconds() - cpu
    lost = sum(link.lost for link in links)
    for link in links:
        link.hang_up()
    print(
        f"{count:,} idle connections, opened at {count / elapsed:,.0f} a second; {lost} were lost\n"
        f"relay: {_figure(before / 1024)} MiB before, {_figure(after / 1024)} MiB with them,"
        f" {_figure((after - before) / count)} KiB each; {cpu / seconds:.1%} of a core while they are idle"
    )


if __name__ == "__main__":
    main()
