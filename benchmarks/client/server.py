"""A server that sends prepared statuses, as quickly as the client reads or at a pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.client.feed import PROTOCOLS

__all__ = ["serve_feed"]


@asynccontextmanager
async def serve_feed(frames: Mapping[str, Sequence[bytes]], *, pace: float | None) -> AsyncGenerator[int]:
    """Serve `frames`, by path, to each connection; return the port.

    With a `pace`, each frame is written on its own, so many a second; without, all of them at once, as in a
    replay.
    """

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        path = urlsplit(connection.request.path).path
        protocol, prepared = PROTOCOLS[path], frames[path]
        try:
            if greeting := protocol.greeting(0 if pace else len(prepared)):
                await connection.send(greeting)
            is_ready = protocol.is_ready_at_once
            while not is_ready:
                answer, is_ready = protocol.answer(str(await connection.recv()))
                if answer:
                    await connection.send(answer)
            # Frames are written past the library, which would encode each of them.
            if pace is None:
                connection.transport.write(b"".join(prepared))
            else:
                await _write_paced(connection.transport, prepared, pace)
            async for _ in connection:  # until the client leaves
                pass
        except ConnectionClosed:
            pass

    async with serve(
        handle,
        "127.0.0.1",
        0,
        compression=None,
        subprotocols=[Subprotocol("order-status.v1")],
        select_subprotocol=_select,
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def _select(_connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[0] if offered else None


async def _write_paced(transport: asyncio.Transport, frames: Sequence[bytes], pace: float) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number, frame in enumerate(frames):
        await asyncio.sleep(start + number / pace - loop.time())
        transport.write(frame)
