"""Where a client stands in its feed: what to ask for, and whether a sequence number is the next one."""

from __future__ import annotations

from enum import Enum, auto

from socket_bloc.frames import WelcomeFrame

__all__ = ["FeedCursor", "SeqCheck"]


class SeqCheck(Enum):
    """How the sequence number of a status relates to the cursor."""

    DUPLICATE = auto()
    """At or below the cursor: applied before, or before the start of the replay."""
    NEXT = auto()
    GAP = auto()
    """Statuses in between are missing; a replay from the cursor may deliver them."""
    GAP_SKIPPED = auto()
    """The same gap again after a replay: the statuses are lost, and the feed continues after them."""


class FeedCursor:
    """The last status applied of one user's feed, in the database that `epoch` names.

    With `full_history` the feed is always requested from its first status.
    """

    def __init__(self, *, full_history: bool) -> None:
        self._full_history = full_history
        self._gap_after: int | None = None
        self.epoch: str | None = None
        # None: nothing applied yet, so the relay chooses where the replay starts.
        self.seq: int | None = 0 if full_history else None

    def welcomed(self, frame: WelcomeFrame) -> bool:
        """Move to where the relay starts. False if the feed must be requested again, from its start."""
        if frame.epoch != self.epoch or not frame.resumed:
            self._gap_after = None
        self.epoch = frame.epoch
        if self._full_history and not frame.resumed:
            self.seq = 0
            return False
        self.seq = frame.after
        return True

    def has_reached(self, seq: int) -> bool:
        """Return whether the cursor is at this sequence number or above."""
        return (self.seq or 0) >= seq

    def advance(self, seq: int) -> SeqCheck:
        """Check a sequence number, and move to it if it continues the feed."""
        current = self.seq or 0
        if seq <= current:
            return SeqCheck.DUPLICATE
        if seq == current + 1:
            self.seq = seq
            return SeqCheck.NEXT
        if self._gap_after != current:
            self._gap_after = current
            return SeqCheck.GAP
        self.seq = seq
        return SeqCheck.GAP_SKIPPED
