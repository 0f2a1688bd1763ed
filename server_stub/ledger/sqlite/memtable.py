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


class _Generation:
    """Entries that are compacted together."""

    __slots__ = ("feeds", "sent", "size")

    def __init__(self) -> None:
        self.size = 0
        self.sent: dict[tuple[User, str], Entry] = {}
        self.feeds: defaultdict[User, list[Entry]] = defaultdict(list)


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
        self._active.sent[entry.sender, entry.message_id] = entry

    def after_commit(self) -> None:
        """Add what the transaction staged to the feeds."""
        active = self._active
        for entry in self._staged:
            active.feeds[entry.sender].append(entry)
            active.feeds[entry.receiver].append(entry)
            active.size += 1 + len(entry.message) // 100
        self._staged.clear()

    def rollback(self) -> None:
        """Discard what the transaction staged."""
        for entry in self._staged:
            del self._active.sent[entry.sender, entry.message_id]
        self._staged.clear()

    def freeze(self) -> None:
        """Begin a new generation; nothing may be staged, or frozen already."""
        self._frozen, self._active = self._active, _Generation()

    def drop_frozen(self) -> None:
        """Remove the frozen entries, when they can be read from the tables."""
        self._frozen = None

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """Look up what `sender` has sent under a message id."""
        key = (sender, message_id)
        entry = self._active.sent.get(key)
        return entry if entry is not None or self._frozen is None else self._frozen.sent.get(key)

    def feed(self, user: User) -> Sequence[Entry]:
        """Return the end of a user's feed, without a gap; empty if all of it is in the tables."""
        entries = self._active.feeds.get(user, ())
        older = self._frozen.feeds.get(user) if self._frozen is not None else None
        return [*older, *entries] if older else entries
