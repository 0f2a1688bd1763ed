"""The asyncio server of `websockets` as a bare relay: it acknowledges each text, and passes it on.

A limit, not a peer: it has no database, parses no JSON, and checks nothing.
"""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

connections: dict[str, ServerConnection] = {}


async def handle(socket: ServerConnection) -> None:
    (user_id,) = parse_qs(urlsplit(socket.request.path).query)["userId"]
    other_id = ("s" if user_id[0] == "c" else "c") + user_id[1:]
    connections[user_id] = socket
    try:
        while True:
            text = await socket.recv(decode=False)
            await socket.send('{"type":"ack"}')
            other = connections.get(other_id)
            if other is not None:
                await other.send(text.replace(b'"type":"send"', b'"type":"status"'), text=True)
    except ConnectionClosed:
        pass
    finally:
        connections.pop(user_id, None)


async def main() -> None:
    options = {"compression": None, "ping_interval": None, "backlog": 2048}
    async with serve(handle, "127.0.0.1", int(os.environ["PORT"]), **options) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
