"""The client of centrifuge-python, which speaks JSON to the server here, with one subscription."""

from __future__ import annotations

import asyncio
import sys

from centrifuge import Client, PublicationContext, SubscriptionEventHandler
from stopwatch import Stopwatch


class Handler(SubscriptionEventHandler):
    """Counts publications."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch

    async def on_publication(self, ctx: PublicationContext) -> None:
        self._stopwatch.tick()


async def main(uri: str, count: int) -> None:
    stopwatch = Stopwatch(count)
    client = Client(uri, proxy=None)
    subscription = client.new_subscription("orders", events=Handler(stopwatch))
    await client.connect()
    await subscription.subscribe()
    await stopwatch.wait()
    await client.disconnect()


if __name__ == "__main__":
    asyncio.run(main(f"{sys.argv[1]}/centrifuge", int(sys.argv[2])))
