"""The youngest entries, in memory: those that the database holds, but has not yet sorted by user.

Sorted into the database one by one, each entry would touch a page of its own for each of its two feeds,
and another for its message id. So they are sorted in by the thousand (`SqliteStore.compact`), when many go
to the same page, and until then they are found here. A process that starts finds them in the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from server_stub.records import Entry, User

__all__ = ["MemTable"]


class MemTable:
    """Entries by user. What is staged is known by its message id at once; in the feeds, when it is true."""

    def __init__(self) -> None:
        self.size = 0
        """Entries in the feeds, and their characters by the hundred."""
        self._staged: list[Entry] = []
        self._sent: dict[tuple[User, str], Entry] = {}
        self._feeds: defaultdict[User, list[Entry]] = defaultdict(list)

    def stage(self, entry: Entry) -> None:
        """Add an entry that may still come to nothing."""
        self._staged.append(entry)
        self._sent[entry.sender, entry.message_id] = entry

    def after_commit(self) -> None:
        """What is staged is true."""
        for entry in self._staged:
            self._feeds[entry.sender].append(entry)
            self._feeds[entry.receiver].append(entry)
            self.size += 1 + len(entry.message) // 100
        self._staged.clear()

    def rollback(self) -> None:
        """What is staged has come to nothing."""
        for entry in self._staged:
            del self._sent[entry.sender, entry.message_id]
        self._staged.clear()

    def clear(self) -> None:
        """The database has sorted all of them; nothing is staged."""
        self.size = 0
        self._sent.clear()
        self._feeds.clear()

    def entry(self, sender: User, message_id: str) -> Entry | None:
        """What `sender` has sent under this message id."""
        return self._sent.get((sender, message_id))

    def feed(self, user: User) -> Sequence[Entry]:
        """The end of the feed of `user`, without a gap; empty where none of it is recent."""
        return self._feeds.get(user, ())
