"""In-memory index of entries not yet merged into the per-user tables (a memtable).

The database holds every entry from its commit on, but in the order of the commits. Sorting each into the
per-user tables at once would touch one page for each of its two feeds, and another for its message id. So
they are sorted in by the thousand (`SqliteStore.compact`), when many share a page; until then they are
found here. A process that starts loads them from the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from server_stub.records import Entry, User

__all__ = ["MemTable"]


class MemTable:
    """Entries by user. Staged ones are found by their message id at once, in the feeds after the commit."""

    def __init__(self) -> None:
        self.size = 0
        """Entries in the feeds, plus one for each hundred characters of their messages."""
        self._staged: list[Entry] = []
        self._sent: dict[tuple[User, str], Entry] = {}
        self._feeds: defaultdict[User, list[Entry]] = defaultdict(list)

    def stage(self, entry: Entry) -> None:
        """Stage an entry of the open transaction."""
        self._staged.append(entry)
        self._sent[entry.sender, entry.message_id] = entry

    def after_commit(self) -> None:
        """Add what the transaction staged to the feeds."""
        for entry in self._staged:
            self._feeds[entry.sender].append(entry)
            self._feeds[entry.receiver].append(entry)
            self.size += 1 + len(entry.message) // 100
        self._staged.clear()

    def rollback(self) -> None:
        """Discard what the transaction staged."""
        for entry in self._staged:
            del self._sent[entry.sender, entry.message_id]
        self._staged.clear()

    def clear(self) -> None:
        """Remove all entries, after a compaction; nothing may be staged."""
        self.size = 0
        self._sent.clear()
        self._feeds.clear()

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """Look up what `sender` has sent under a message id."""
        return self._sent.get((sender, message_id))

    def feed(self, user: User) -> Sequence[Entry]:
        """Return the end of a user's feed, without a gap; empty if all of it is in the tables."""
        return self._feeds.get(user, ())
