"""Makes the big database, and compares a relay on it with one on an empty database, in turns."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from benchmarks.big_database.fill import BYTES_PER_STATUS, History, fill
from benchmarks.big_database.timing import check, metrics_ms, welcome_ms
from benchmarks.relay import play, run
from benchmarks.relay_host import DATABASE, OwnRelay, allow_open_files, describe_machine
from benchmarks.relay_load import Tally, new_names


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one relay measured."""

    cold_start_ms: float
    start_ms: float
    metrics_ms: float
    resume_ms: float
    connect_ms: float
    orders_per_s: float
    cpu_s_per_1000: float
    p50_ms: float
    longest_ms: float
    light_p50_ms: float
    light_longest_ms: float
    healthz_longest_ms: float


EMPTY = "empty"
KNOWN = "big, its users"
NEW = "big, new users"
CASES = (EMPTY, NEW, KNOWN)
"""The databases, and whose orders are played on them. Users with a history make the relay write into the
middle of what it keeps by user; those of new users go to its end."""
_SINGLE_USERS = 20
"""Users for whom a welcome is timed."""
LABELS = {
    "cold_start_ms": "start, the file not in memory, ms",
    "start_ms": "start, ms",
    "metrics_ms": "/metrics, ms",
    "resume_ms": "welcome of a user who resumes, ms",
    "connect_ms": "welcome of one who does not, ms",
    "orders_per_s": "orders/s, {pairs} pairs",
    "cpu_s_per_1000": "CPU s per 1,000 orders",
    "p50_ms": "hop p50, ms",
    "longest_ms": "longest hop, ms",
    "light_p50_ms": "hop p50, {light} pairs, ms",
    "light_longest_ms": "longest hop, {light} pairs, ms",
    "healthz_longest_ms": "longest /healthz, {light} pairs, ms",
}


