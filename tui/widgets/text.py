"""Text of users and times, made fit for one line of a terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "local_time", "one_line", "short_id", "utc_now"]

Clock = Callable[[], datetime]
"""Gives the time now, with its zone."""


def utc_now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


def one_line(text: str) -> str:
    """Text of a user as one line; no character of it can move the cursor or turn the writing round."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def local_time(at: datetime, now: datetime) -> str:
    """`10:01:12` in the zone of the machine; another day's is `22 Nov 10:01`."""
    local = at.astimezone()
    return local.strftime("%H:%M:%S" if local.date() == now.astimezone().date() else "%d %b %H:%M")


def short_id(order_id: str | None) -> str:
    """As much of an order's id as a person needs to tell orders apart."""
    return one_line(order_id or "")[:6]
