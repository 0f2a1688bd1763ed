"""In-memory index of entries not yet merged into the per-user tables (a memtable).

The database holds every entry from its commit on, but in the order of the commits. Sorting each into the
per-user tables at once would touch one page for each of its two feeds, and another for its message id. So
they are sorted in by the thousand (see `compaction`), when many share a page; until then they are found
here. A process that starts loads them from the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from server_stub.records import Entry, User

__all__ = ["MemTable"]


class _Recent:
    """The entries of one user in a generation: their feed, and by message id what they have sent."""

    __slots__ = ("feed", "sent")

    def __init__(self) -> None:
        self.feed: list[Entry] = []
        self.sent: dict[str, Entry] = {}


class _Generation:
    """Entries that are compacted together."""

    __slots__ = ("size", "users")

    def __init__(self) -> None:
        self.size = 0
        self.users: defaultdict[User, _Recent] = defaultdict(_Recent)

    def entry(self, sender: User, message_id: str) -> Entry | None:
        recent = self.users.get(sender)
        return None if recent is None else recent.sent.get(message_id)

    def feed(self, user: User) -> Sequence[Entry]:
        recent = self.users.get(user)
        return () if recent is None else recent.feed


class MemTable:
    """Entries by user. Staged ones are found by their message id at once, in the feeds after the commit.

    While a compaction is under way there are two generations: the frozen entries that it sorts into the
    tables, and those that have come since.
    """

    def __init__(self) -> None:
        self._staged: list[Entry] = []
        self._active = _Generation()
        self._frozen: _Generation | None = None

    @property
    def size(self) -> int:
        """Entries in the feeds, frozen ones aside, plus one for each hundred characters of their messages."""
        return self._active.size

    @property
    def is_frozen(self) -> bool:
        """Whether there are frozen entries."""
        return self._frozen is not None

    def stage(self, entry: Entry) -> None:
        """Stage an entry of the open transaction."""
        self._staged.append(entry)
        self._active.users[entry.sender].sent[entry.message_id] = entry

    def after_commit(self) -> None:
        """Add what the transaction staged to the feeds."""
        active = self._active
        for entry in self._staged:
            active.users[entry.sender].feed.append(entry)
            active.users[entry.receiver].feed.append(entry)
            active.size += 1 + len(entry.message) // 100
        self._staged.clear()

    def rollback(self) -> None:
        """Discard what the transaction staged."""
        for entry in self._staged:
            del self._active.users[entry.sender].sent[entry.message_id]
        self._staged.clear()

    def freeze(self) -> None:
        """Begin a new generation; nothing may be staged, or frozen already."""
        self._frozen, self._active = self._active, _Generation()

    def drop_frozen(self) -> None:
        """Remove the frozen entries, when they can be read from the tables."""
        self._frozen = None

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """Look up what `sender` has sent under a message id."""
        entry = self._active.entry(sender, message_id)
        return entry if entry is not None or self._frozen is None else self._frozen.entry(sender, message_id)

    def feed(self, user: User) -> Sequence[Entry]:
        """Return the end of a user's feed, without a gap; empty if all of it is in the tables."""
        entries = self._active.feed(user)
        older = self._frozen.feed(user) if self._frozen is not None else None
        return [*older, *entries] if older else entries
