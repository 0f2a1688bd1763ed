"""Plays the rounds: the servers take turns, each time on a new process with an empty database."""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers.catalog import CATALOG, OURS
from benchmarks.peers.figures import Round, check, table
from benchmarks.peers.host import play_round
from benchmarks.peers.install import install_load, install_node, install_python
from benchmarks.relay_host import describe_machine


def main() -> None:
    """Install what is missing, play, and print the table."""
    options = _options()
    names = [name for name in CATALOG if name == OURS or not options.only or name in options.only]
    install_load()
    install_python()
    if any(name.startswith("node-") for name in names):
        install_node()
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="peers-benchmark-") as name:
        directory = Path(name)
        machine = describe_machine(directory)
        for number in range(1, options.rounds + 1):
            for name in names:
                rounds.append(_round(name, directory / f"{name}-{number}", number, options))
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}\n"
        f"{options.pairs} pairs, medians of {options.rounds} rounds of {options.duration:g} s\n"
    )
    descriptions = {name: peer.what for name, peer in CATALOG.items()}
    print(table(rounds, descriptions, base=OURS, markdown=options.markdown))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="The relay beside the servers that one would take instead, under the same load.",
    )
    parser.add_argument("--pairs", type=int, default=200, help="pairs of users (%(default)s)")
    parser.add_argument("--duration", type=float, default=4.0, help="seconds of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each server (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", choices=CATALOG, metavar="NAME", help=f"beside ours: {', '.join(CATALOG)}"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def _round(name: str, directory: Path, number: int, options: argparse.Namespace) -> Round:
    one = play_round(name, CATALOG[name], directory, pairs=options.pairs, duration=options.duration)
    check(one)
    sys.stderr.write(
        f"round {number}  {name:16}{one.orders_per_s:8,.0f} orders/s  {one.cpu_s_per_1000:.3f} CPU s"
        f" per 1,000; cores: server {one.server_cores:.2f}, load {one.load_cores:.2f}\n"
    )
    return one


if __name__ == "__main__":
    main()
