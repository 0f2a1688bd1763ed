"""The asyncio client of python-socketio, over a WebSocket from the start."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import socketio
from stopwatch import Stopwatch


async def main(uri: str, count: int) -> None:
    stopwatch = Stopwatch(count)
    client = socketio.AsyncClient()

    async def on_status(_status: dict[str, Any]) -> None:
        stopwatch.tick()

    client.on("status", on_status)
    await client.connect(uri, transports=["websocket"])
    await stopwatch.wait()
    await client.disconnect()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1].replace("ws:", "http:"), int(sys.argv[2])))
