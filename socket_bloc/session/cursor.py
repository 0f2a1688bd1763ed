"""Where a client stands in its feed: what to ask for, and whether a number is the next one."""

from __future__ import annotations

from enum import Enum, auto

from socket_bloc.frames import WelcomeFrame

__all__ = ["Feed", "Place"]


class Place(Enum):
    """How the number of a status stands to the last one that was taken."""

    KNOWN = auto()
    """It was taken before, or lies before the start of the replay."""
    NEXT = auto()
    GAP = auto()
    """Something between is missing; asking again from the cursor may bring it."""
    NEXT_AFTER_LOSS = auto()
    """The same is missing once more: it is not to be had, and the feed goes on behind it."""


class Feed:
    """The cursor into the feed of one user, in the database that `epoch` names.

    With `full_history` the feed is always asked for from its first status.
    """

    def __init__(self, *, full_history: bool) -> None:
        self._full_history = full_history
        self._gap_after: int | None = None
        self.epoch: str | None = None
        # None: nothing is known, the relay chooses where to start.
        self.cursor: int | None = 0 if full_history else None

    def welcomed(self, frame: WelcomeFrame) -> bool:
        """Take up the relay's start. False where the feed must be asked for again, from its beginning."""
        if frame.epoch != self.epoch or not frame.resumed:
            self._gap_after = None
        self.epoch = frame.epoch
        if self._full_history and not frame.resumed:
            self.cursor = 0
            return False
        self.cursor = frame.after
        return True

    def has_reached(self, seq: int) -> bool:
        """Whether the cursor stands at this status, or behind it."""
        return (self.cursor or 0) >= seq

    def take(self, seq: int) -> Place:
        """Place a status, and move the cursor to it where it is the next one."""
        cursor = self.cursor or 0
        if seq <= cursor:
            return Place.KNOWN
        if seq == cursor + 1:
            self.cursor = seq
            return Place.NEXT
        if self._gap_after != cursor:
            self._gap_after = cursor
            return Place.GAP
        self.cursor = seq
        return Place.NEXT_AFTER_LOSS
