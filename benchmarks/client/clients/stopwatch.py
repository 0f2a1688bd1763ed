"""Counts statuses, and times them from the first to the last; the same for all clients.

The clients are programs, `python FILE URL COUNT`; each prints what its stopwatch says, as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path

__all__ = ["Stopwatch"]


class Stopwatch:
    """Runs from the first `tick` to number `count`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = 0
        self._done = asyncio.Event()
        self._started = self._stopped = (0.0, 0.0)

    @property
    def is_done(self) -> bool:
        """Whether the last status has been received."""
        return self._done.is_set()

    def tick(self) -> None:
        """One more status has been received."""
        self._seen += 1
        if self._seen == 1:
            self._started = _now()
        elif self._seen == self._count:
            self._stopped = _now()
            self._done.set()

    async def wait(self) -> None:
        """Wait for the last status, and print what they took."""
        async with asyncio.timeout(120):
            await self._done.wait()
        await asyncio.sleep(0.05)  # one too many would come now
        seconds, cpu_s = (after - before for before, after in zip(self._started, self._stopped, strict=True))
        report = {"received": self._seen, "seconds": seconds, "cpu_s": cpu_s, "peak_mib": _peak_mib()}
        print(json.dumps(report))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _peak_mib() -> float:
    # Not from getrusage, whose maximum a process inherits from the one that started it.
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return math.nan
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
