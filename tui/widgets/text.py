"""Users' texts and times, formatted for one line of a terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "local_time", "one_line", "short_id", "utc_now"]

Clock = Callable[[], datetime]
"""Returns the current time, with its zone."""


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def one_line(text: str) -> str:
    """Return a user's text as one line, without characters that move the cursor or reverse the text."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def local_time(at: datetime, now: datetime) -> str:
    """Return `10:01:12` in the local zone, or `22 Nov 10:01` for another day."""
    local = at.astimezone()
    return local.strftime("%H:%M:%S" if local.date() == now.astimezone().date() else "%d %b %H:%M")


def short_id(order_id: str | None) -> str:
    """Return the end of an order's id, to distinguish orders; it begins with the time."""
    return one_line(order_id or "")[-6:]
