"""How much may be done before the event loop gets a turn."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Final

__all__ = ["MAX_SECONDS", "MAX_STEPS", "batch"]

MAX_STEPS: Final = 512
MAX_SECONDS: Final = 0.010


def batch() -> Iterator[None]:
    """Count the steps of one turn of the loop; ends when there were enough of them, or they took too long."""
    end = monotonic() + MAX_SECONDS
    for _ in range(MAX_STEPS):
        yield
        if monotonic() >= end:
            return
