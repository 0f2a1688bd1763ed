"""A `SocketBloc` with one listener."""

from __future__ import annotations

import asyncio
import sys

from stopwatch import Stopwatch

from socket_bloc import ClientType, SocketBloc, SocketDataSentState, SocketReceiveDataState, SocketState


async def main(uri: str, count: int) -> None:
    stopwatch = Stopwatch(count)

    def on_state(state: SocketState) -> None:
        if isinstance(state, SocketReceiveDataState | SocketDataSentState):
            stopwatch.tick()

    bloc = SocketBloc("c-1", ClientType.CLIENT, uri=uri)
    bloc.stream.subscribe(on_state)
    async with bloc:
        await stopwatch.wait()


if __name__ == "__main__":
    asyncio.run(main(f"{sys.argv[1]}/order", int(sys.argv[2])))
