"""Waiting for the states of a bloc, instead of for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from socket_bloc import SocketBloc, SocketConnectEvent, SocketConnectState, SocketState

S = TypeVar("S", bound=SocketState)
TIMEOUT = 30.0


class StateRecorder:
    """Records the states of a bloc from now on."""

    def __init__(self, bloc: SocketBloc) -> None:
        self.states: list[SocketState] = []
        self._changed = asyncio.Event()
        bloc.stream.subscribe(self._record)

    def _record(self, state: SocketState) -> None:
        self.states.append(state)
        self._changed.set()

    def of(self, kind: type[S]) -> list[S]:
        """Return the states of one kind so far."""
        return [state for state in self.states if isinstance(state, kind)]

    async def until(self, kind: type[S], count: int = 1) -> S:
        """Wait until there are `count` states of a kind, and return the last of them."""
        await self.wait(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that changes only with the states."""
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


async def connected(bloc: SocketBloc) -> StateRecorder:
    """Connect a bloc, wait for the welcome, and return the recorder of its states."""
    recorder = StateRecorder(bloc)
    bloc.add(SocketConnectEvent())
    await recorder.until(SocketConnectState)
    return recorder
