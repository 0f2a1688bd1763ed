"""Fills an empty database of the relay with years of orders, by SQL, as the relay would leave it.

As many clients as servicemen, each with some 500 statuses. The orders of a block, one for each client, are
played side by side, so the statuses of an order, and those of a feed, lie far apart. All orders have ended,
but for those of two kinds of users, clients and servicemen of the same number:

- every 50th has an order from the first block that was never answered: a replay of theirs is the whole feed;
- every 10th has an order of the last block that stopped somewhere.

The schema is the relay's own: start a relay on a new file first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.relay_load import ORDER

__all__ = ["BYTES_PER_STATUS", "History", "fill"]

BYTES_PER_STATUS: Final = 400
"""Free disk space that is required."""
_STATUSES_PER_USER: Final = 500
_FEWEST_USERS: Final = 200

_PREPARE: Final = """
CREATE TEMP TABLE steps (step INTEGER PRIMARY KEY, name TEXT, status INTEGER, by_client INTEGER);
CREATE TEMP TABLE places (
  order_key INTEGER PRIMARY KEY, client INTEGER, serviceman INTEGER, client_first INTEGER,
  serviceman_first INTEGER, steps INTEGER
);
"""
_ADD_USERS: Final = """
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :users)
INSERT INTO users (key, id, is_client) SELECT n + 1, 'c-' || n, 1 FROM numbers
UNION ALL SELECT n + 1 + :users, 's-' || n, 0 FROM numbers
"""
# The serviceman of client n is n itself in the first and the last block, and another in each one between.
# A user with an unanswered order has one status in the first block, where the others have eight.
_PLACE: Final = """
WITH RECURSIVE
  clients (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM clients WHERE n + 1 < :users),
  partners (n, m) AS (SELECT n, (n + :block % (:blocks - 1)) % :users FROM clients)
INSERT INTO places SELECT
  :block * :users + n + 1, n + 1, m + 1 + :users,
  8 * :block + 1 - iif(:block AND n % 50 = 0, 7, 0),
  8 * :block + 1 - iif(:block AND m % 50 = 0, 7, 0),
  CASE WHEN :block = 0 AND n % 50 = 0 THEN 1
    WHEN :block = :blocks - 1 AND n % 10 = 0 THEN 1 + n / 10 % 7
    ELSE 8 END
FROM partners
"""
_ADD_ORDERS: Final = """
INSERT INTO orders (key, id, client, serviceman, client_first, serviceman_first, status, is_open)
SELECT order_key, lower(hex(randomblob(16))), client, serviceman, client_first, serviceman_first,
  (SELECT status FROM steps WHERE step = places.steps - 1), places.steps < 8
FROM places
"""
_ADD_STATUSES: Final = """
INSERT INTO statuses (order_key, by_client, client, client_seq, serviceman, serviceman_seq,
  message_id, status, status_name, message, at)
SELECT order_key, by_client, client, client_first + step, serviceman, serviceman_first + step,
  lower(hex(randomblob(16))), status, name, 'A status as a person would write it, of some sixty characters.',
  1700000000000000 + 1000 * (order_key * 8 + step)
FROM steps CROSS JOIN places WHERE step < places.steps
"""
# What the relay's compaction does.
_COMPACT: Final = (
    """
INSERT INTO feeds SELECT client, client_seq, key FROM statuses WHERE key > :after
UNION ALL SELECT serviceman, serviceman_seq, key FROM statuses WHERE key > :after ORDER BY 1, 2
""",
    """
INSERT INTO sent SELECT iif(by_client, client, serviceman), message_id, key FROM statuses
WHERE key > :after ORDER BY 1, 2
""",
)


@dataclass(frozen=True, kw_only=True)
class History:
    """What a filled database holds."""

    statuses: int
    users: int
    """Clients, and as many servicemen."""
    blocks: int

    @classmethod
    def of(cls, statuses: int) -> History:
        """A history of at least so many statuses, but for the orders that are still open."""
        users = max(statuses // _STATUSES_PER_USER, _FEWEST_USERS)
        blocks = max(-(-statuses // (len(ORDER) * users)), 3)
        idle = 7 * len(range(0, users, 50)) + sum(7 - n // 10 % 7 for n in range(0, users, 10))
        return cls(statuses=users * blocks * len(ORDER) - idle, users=users, blocks=blocks)

    def feed_length(self, number: int) -> int:
        """The statuses in the feed of the client, and of the serviceman, of this number."""
        length = self.blocks * len(ORDER)
        if number % 50 == 0:
            length -= 7
        return length - (7 - number // 10 % 7) if number % 10 == 0 else length

    def at_rest(self, count: int) -> list[int]:
        """The numbers of so many users, spread over all of them, who have no open order."""
        numbers = [number for number in range(self.users) if number % 10]
        return numbers[:: max(len(numbers) // count, 1)][:count]


def fill(database: Path, history: History, *, progress: Callable[[str], None]) -> None:
    """Add the history to a new database."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        # Half a database is of no use: it is made without a journal, and again if the machine fails.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(_PREPARE)
        rows = [(at, name, status, by == "client") for at, (name, status, by) in enumerate(ORDER)]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO temp.steps VALUES (?, ?, ?, ?)", rows)
        connection.execute(_ADD_USERS, {"users": history.users})
        last = 0
        for block in range(history.blocks):
            connection.execute("DELETE FROM temp.places")
            place = {"users": history.users, "block": block, "blocks": history.blocks}
            connection.execute(_PLACE, place)
            connection.execute(_ADD_ORDERS)
            connection.execute(_ADD_STATUSES)
            for statement in _COMPACT:
                connection.execute(statement, {"after": last})
            (last,) = connection.execute("SELECT max(key) FROM statuses").fetchone()
            if block % 10 == 0:
                progress(f"{last:,} of {history.statuses:,} statuses")
        connection.execute("UPDATE relay SET merged = ?", (last,))
        connection.execute("COMMIT")
    if last != history.statuses:
        raise SystemExit(f"{last} statuses were written, not {history.statuses}")
