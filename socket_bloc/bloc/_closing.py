"""What `close` gives to its callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

__all__ = ["Closing"]


class Closing(Awaitable[None]):
    """Can be awaited by many, or by none; who is cancelled while awaiting it cancels nothing else."""

    def __init__(self, task: asyncio.Task[None], before_waiting: Callable[[], None]) -> None:
        self._task = task
        self._before_waiting = before_waiting

    def __await__(self) -> Generator[Any, None, None]:
        self._before_waiting()
        return asyncio.shield(self._task).__await__()
