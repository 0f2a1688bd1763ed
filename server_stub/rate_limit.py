"""The rate limit of one connection: a token bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["SIZE_OF_TOKEN", "RateLimit", "TokenBucket"]

SIZE_OF_TOKEN: Final = 8192
"""Characters of a frame that one token pays for; a status with the longest message in ASCII has fewer."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Frames a second, and frames at once after a pause."""

    per_second: float
    burst: int

    @property
    def is_off(self) -> bool:
        """Whether there is no limit; 0 stands for none."""
        return self.per_second == 0 or self.burst == 0


class TokenBucket:
    """The frames that one connection may still send; it starts full.

    A frame costs one token, and one more for each whole `SIZE_OF_TOKEN` of its characters. It passes if there
    is one, and what it costs beyond those that are there is owed: so characters are limited, too.
    """

    __slots__ = ("_at", "_limit", "_tokens")

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._at = now

    def take(self, now: float, size: int = 0) -> bool:
        """Take the tokens of a frame of `size` characters, and return whether it passes.

        `now` is in seconds, on a monotonic clock.
        """
        limit = self._limit
        if limit.is_off:
            return True
        tokens = min(limit.burst, self._tokens + (now - self._at) * limit.per_second)
        self._at = now
        self._tokens = tokens - 1 - size // SIZE_OF_TOKEN if tokens >= 1 else tokens
        return tokens >= 1

    def seconds_to_next(self, now: float) -> float:
        """Return how long it takes until there is a token."""
        limit = self._limit
        missing = 1 - self._tokens - (now - self._at) * limit.per_second
        return 0.0 if limit.is_off else max(0.0, missing / limit.per_second)
