"""Plays the rounds: the clients take turns, each time as a new process, in a replay and live."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.client.feed import PROTOCOLS, encode, statuses
from benchmarks.client.server import serve_feed
from benchmarks.peers.install import PEERS_PYTHON, install_python
from benchmarks.relay_host import describe_machine

_CLIENTS: Final = Path(__file__).parent / "clients"
_PEERS: Final = str(PEERS_PYTHON)
PROGRAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "limit: bare `websockets`, JSON parsed": (sys.executable, str(_CLIENTS / "bare.py")),
    "SocketBloc": (sys.executable, str(_CLIENTS / "ours.py")),
    "SocketBloc and OrdersCubit": (sys.executable, str(_CLIENTS / "ours_with_orders.py")),
    "python-socketio": (_PEERS, str(_CLIENTS / "socketio_client.py")),
    "centrifuge-python": (_PEERS, str(_CLIENTS / "centrifuge_client.py")),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one client measured, from its first status to its last."""

    received: int
    seconds: float
    cpu_s: float
    peak_mib: float

    @property
    def per_s(self) -> float:
        return (self.received - 1) / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / (self.received - 1) * 1e6


def main() -> None:
    """Install the peers if they are missing, play, and print the table."""
    options = _options()
    install_python()
    with tempfile.TemporaryDirectory() as name:
        machine = describe_machine(Path(name))
    replays, lives = asyncio.run(_play(options))
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}\nreplay of {options.statuses:,} statuses; live,"
        f" {options.pace:,.0f} a second for {options.seconds:g} s; medians of {options.rounds} rounds\n"
    )
    rows = [["client", "replay, statuses/s", "CPU µs each", "peak MiB", "live, CPU µs each"]]
    for name in PROGRAMS:
        replay, live = replays[name], lives[name]
        rows.append(
            [
                name,
                f"{statistics.median(run.per_s for run in replay):,.0f}",
                f"{statistics.median(run.cpu_us for run in replay):.1f}",
                f"{statistics.median(run.peak_mib for run in replay):.0f}",
                f"{statistics.median(run.cpu_us for run in live):.0f}",
            ]
        )
    if options.markdown:
        rows.insert(1, ["---", *["---:"] * (len(rows[0]) - 1)])
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    else:
        rows = [[cell.replace("`", "") for cell in row] for row in rows]
        print("\n".join(f"{row[0]:38}" + "".join(f"{cell:>20}" for cell in row[1:]) for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.client",
        description="What a SocketBloc takes for a status, beside other clients that receive the same.",
    )
    parser.add_argument("--statuses", type=int, default=40_000, help="length of the replay (%(default)s)")
    parser.add_argument("--pace", type=float, default=1000, help="live statuses a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a live run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each client (%(default)s)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


async def _play(options: argparse.Namespace) -> tuple[dict[str, list[Run]], dict[str, list[Run]]]:
    replays: dict[str, list[Run]] = {name: [] for name in PROGRAMS}
    lives: dict[str, list[Run]] = {name: [] for name in PROGRAMS}
    for measured, count, pace in (
        (replays, options.statuses, None),
        (lives, int(options.pace * options.seconds), options.pace),
    ):
        texts = statuses(count)
        frames = {path: encode(texts, protocol.wrap) for path, protocol in PROTOCOLS.items()}
        async with serve_feed(frames, pace=pace) as port:
            for number in range(1, options.rounds + 1):
                for name, program in PROGRAMS.items():
                    run = await _run(name, [*program, f"ws://127.0.0.1:{port}", str(count)], count)
                    measured[name].append(run)
                    kind = "live" if pace else "replay"
                    sys.stderr.write(
                        f"{kind} {number}  {name:38}{run.per_s:10,.0f}/s{run.cpu_us:8.1f} CPU µs each\n"
                    )
    return replays, lives


async def _run(name: str, command: Sequence[str], count: int) -> Run:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{name} failed")
    run = Run(**json.loads(output))
    if run.received != count:
        raise SystemExit(f"{name}: {count} statuses were sent, but {run.received} received")
    return run


if __name__ == "__main__":
    main()
