"""The servers that are compared: how each is started, and what it speaks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.install import NODE_MODULES, PEERS_PYTHON

__all__ = ["CATALOG", "OURS", "Peer"]

_HERE: Final = Path(__file__).parent
OURS: Final = "socket-bloc"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A server. `command` may hold `{port}` and `{database}`; both are in its environment, too."""

    what: str
    command: tuple[str, ...]
    dialect: str = "websocket"
    has_database: bool = True
    environment: tuple[tuple[str, str], ...] = ()


def _python(what: str, script: str, *, dialect: str = "websocket", has_database: bool = True) -> Peer:
    command = (str(PEERS_PYTHON), str(_HERE / "servers" / script))
    return Peer(what=what, command=command, dialect=dialect, has_database=has_database)


def _node(what: str, script: str, *, dialect: str = "websocket") -> Peer:
    environment = (("NODE_PATH", str(NODE_MODULES)), ("NODE_ENV", "production"))
    command = ("node", str(_HERE / "node" / script))
    return Peer(what=what, command=command, dialect=dialect, environment=environment)


CATALOG: Final[Mapping[str, Peer]] = {
    OURS: Peer(
        what="the relay of this project",
        command=(
            *(sys.executable, "-m", "server_stub", "--port", "{port}"),
            *("--database", "sqlite:///{database}", "--rate-limit", "0"),
        ),
    ),
    "node-ws-group": _node("Node `ws` + better-sqlite3, group commit", "ws_group.js"),
    "node-ws": _node("Node `ws` + better-sqlite3", "ws.js"),
    "node-socketio": _node("Node socket.io + better-sqlite3", "socketio.js", dialect="socketio"),
    "fastapi": _python("FastAPI + sqlite3, on uvicorn", "fastapi_server.py"),
    "python-socketio": _python(
        "python-socketio + sqlite3, on uvicorn", "socketio_server.py", dialect="socketio"
    ),
    "websockets": _python(
        "limit: bare `websockets`, no checks, no database", "bare_websockets.py", has_database=False
    ),
}
