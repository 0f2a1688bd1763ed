"""What the Python servers share: the model of a message, the rules of an order, and the database.

The same as in ../node/orders.js. It imports nothing of the project: a server runs in the peers' environment.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

__all__ = ["IllegalStatusError", "Send", "Status", "Store"]

_PLACED = 1001
_NEXT = {
    1001: {1004: "serviceman"},
    1004: {1005: "client"},
    1005: {1006: "serviceman"},
    1006: {1007: "client"},
    1007: {1010: "client"},
    1010: {1011: "serviceman"},
    1011: {1009: "client"},
    1009: {},
}
"""Who may send which status after which."""
_SCHEMA = """
CREATE TABLE orders (id TEXT PRIMARY KEY, client TEXT NOT NULL, serviceman TEXT NOT NULL,
  status INTEGER NOT NULL, updated_at INTEGER NOT NULL);
CREATE TABLE statuses (id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, status INTEGER NOT NULL,
  sender TEXT NOT NULL, message_id TEXT NOT NULL, body TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE INDEX statuses_of_order ON statuses (order_id);
"""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, serialize_by_alias=True)


class Status(_Model):
    """An order status."""

    order_status_as_string: Annotated[str, Field(max_length=64)]
    order_status_as_int: int
    message: Annotated[str, Field(max_length=4096)]
    sender_id: Annotated[str, Field(max_length=128)]
    receiver_id: Annotated[str, Field(max_length=128)]
    order_id: Annotated[str, Field(max_length=128)]


class Send(_Model):
    """What a user sends."""

    message_id: Annotated[str, Field(max_length=64)]
    order_status: Status


class IllegalStatusError(ValueError):
    """The order does not allow this status now."""


class Store:
    """The database; one commit for each status."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(os.environ["DATABASE"], isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)

    def commit(self, user_id: str, send: Send) -> str:
        """Commit one status; returns the user to pass it on to. Raises `IllegalStatusError`."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            receiver_id = self._write(user_id, send)
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        return receiver_id

    def _write(self, user_id: str, send: Send) -> str:
        execute, status, now = self._database.execute, send.order_status, int(time.time() * 1000)
        order_id, code, receiver_id = status.order_id, status.order_status_as_int, status.receiver_id
        row = execute("SELECT client, serviceman, status FROM orders WHERE id = ?", (order_id,)).fetchone()
        if row is None:
            if code != _PLACED:
                raise IllegalStatusError("unknown order")
            execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", (order_id, user_id, receiver_id, code, now))
        else:
            client, serviceman, current = row
            role = _NEXT[current].get(code)
            if role is None or user_id != (client if role == "client" else serviceman):
                raise IllegalStatusError("illegal transition")
            execute("UPDATE orders SET status = ?, updated_at = ? WHERE id = ?", (code, now, order_id))
            receiver_id = serviceman if role == "client" else client
        execute(
            "INSERT INTO statuses (order_id, status, sender, message_id, body, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (order_id, code, user_id, send.message_id, status.model_dump_json(), now),
        )
        return receiver_id
