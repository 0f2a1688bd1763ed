from __future__ import annotations

import asyncio
import socket

from tui.cable import Cable


async def test_a_cable_to_a_relay_that_is_down_ends_each_connection() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but nothing listens there
        async with Cable(f"ws://127.0.0.1:{nobody.getsockname()[1]}/order") as cable:
            host, port = cable.uri.removeprefix("ws://").removesuffix("/order").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                assert await reader.read() == b""
            except ConnectionResetError:
                pass  # the end of an aborted connection
            finally:
                writer.close()
