"""How long does an app take to show the orders of a user who has thousands, and to answer a key meanwhile?

    python -m benchmarks.apps [--orders N] [--ended N]

It fills a relay with open and with ended orders, starts the serviceman's app in a pseudo-terminal, and prints
the time from the last replayed status until the list is complete, and how long the app took to answer a
key, during the replay and after it.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Final

import pyte

from benchmarks.relay_host import OwnRelay, describe_machine
from socket_bloc import ClientType, OrderStatus, SocketBloc, StatusCode

SERVICEMAN: Final = "s-4"
CLIENTS: Final = 10
IN_FLIGHT: Final = 200
SIZE: Final = (100, 30)
PAUSE: Final = 0.2
"""Seconds between two keys."""
# The app reports when it has taken in the last status, which no screen shows.
APP: Final = """
import os, sys, time
from socket_bloc import OrdersCubit, SocketReceiveDataState
from tui.__main__ import main

fd, left = int(sys.argv.pop(1)), int(sys.argv.pop(1))
on_state = OrdersCubit._on_state

def report(self, state):
    global left
    on_state(self, state)
    if isinstance(state, SocketReceiveDataState):
        left -= 1
        if left == 0:
            os.write(fd, b"%f" % time.monotonic())
            os.close(fd)

OrdersCubit._on_state = report
sys.exit(main(sys.argv[1:]))
"""


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=3000, metavar="N", help="open orders")
    parser.add_argument("--ended", type=int, default=0, metavar="N", help="orders that have ended")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="socket-bloc-") as folder:
        print(describe_machine(Path(folder)))
        relay = OwnRelay(Path(folder), max_connections=100)
        try:
            statuses = asyncio.run(fill(relay.url, options.orders, options.ended))
            asyncio.run(Terminal(relay.url, options.orders, statuses).measure())
        finally:
            relay.stop()


async def fill(uri: str, open_orders: int, ended_orders: int) -> int:
    """Place the orders, and cancel those that have ended; return the number of statuses."""
    limit = asyncio.Semaphore(IN_FLIGHT)

    async def play(bloc: SocketBloc, number: int) -> None:
        async with limit:
            order_id = await bloc.place_order(SERVICEMAN, f"Order {number}: the kitchen tap drips")
            if number >= open_orders:
                await bloc.submit(OrderStatus.of(StatusCode.CANCELLED, order_id=order_id))

    async with AsyncExitStack() as stack:
        blocs = [
            await stack.enter_async_context(SocketBloc(f"c-{number}", ClientType.CLIENT, uri=uri))
            for number in range(CLIENTS)
        ]
        async with asyncio.TaskGroup() as tasks:
            for number in range(open_orders + ended_orders):
                tasks.create_task(play(blocs[number % CLIENTS], number))
    return open_orders + 2 * ended_orders


class Terminal:
    """The serviceman's app in a pseudo-terminal."""

    def __init__(self, uri: str, orders: int, statuses: int) -> None:
        self._orders = orders
        self._statuses = statuses
        self._screen = pyte.Screen(*SIZE)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = asyncio.Event()
        self._answers: list[float] = []
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        self._report, report = os.pipe()
        command = [sys.executable, "-c", APP, f"{report}", f"{statuses}"]
        command += ["serviceman", "--user", SERVICEMAN, "--uri", uri]
        self._started = monotonic()
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=[report],
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
        )
        os.close(slave)
        os.close(report)

    async def measure(self) -> None:
        """Print what is measured until all orders are shown, and for ten seconds after it."""
        asyncio.get_running_loop().add_reader(self._master, self._read)
        try:
            await self._until(lambda text: "Serviceman" in text)
            drawn = monotonic()
            keys = asyncio.create_task(self._press())
            replayed = float(await asyncio.to_thread(os.read, self._report, 64))
            await self._until(lambda text: f"{self._orders} of {self._orders} your turn" in text)
            shown = monotonic()
            print(f"{self._statuses:,} statuses, {self._orders:,} open orders")
            print(f"{'first screen':20}{drawn - self._started:6.2f} s after the start")
            print(f"{'replayed':20}{replayed - self._started:6.2f} s after the start")
            print(f"{'list complete':20}{shown - replayed:6.2f} s after the last status")
            self._print_answers("a key until then")
            await asyncio.sleep(10)
            keys.cancel()
            self._print_answers("a key afterwards")
        finally:
            asyncio.get_running_loop().remove_reader(self._master)
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        try:
            self._stream.feed(os.read(self._master, 1 << 16))
        except OSError:
            raise SystemExit("the app has ended:\n" + "\n".join(self._screen.display)) from None
        self._changed.set()

    async def _until(self, condition: Callable[[str], bool]) -> None:
        while not condition("\n".join(self._screen.display)):
            self._changed.clear()
            await self._changed.wait()

    async def _press(self) -> None:
        """Open and close the help, and note how long that takes."""
        while True:
            for is_shown in (lambda text: "esc: close" in text, lambda text: "esc: close" not in text):
                pressed = monotonic()
                os.write(self._master, b"\x1bOP")  # F1
                await self._until(is_shown)
                self._answers.append(monotonic() - pressed)
                await asyncio.sleep(PAUSE)

    def _print_answers(self, title: str) -> None:
        seconds, self._answers = self._answers, []
        if seconds:
            most = f"{max(seconds):.2f} s at most"
            print(f"{title:20}{statistics.median(seconds):6.2f} s median, {most}, of {len(seconds)}")


if __name__ == "__main__":
    main()
