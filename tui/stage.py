"""What the demo plays on: a relay in this process, a client and a serviceman, and a cable to each.

For who does what, and when, see `play`; for what is observed of it, `sequence`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from server_stub import Server, Settings, serve
from socket_bloc import ClientType, SocketBloc
from tui.cable import Cable
from tui.sequence import Sequence, SequenceObserver

__all__ = ["USERS", "Stage", "set_stage"]

USERS: Final = {ClientType.CLIENT: "c-17", ClientType.SERVICEMAN: "s-4"}


class Stage:
    """A relay that can be killed and restarted, and the two blocs, which are not connected at first."""

    def __init__(self, database: str, sequence: Sequence, stack: AsyncExitStack) -> None:
        """Created by `set_stage`; `stack` closes what is opened here."""
        self.sequence = sequence
        self.cables: dict[ClientType, Cable] = {}
        self.blocs: dict[ClientType, SocketBloc] = {}
        self._settings = Settings(port=0, database=database)
        self._stack = stack
        self._relay: Server | None = None

    @property
    def has_relay(self) -> bool:
        """Whether the relay runs."""
        return self._relay is not None

    async def start_relay(self) -> None:
        """Start the relay, each time on the same port and the same database."""
        relay = serve(self._settings, observer=SequenceObserver(self.sequence))
        self._relay = await self._stack.enter_async_context(relay)
        self._settings = self._settings.model_copy(update={"port": urlsplit(self._relay.uri).port})

    def kill_relay(self) -> None:
        """End the running relay as `kill -9` does: without close frames, and without another commit."""
        assert self._relay is not None
        self._relay.abort()
        self._relay = None

    async def close_relay(self) -> None:
        """Shut the running relay down: it finishes the current commit and closes all connections."""
        assert self._relay is not None
        relay, self._relay = self._relay, None
        await relay.close()

    async def set_up(self) -> None:
        """Start the relay, open the cables, and create the blocs."""
        await self.start_relay()
        assert self._relay is not None
        for role, user_id in USERS.items():
            cable = await self._stack.enter_async_context(Cable(self._relay.uri))
            bloc = SocketBloc(user_id, role, uri=cable.uri)
            self._stack.push_async_callback(bloc.close)
            self.sequence.watch(bloc)
            self.cables[role] = cable
            self.blocs[role] = bloc


@asynccontextmanager
async def set_stage(sequence: Sequence) -> AsyncGenerator[Stage]:
    """Open a stage over an empty database, which is deleted with it; `sequence` records what happens."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="socket-bloc-"))
        stage = Stage(f"sqlite:///{folder}/orders.db", sequence, stack)
        await stage.set_up()
        yield stage
