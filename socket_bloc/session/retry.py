"""When to try again, and when to give up: the back-off, and the disconnects in a row.

No clock and no randomness: the jitter is passed in.
"""

from __future__ import annotations

from collections.abc import Callable

from socket_bloc.session.disconnect import RetryPolicy

__all__ = ["Retries", "backoff"]


def backoff(tries: int, jitter: Callable[[], float]) -> float:
    """Return the seconds to wait after `tries` earlier tries: full jitter, U(0, min(30, 0.5 * 2**tries))."""
    return jitter() * min(30.0, 0.5 * 2.0 ** min(tries, 10))


class Retries:
    """Counts the tries to reconnect, and the disconnects of one kind in a row.

    The two are reset at different times: a connection that was stable shortens the back-off, but says
    nothing about what the relay thinks of our frames. `jitter` returns numbers from 0 to 1.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._tries = 0
        self._policy = RetryPolicy.ALWAYS
        self._in_a_row = 0

    @property
    def tries(self) -> int:
        """The tries since the back-off was last reset."""
        return self._tries

    def reset(self) -> None:
        """Forget all tries and disconnects."""
        self.reset_backoff()
        self.reset_disconnects()

    def reset_backoff(self) -> None:
        """Start the next back-off from its shortest delay."""
        self._tries = 0

    def reset_disconnects(self) -> None:
        """End the row of disconnects of one kind."""
        self._policy, self._in_a_row = RetryPolicy.ALWAYS, 0

    def allow(self, policy: RetryPolicy) -> bool:
        """Count one more disconnect of this kind, and return whether it may be retried."""
        self._in_a_row = self._in_a_row + 1 if policy is self._policy else 1
        self._policy = policy
        return self._in_a_row <= policy.value

    def next_delay(self) -> float:
        """Count one more try, and return the seconds to wait before it."""
        delay = backoff(self._tries, self._jitter)
        self._tries += 1
        return delay
