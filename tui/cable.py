"""A cable between a bloc and the relay, for the demo: it can be pulled, and plugged in again.

It forwards bytes over loopback and does not parse them.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

__all__ = ["Cable"]

_CHUNK: Final = 65536


class Cable:
    """Listens on a port of its own, `uri`, and forwards connections to the relay; plugged in at first."""

    def __init__(self, relay_uri: str) -> None:
        self._relay = urlsplit(relay_uri)
        self._listener: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._is_plugged = True

    @property
    def uri(self) -> str:
        """Where the bloc connects."""
        assert self._listener is not None, "the cable is not open; use `async with`"
        host, port = self._listener.sockets[0].getsockname()
        return urlunsplit(self._relay._replace(netloc=f"{host}:{port}"))

    @property
    def is_plugged(self) -> bool:
        """Whether connections are forwarded."""
        return self._is_plugged

    def pull(self) -> None:
        """Abort every connection, without a close frame, and accept none."""
        self._is_plugged = False
        for end in self._ends:
            end.transport.abort()

    def plug(self) -> None:
        """Forward connections again."""
        self._is_plugged = True

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        self.pull()
        await self._listener.wait_closed()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            if self._is_plugged:
                relay = await asyncio.open_connection(self._relay.hostname, self._relay.port)
                self._ends.add(relay[1])
                await asyncio.gather(self._copy(reader, relay[1]), self._copy(relay[0], writer))
        except OSError:
            pass  # the relay is down, or the cable was pulled
        finally:
            writer.transport.abort()
            self._ends.discard(writer)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                writer.write(data)
                await writer.drain()
            writer.close()
        except OSError:
            writer.transport.abort()
        finally:
            self._ends.discard(writer)
