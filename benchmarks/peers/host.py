"""One server under load: started on an empty database, loaded, stopped, and what its database then holds."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.catalog import Peer
from benchmarks.peers.figures import Round, Written
from benchmarks.peers.install import LOAD

__all__ = ["play_round"]

_START_TIMEOUT: Final = 20.0
_STOP_TIMEOUT: Final = 10.0
WARM_UP: Final = 0.5
"""Seconds of load before the clock starts."""


def play_round(name: str, peer: Peer, directory: Path, *, pairs: int, duration: float) -> Round:
    """Play one round on a new server; `directory` must not exist yet. Raises `SystemExit`."""
    directory.mkdir()
    database, port = directory / "orders.db", _free_port()
    command = [word.format(port=port, database=database) for word in peer.command]
    environment = {**os.environ, **dict(peer.environment), "PORT": str(port), "DATABASE": str(database)}
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        if not _listens(port, server):
            raise SystemExit(f"{name} does not start: {(directory / 'log').read_text().strip()[-500:]}")
        load = _load(name, peer, port, server.pid, pairs=pairs, duration=duration)
    finally:
        server.terminate()
        try:
            server.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    return Round(name=name, written=_written(database) if peer.has_database else None, **load)


def _load(name: str, peer: Peer, port: int, pid: int, *, pairs: int, duration: float) -> dict[str, Any]:
    pids = ",".join(map(str, _family(pid)))
    arguments = [peer.dialect, str(port), str(pairs), str(WARM_UP), str(duration), pids]
    done = subprocess.run([str(LOAD), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: the load generator failed: {done.stderr.strip()}")
    return {**json.loads(done.stdout), "first_problem": done.stderr.strip()}


def _written(database: Path) -> Written:
    with closing(sqlite3.connect(database)) as connection:
        (statuses,) = connection.execute("SELECT count(*) FROM statuses").fetchone()
        (orders,) = connection.execute("SELECT count(*) FROM orders").fetchone()
    return Written(statuses=statuses, orders=orders)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _listens(port: int, server: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_TIMEOUT
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += _family(int(child))
    return found
