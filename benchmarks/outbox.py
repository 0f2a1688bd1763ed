"""What does it cost to send through an outbox in a file, and how long does the event loop wait for it?

    python -m benchmarks.outbox [--sends N] [--directory DIR]

It prints the time of `SqliteOutbox.add` and `settle` beside that of an fsync there, and what a send
through a `SocketBloc` and a relay takes with each kind of outbox: from the call to its return, and from the
call to its outcome. DIR should be on the disk that matters; a file system in memory has no fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from benchmarks.relay_host import OwnRelay, describe_machine
from socket_bloc import ClientType, MemoryOutbox, OrderStatus, Send, SocketBloc, SqliteOutbox, StatusCode


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--sends", type=int, default=2000, help="sends of each measurement")
    parser.add_argument("--directory", help="where the files are; the temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outbox-benchmark-", dir=options.directory) as name:
        folder = Path(name)
        print(describe_machine(folder))
        print(f"\nmilliseconds, of {options.sends:,}{'':>23}median       p99   longest")
        show("an fsync after a write of 4 KiB", fsyncs(folder / "file", options.sends))
        adds, settles = adds_and_settles(folder / "outbox.db", options.sends)
        show("SqliteOutbox.add", adds)
        show("SqliteOutbox.settle", settles)
        asyncio.run(measure_blocs(folder, options.sends))


def show(what: str, seconds: list[float]) -> None:
    """Print one line of the table."""
    percentiles = quantiles(seconds, n=100)
    figures = (median(seconds), percentiles[98], max(seconds))
    print(f"{what:<42}", *(f"{figure * 1e3:>9.3f}" for figure in figures))


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes."""
    start = perf_counter()
    action()
    return perf_counter() - start


def fsyncs(path: Path, count: int) -> list[float]:
    """The seconds of each fsync, as `SqliteOutbox.add` has to wait for one."""
    seconds: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            seconds.append(timed(lambda: os.fsync(file.fileno())))
    return seconds


def adds_and_settles(path: Path, count: int) -> tuple[list[float], list[float]]:
    """The seconds of each `add` and of each `settle`, one after the other."""
    adds: list[float] = []
    settles: list[float] = []
    with closing(SqliteOutbox(path)) as outbox:
        for number in range(count):
            send = Send(f"m-{number}", placed(number))
            adds.append(timed(lambda send=send: outbox.add(send)))
            settles.append(timed(lambda send=send: outbox.settle(send.message_id)))
    return adds, settles


async def measure_blocs(folder: Path, count: int) -> None:
    """Send through a bloc and a relay, one status after the other, with each kind of outbox."""
    relay = OwnRelay(folder / "relay", max_connections=10)
    try:
        for kind in (MemoryOutbox, SqliteOutbox):
            outbox = SqliteOutbox(folder / "bloc.db") if kind is SqliteOutbox else MemoryOutbox()
            calls: list[float] = []
            outcomes: list[float] = []
            async with SocketBloc(kind.__name__, ClientType.CLIENT, uri=relay.url, outbox=outbox) as bloc:
                await bloc.submit(placed(-1, kind.__name__))
                for number in range(count):
                    status, message_id = placed(number, kind.__name__), f"m-{number}"
                    start = perf_counter()
                    bloc.send_order_status(status, message_id=message_id)
                    calls.append(perf_counter() - start)
                    await bloc.submit(status, message_id=message_id)  # waits for the same outcome
                    outcomes.append(perf_counter() - start)
            show(f"a send with {kind.__name__}", calls)
            show(f"a send with {kind.__name__}, to its outcome", outcomes)
    finally:
        relay.stop()


def placed(number: int, prefix: str = "o") -> OrderStatus:
    """A status of typical length that starts an order."""
    message = "The kitchen tap drips, and the one in the bath too. Ring twice."
    return OrderStatus.of(
        StatusCode.PLACED, order_id=f"{prefix}-{number:032}", receiver_id="s-4", message=message
    )


if __name__ == "__main__":
    main()
