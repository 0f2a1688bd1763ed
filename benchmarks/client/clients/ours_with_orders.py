"""A `SocketBloc` whose orders are folded by an `OrdersCubit`, with one listener."""

from __future__ import annotations

import asyncio
import sys

from stopwatch import Stopwatch

from socket_bloc import ClientType, Orders, OrdersCubit, SocketBloc


async def main(uri: str, count: int) -> None:
    stopwatch = Stopwatch(count)

    def on_orders(orders: Orders) -> None:
        if orders.by_id:
            stopwatch.tick()

    bloc = SocketBloc("c-1", ClientType.CLIENT, uri=uri)
    orders = OrdersCubit(bloc)
    orders.stream.subscribe(on_orders)
    async with bloc, orders:
        await stopwatch.wait()


if __name__ == "__main__":
    asyncio.run(main(f"{sys.argv[1]}/order", int(sys.argv[2])))
