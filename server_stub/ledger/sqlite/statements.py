"""The SQL statements of `store`, `feeds` and `compaction`. The schema is in `file`.

The joins are `CROSS JOIN`s, which SQLite runs in the order in which they are written.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from socket_bloc.order_status import ClientType

__all__ = [
    "COMPACT_FEEDS",
    "COMPACT_SENT",
    "COUNT_SORTED",
    "CREATE_SORTED",
    "END_COMPACTION",
    "END_ORDER",
    "FEED",
    "HEAD",
    "INSERT_ORDER",
    "INSERT_STATUS",
    "INSERT_USER",
    "OLDEST_OF",
    "OLDEST_OPEN",
    "ORDER",
    "SORT",
    "UNCOMPACTED",
    "UPDATE_ORDER",
    "USER_KEY",
    "duplicates",
]

_SELECT_ENTRIES: Final = (
    "SELECT s.by_client, c.id, v.id, s.client_seq, s.serviceman_seq,"
    " o.id, s.message_id, s.status, s.status_name, s.message, s.at"
)
_JOIN_ENTRIES: Final = (
    " CROSS JOIN orders o ON o.key = s.order_key"
    " CROSS JOIN users c ON c.key = s.client CROSS JOIN users v ON v.key = s.serviceman"
)
USER_KEY: Final = "SELECT key FROM users WHERE id = ? AND is_client = ?"
UNCOMPACTED: Final = (
    f"{_SELECT_ENTRIES} FROM statuses s {_JOIN_ENTRIES}"
    " WHERE s.key > (SELECT merged FROM relay) ORDER BY s.key"
)
FEED: Final = (
    f"{_SELECT_ENTRIES} FROM feeds f CROSS JOIN statuses s ON s.key = f.status {_JOIN_ENTRIES}"
    f" WHERE f.user = ({USER_KEY}) AND f.seq > ? AND f.seq < ? ORDER BY f.seq LIMIT ?"
)
HEAD: Final = "SELECT coalesce(max(seq), 0) FROM feeds WHERE user = "
OLDEST_OPEN: Final = {
    role: f"SELECT min({role}_first) FROM orders WHERE {role} = ({USER_KEY}) AND is_open"
    for role in ClientType
}
OLDEST_OF: Final = {
    role: f"SELECT min({role}_first) FROM orders WHERE {role} = ({USER_KEY})"
    " AND id IN (SELECT value FROM json_each(?))"
    for role in ClientType
}
ORDER: Final = (
    "SELECT o.key, c.id, v.id, o.status FROM orders o"
    " JOIN users c ON c.key = o.client JOIN users v ON v.key = o.serviceman WHERE o.id = ?"
)
INSERT_USER: Final = "INSERT INTO users (key, id, is_client) VALUES (?, ?, ?)"
INSERT_ORDER: Final = (
    "INSERT INTO orders (key, id, client, serviceman, client_first, serviceman_first, status, is_open)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 1)"
)
UPDATE_ORDER: Final = "UPDATE orders SET status = ? WHERE key = ?"
# Not with every status: to write `is_open` is to write both partial indexes, whether it changes or not.
END_ORDER: Final = "UPDATE orders SET is_open = 0 WHERE key = ?"
INSERT_STATUS: Final = (
    "INSERT INTO statuses (order_key, by_client, client, client_seq, serviceman, serviceman_seq,"
    " message_id, status, status_name, message, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# The rows of a compaction, in the order in which they go into `feeds` and `sent`. They are numbered from 1.
CREATE_SORTED: Final = (
    "PRAGMA temp_store = MEMORY",
    "CREATE TEMP TABLE sorted_feeds (user INTEGER, seq INTEGER, status INTEGER)",
    "CREATE TEMP TABLE sorted_sent (user INTEGER, message_id TEXT, status INTEGER)",
)
SORT: Final = (
    "DELETE FROM temp.sorted_feeds",
    "DELETE FROM temp.sorted_sent",
    "INSERT INTO temp.sorted_feeds"
    " SELECT client, client_seq, key FROM statuses WHERE key > (SELECT merged FROM relay)"
    " UNION ALL SELECT serviceman, serviceman_seq, key FROM statuses WHERE key > (SELECT merged FROM relay)"
    " ORDER BY 1, 2",
    "INSERT INTO temp.sorted_sent SELECT iif(by_client, client, serviceman), message_id, key FROM statuses"
    " WHERE key > (SELECT merged FROM relay) ORDER BY 1, 2",
)
COUNT_SORTED: Final = "SELECT count(*) FROM temp.sorted_sent"
# Rows that were written before a kill are skipped.
COMPACT_FEEDS: Final = (
    "INSERT OR IGNORE INTO feeds SELECT user, seq, status FROM temp.sorted_feeds"
    " WHERE rowid > ? AND rowid <= ? ORDER BY rowid"
)
COMPACT_SENT: Final = (
    "INSERT OR IGNORE INTO sent SELECT user, message_id, status FROM temp.sorted_sent"
    " WHERE rowid > ? AND rowid <= ? ORDER BY rowid"
)
END_COMPACTION: Final = (
    "UPDATE relay SET merged = coalesce((SELECT max(status) FROM temp.sorted_sent), merged)"
)


@cache
def duplicates(count: int) -> str:
    """Select the entries with one of `count` pairs of a sender's key and a message id.

    Each length is a statement of its own, which SQLite has to prepare: let there be few.
    """
    pairs = ",".join(["(?, ?)"] * count)
    return (
        f"WITH pair (user, message_id) AS (VALUES {pairs}) {_SELECT_ENTRIES} FROM pair p"
        " CROSS JOIN sent x ON x.user = p.user AND x.message_id = p.message_id"
        f" CROSS JOIN statuses s ON s.key = x.status {_JOIN_ENTRIES}"
    )
