"""Which of the relay's addresses the next attempt goes to.

Pure logic: times are passed in, in seconds of any monotonic clock. How long the session backs off in
between, over all addresses, is in `retry`.
"""

from __future__ import annotations

from collections.abc import Sequence

from socket_bloc.session.disconnect import Closed, Disconnect, HttpRefused, NoToken, is_about_the_address

__all__ = ["Addresses"]


class Addresses:
    """The addresses in their order of preference, and the one that is current.

    The next attempt stays at the current address if the relay there is at work: it asked for another
    token, or closed a connection that it had welcomed with a close frame, as for a restart. After
    anything else it goes to the next address, and after the last one to the first again.
    """

    def __init__(self, uris: Sequence[str]) -> None:
        self.uris = tuple(uris)
        self._index = 0
        # Address -> when its `Retry-After` is over.
        self._held_until: dict[str, float] = {}
        # The addresses whose latest answer was that of no relay, or of one that is not trusted.
        self._unusable: set[str] = set()

    @property
    def current(self) -> str:
        """The address of this attempt, or else of the next one."""
        return self.uris[self._index]

    def start_again(self) -> None:
        """Forget all that was learnt, and begin with the first address."""
        self._index = 0
        self._held_until.clear()
        self._unusable.clear()

    def opening(self) -> None:
        """The current address is tried now, even if it asked for more time."""
        self._held_until.pop(self.current, None)

    def welcomed(self) -> None:
        """The relay at the current address has welcomed the user."""
        self._unusable.clear()

    def lost(self, disconnect: Disconnect, now: float, *, was_welcomed: bool) -> bool:
        """Choose the address of the next attempt. False if each of them has turned out to be unusable."""
        if is_about_the_address(disconnect):
            self._unusable.add(self.current)
        else:
            self._unusable.discard(self.current)
        if isinstance(disconnect, HttpRefused) and disconnect.retry_after:
            self._held_until[self.current] = now + disconnect.retry_after
        if not _is_at_work(disconnect, was_welcomed):
            self.move_on(now)
        return len(self._unusable) < len(self.uris)

    def move_on(self, now: float) -> None:
        """Go to the next address that is not held back, or to the one that is held back least."""
        count = len(self.uris)
        following = [(self._index + step) % count for step in range(1, count + 1)]
        self._index = min(following, key=lambda index: self._held_back(self.uris[index], now))

    def held_back(self, now: float) -> float:
        """Return the seconds until the current address wants to be tried again."""
        return self._held_back(self.current, now)

    def described(self, cause: Disconnect | str) -> str:
        """Describe why the connection to the current address was lost; name it, if there are several."""
        if len(self.uris) == 1 or isinstance(cause, NoToken):
            return str(cause)
        return f"{self.current}: {cause}"

    def _held_back(self, uri: str, now: float) -> float:
        return max(0.0, self._held_until.get(uri, now) - now)


def _is_at_work(disconnect: Disconnect, was_welcomed: bool) -> bool:
    match disconnect:
        case NoToken() | HttpRefused(401):
            return True
        case Closed():
            return was_welcomed and disconnect.has_close_frame
        case _:
            return False
