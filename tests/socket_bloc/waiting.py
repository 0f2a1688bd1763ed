"""Waiting for what a bloc says, instead of for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from socket_bloc import SocketBloc, SocketConnectEvent, SocketConnectState, SocketState

S = TypeVar("S", bound=SocketState)
TIMEOUT = 30.0


class StateRecorder:
    """Everything that a bloc says from now on."""

    def __init__(self, bloc: SocketBloc) -> None:
        self.states: list[SocketState] = []
        self._news = asyncio.Event()
        bloc.stream.subscribe(self._hear)

    def _hear(self, state: SocketState) -> None:
        self.states.append(state)
        self._news.set()

    def of(self, kind: type[S]) -> list[S]:
        """The states of one kind so far."""
        return [state for state in self.states if isinstance(state, kind)]

    async def until(self, kind: type[S], count: int = 1) -> S:
        """Wait until there are `count` states of a kind; gives the last of them."""
        await self.wait(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that changes with the states alone."""
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self._news.clear()
                await self._news.wait()


async def connected(bloc: SocketBloc) -> StateRecorder:
    """Connect a bloc, and wait for the welcome."""
    recorder = StateRecorder(bloc)
    bloc.add(SocketConnectEvent())
    await recorder.until(SocketConnectState)
    return recorder
