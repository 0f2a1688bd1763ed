"""A bare `websockets` client that parses each text as JSON: a limit."""

from __future__ import annotations

import asyncio
import json
import sys

from stopwatch import Stopwatch
from websockets.asyncio.client import connect


async def main(uri: str, count: int) -> None:
    stopwatch = Stopwatch(count)
    async with connect(uri, compression=None, proxy=None) as connection:
        async for text in connection:
            if json.loads(text)["type"] != "status":
                continue
            stopwatch.tick()
            if stopwatch.is_done:
                break
        await stopwatch.wait()


if __name__ == "__main__":
    asyncio.run(main(f"{sys.argv[1]}/order", int(sys.argv[2])))
