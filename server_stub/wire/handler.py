"""Who is told what an open connection receives. A user's session is one."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ConnectionHandler"]


class ConnectionHandler(Protocol):
    """Who speaks over an open connection."""

    def opened(self) -> None:
        """The connection is open: texts may be sent."""
        ...

    def received(self, text: str) -> None:
        """A text has come."""
        ...

    def drained(self) -> None:
        """What waited to be written is nearly gone, after `is_writable` was false."""
        ...

    def lost(self, close_code: int) -> None:
        """The connection is gone. `close_code` is that of whoever closed first, 1006 where nobody did."""
        ...