def main() -> None:
    """Make it, check it, measure, and print the table."""
    options = _options()
    history = History.of(options.statuses)
    allow_open_files(2 * options.pairs)
    with tempfile.TemporaryDirectory(prefix="big-database-", dir=options.directory) as name:
        directory = Path(name)
        free = shutil.disk_usage(directory).free
        if free < history.statuses * BYTES_PER_STATUS:
            needed = history.statuses * BYTES_PER_STATUS / 1e9
            raise SystemExit(f"{directory} has {free / 1e9:.1f} GB free, and {needed:.1f} GB are needed")
        machine = describe_machine(directory)
        big = directory / "big"
        seconds, size = _make(big, history)
        known = history.at_rest(max(options.pairs, _SINGLE_USERS))
        measured: dict[str, list[Figures]] = {case: [] for case in CASES}
        for number in range(1, options.rounds + 1):
            for case, rounds in measured.items():
                where = directory / str(number) if case == EMPTY else big
                rounds.append(_measure(where, case, known, options))
                _say(f"round {number}, {case}: {_brief(rounds[-1])}")
        print(
            f"{datetime.now(UTC):%Y-%m-%d}, {machine}\n{history.statuses:,} statuses of {2 * history.users:,}"
            f" users, {size / 1e9:.2f} GB, made in {seconds:.0f} s; medians of {options.rounds} rounds\n"
        )
        _print_table(measured, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.big_database",
        description="A relay on a database with millions of statuses, beside one on an empty database.",
    )
    parser.add_argument("--statuses", type=int, default=10_000_000, help="statuses (%(default)s)")
    parser.add_argument("--pairs", type=int, default=200, help="pairs of users (%(default)s)")
    parser.add_argument(
        "--light-pairs", type=int, default=20, help="pairs while stalls are looked for (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each load (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (%(default)s)")
    parser.add_argument("--directory", type=Path, help="where the database is made (the temporary folder)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _make(directory: Path, history: History) -> tuple[float, int]:
    OwnRelay(directory, max_connections=1).stop()  # the schema is the relay's own
    at = time.monotonic()
    fill(directory / DATABASE, history, progress=_say)
    seconds = time.monotonic() - at
    relay = OwnRelay(directory, max_connections=10)
    try:
        check(relay.url, history)
    finally:
        relay.stop()
    _say("the relay opens it, and finds feeds, open orders and repeated sends in it")
    return seconds, (directory / DATABASE).stat().st_size


def _measure(directory: Path, case: str, known: Sequence[int], options: argparse.Namespace) -> Figures:
    """Start a relay and load it; `known` are users of the big database who have no open order."""
    if case == EMPTY:
        OwnRelay(directory, max_connections=1).stop()
    _evict(directory / DATABASE)
    relay = OwnRelay(directory, max_connections=1)
    cold_start_ms, before = relay.start_ms, relay.stop() or 0
    relay = OwnRelay(directory, max_connections=2 * options.pairs + 10)
    tally = Tally()
    try:
        numbers = known[:_SINGLE_USERS]
        single = {
            "metrics_ms": metrics_ms(relay.url),
            "resume_ms": welcome_ms(relay.url, numbers, resumes=True),
            "connect_ms": welcome_ms(relay.url, numbers, resumes=False),
        }
        heavy = run(play(relay, tally, _names(case, known, options.pairs), options.seconds))
        tally.stopping = False
        with _Probe(relay.url) as probe:
            light = run(play(relay, tally, _names(case, known, options.light_pairs), options.seconds))
    finally:
        committed = relay.stop()
    if tally.received != 2 * tally.sent or committed != before + tally.sent:
        raise SystemExit(
            f"{tally.sent} statuses were sent, {tally.received} received by the two sides,"
            f" and {(committed or 0) - before} are in the database"
        )
    return Figures(
        cold_start_ms=cold_start_ms,
        start_ms=relay.start_ms,
        orders_per_s=heavy.orders_per_s,
        cpu_s_per_1000=heavy.relay_cpu_s_per_1000,
        p50_ms=heavy.p50_ms,
        longest_ms=heavy.longest_ms,
        light_p50_ms=light.p50_ms,
        light_longest_ms=light.longest_ms,
        healthz_longest_ms=probe.seen["longest_ms"],
        **single,
    )


def _names(case: str, known: Sequence[int], count: int) -> Sequence[str]:
    return [str(number) for number in known[:count]] if case == KNOWN else new_names(count)


def _evict(file: Path) -> None:
    """Ask the kernel to drop the file from memory, as if nobody had read it for long."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class _Probe:
    """The process that looks for stalls; `seen` is what it saw, once the context has ended."""

    def __init__(self, url: str) -> None:
        self.seen: dict[str, float] = {}
        address = urlsplit(url)
        self._command = [sys.executable, "-m", "benchmarks.big_database.stalls"]
        self._command += [str(address.hostname), str(address.port)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._process.terminate()
        output = self._process.communicate()[0]
        if kind is None:
            self.seen = json.loads(output)


def _brief(figures: Figures) -> str:
    return ", ".join(f"{name} {value:,.2f}" for name, value in asdict(figures).items())


def _print_table(measured: Mapping[str, Sequence[Figures]], options: argparse.Namespace) -> None:
    rows = [["", *CASES, "ratios"]]
    for name, label in LABELS.items():
        summary = max if "longest" in name else statistics.median
        empty, *big = (summary(getattr(figures, name) for figures in measured[case]) for case in CASES)
        ratios = ", ".join(f"{value / empty:.2f}" for value in big)
        text = label.format(pairs=options.pairs, light=options.light_pairs)
        rows.append([text, *map(_figure, [empty, *big]), ratios])
    if options.markdown:
        rows.insert(1, ["---", *["---:"] * (len(rows[0]) - 1)])
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    else:
        print("\n".join(f"{row[0]:38}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"


if __name__ == "__main__":
    main()
