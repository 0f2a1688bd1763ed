"""The protocol of what handles the messages of an open connection; a user's session does."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ConnectionHandler"]


class ConnectionHandler(Protocol):
    """Handles the messages of an open connection."""

    def opened(self) -> None:
        """The connection is open: messages may be sent."""
        ...

    def received(self, text: str) -> None:
        """A text message has arrived."""
        ...

    def received_other(self) -> None:
        """A ping, an unexpected pong or a fragment has arrived; it costs as much as a message."""
        ...

    def drained(self) -> None:
        """The write buffer has nearly drained, after `is_writable` was false."""
        ...

    def lost(self, close_code: int) -> None:
        """The connection has ended; `close_code` is of the side that closed first, 1006 if neither did."""
        ...
