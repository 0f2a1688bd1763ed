"""The rate limit of one connection: a token bucket."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RateLimit", "TokenBucket"]


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
    """The frames that one connection may still send; it starts full."""

    __slots__ = ("_at", "_limit", "_tokens")

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Take a token and return whether there was one; `now` is in seconds, on a monotonic clock."""
        limit = self._limit
        if limit.is_off:
            return True
        tokens = min(limit.burst, self._tokens + (now - self._at) * limit.per_second)
        self._at = now
        self._tokens = tokens - 1 if tokens >= 1 else tokens
        return tokens >= 1
