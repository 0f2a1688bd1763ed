"""Queries, and what their rows stand for."""

from __future__ import annotations

import sqlite3
from typing import Any

from server_stub.ledger.sqlite.errors import describe
from server_stub.ledger.store import LedgerError
from server_stub.records import Entry, User
from socket_bloc.order_status import ClientType

__all__ = ["entry_of", "select", "user_row"]


def select(connection: sqlite3.Connection, query: str, *parameters: object) -> list[Any]:
    """Return the rows of a query. Raises `LedgerError`."""
    # All rows at once: a half-read query would hold its snapshot, and so block the checkpoint.
    try:
        return connection.execute(query, parameters).fetchall()
    except sqlite3.Error as error:
        raise LedgerError(f"SQLite: {describe(error)}") from None


def user_row(user: User) -> tuple[str, bool]:
    """Return the id of a user, and whether they are a client, as the table `users` has them."""
    return user.user_id, user.role is ClientType.CLIENT


def entry_of(row: Any) -> Entry:
    """Return the entry in a row that `statements` selects."""
    by_client, client_id, serviceman_id, client_seq, serviceman_seq, *rest = row
    client = User(client_id, ClientType.CLIENT)
    serviceman = User(serviceman_id, ClientType.SERVICEMAN)
    if by_client:
        return Entry(client, serviceman, client_seq, serviceman_seq, *rest)
    return Entry(serviceman, client, serviceman_seq, client_seq, *rest)
