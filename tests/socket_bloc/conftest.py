"""A real relay for the library's tests, and blocs that are closed when their test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from server_stub import Server, Settings, serve
from socket_bloc import ClientType, SocketBloc

MakeBloc = Callable[..., SocketBloc]


def relay_settings(folder: Path, port: int = 0) -> Settings:
    """A relay on loopback, with its database in `folder`."""
    return Settings(port=port, database=f"sqlite:///{folder}/orders.db", rate_limit=0)


def port_of(relay: Server) -> int:
    """The port of a relay, for another one in its place."""
    port = urlsplit(relay.uri).port
    assert port is not None
    return port


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Server]:
    """A relay on a free port, over an empty database."""
    async with serve(relay_settings(tmp_path)) as server:
        yield server


@pytest.fixture
async def make_bloc(relay: Server) -> AsyncIterator[MakeBloc]:
    """Create blocs for this relay that are not connected yet, and close them in the end."""
    async with AsyncExitStack() as stack:

        def make(
            user_id: str, type: ClientType, kind: type[SocketBloc] = SocketBloc, **options: Any
        ) -> SocketBloc:
            bloc = kind(user_id, type, **{"uri": relay.uri, **options})
            stack.push_async_callback(bloc.close)
            return bloc

        yield make


@pytest.fixture
def client(make_bloc: MakeBloc) -> SocketBloc:
    """The client c-17."""
    return make_bloc("c-17", ClientType.CLIENT)


@pytest.fixture
def serviceman(make_bloc: MakeBloc) -> SocketBloc:
    """The serviceman s-4."""
    return make_bloc("s-4", ClientType.SERVICEMAN)
