"""Client processes that are killed, and others that go on with their outbox; see `test_client_crashes`.

Everything is imported once, and each client is a fork. What its user is told goes to a log that survives it:
lines such as `added m-1`, `rejected m-1`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from socket_bloc import (
    ClientType,
    OrderStatus,
    SocketBloc,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketState,
    SqliteOutbox,
    StatusCode,
)
from tests.socket_bloc.waiting import TIMEOUT

STEPS = {"execute", "executemany", "open", "flock", "fchmod", "rename", "fsync", "unlink", "send", "write"}
"""The functions in C whose calls can be noticed outside: by the disk, by the relay, or in the log.

A client that is killed before each of them has been killed in every state in which it can leave the rest.
"""


class WatchedOutbox(SqliteOutbox):
    """An outbox that can be waited for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._changed = asyncio.Event()

    def settle(self, message_id: str) -> None:
        super().settle(message_id)
        self._changed.set()

    async def emptied(self, but: int = 0) -> None:
        """Wait until no more than `but` sends are unsettled."""
        async with asyncio.timeout(TIMEOUT):
            while len(self) > but:
                self._changed.clear()
                await self._changed.wait()


class Client:
    """A client with its outbox in a file. Each has a feed of its own, so that none replays another's."""

    def __init__(self, uri: str, folder: Path, name: str) -> None:
        self.name = name
        self._uri = uri
        self._path = folder / f"{name}.db"
        self._log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def send_three(self) -> None:
        """Place an order, place it again, which is rejected, and cancel it."""
        async with self._running() as (bloc, outbox):
            self._send(bloc, StatusCode.PLACED, self.name, 1)
            self._send(bloc, StatusCode.PLACED, self.name, 2)
            self._send(bloc, StatusCode.CANCELLED, self.name, 3)
            await outbox.emptied()

    async def send_until_killed(self) -> None:
        """Place and cancel orders as fast as they are committed, with some of them unsettled at a time."""
        async with self._running() as (bloc, outbox):
            for number in itertools.count():
                order_id = f"{self.name}-{os.getpid()}-{number}"
                self._send(bloc, StatusCode.PLACED, order_id, 1)
                self._send(bloc, StatusCode.CANCELLED, order_id, 2)
                await outbox.emptied(but=20)

    async def finish(self) -> None:
        """Settle what earlier processes have left."""
        async with self._running() as (_, outbox):
            await outbox.emptied()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[tuple[SocketBloc, WatchedOutbox]]:
        outbox = WatchedOutbox(self._path)
        bloc = SocketBloc(self.name, ClientType.CLIENT, uri=self._uri, outbox=outbox)
        bloc.stream.subscribe(self._on_state)
        async with bloc:
            yield bloc, outbox

    def _send(self, bloc: SocketBloc, status: StatusCode, order_id: str, number: int) -> None:
        receiver_id = "s-4" if status is StatusCode.PLACED else None
        order_status = OrderStatus.of(status, order_id=order_id, receiver_id=receiver_id)
        bloc.send_order_status(order_status, message_id=f"{order_id}-{number}")
        self._note(f"added {order_id}-{number}")

    def _on_state(self, state: SocketState) -> None:
        match state:
            case SocketDataRejectedState():
                self._note(f"rejected {state.message_id}")
            case SocketDataSentState():
                self._note(f"committed {state.message_id}")
            case _:
                pass

    def _note(self, line: str) -> None:
        os.write(self._log, f"{line}\n".encode())


class Steps:
    """Counts the steps of this process while it is entered, and kills it before one of them."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.count = 0
        self._kill_at = kill_at

    def __enter__(self) -> Steps:
        sys.setprofile(self._on_call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _on_call(self, frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ in STEPS:
            self.count += 1
            if self.count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def fork(work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Do the work in a process of its own, and return its id."""
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(work())
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return pid


def ended(pid: int) -> int:
    """Wait for a process; return 0, or the negative number of the signal that has killed it."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def kill_at_each_step(uri: str, folder: Path) -> None:
    """Kill clients, each before another step, and finish the work of each."""

    async def count_steps() -> None:
        with Steps() as steps:
            await Client(uri, folder, "not-killed").send_three()
        (folder / "steps").write_text(str(steps.count))

    async def die(client: Client, step: int) -> None:
        with Steps(kill_at=step):
            await client.send_three()

    assert ended(fork(count_steps)) == 0
    for step in range(1, int((folder / "steps").read_text()) + 1):
        client = Client(uri, folder, f"step-{step}")
        # How much goes into one packet varies, so the last steps may not be reached.
        assert ended(fork(lambda client=client, step=step: die(client, step))) in (0, -signal.SIGKILL)
        assert ended(fork(client.finish)) == 0


def kill_at_random(uri: str, folder: Path, kills: int) -> None:
    """Kill one client after the other, all on the same file, while they send, and finish their work."""
    random = Random(17)
    client = Client(uri, folder, "load")
    for _ in range(kills):
        pid = fork(client.send_until_killed)
        time.sleep(0.5 * random.random())
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
    assert ended(fork(client.finish)) == 0


if __name__ == "__main__":
    uri, folder, *kills = sys.argv[1:]
    if kills:
        kill_at_random(uri, Path(folder), int(kills[0]))
    else:
        kill_at_each_step(uri, Path(folder))
