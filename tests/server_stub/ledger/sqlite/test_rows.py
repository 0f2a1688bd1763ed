from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from server_stub.ledger.sqlite.rows import entry_of, select, user_row
from server_stub.ledger.store import LedgerError
from server_stub.records import Entry
from tests.server_stub.support import CLIENT, SERVICEMAN


def test_a_query_returns_its_rows() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert select(connection, "SELECT ? UNION ALL SELECT ?", 1, "a") == [(1,), ("a",)]


def test_a_query_that_fails_is_a_ledger_error() -> None:
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(LedgerError, match="SQLite: no such table: nowhere"),
    ):
        select(connection, "SELECT * FROM nowhere")


def test_the_row_of_a_user_tells_the_roles_apart() -> None:
    assert [user_row(user) for user in (CLIENT, SERVICEMAN)] == [("c-1", True), ("s-1", False)]


@pytest.mark.parametrize(
    ("by_client", "entry"),
    [
        (1, Entry(CLIENT, SERVICEMAN, 3, 5, "o-1", "m-1", 1001, "PLACED", "hello", 7)),
        (0, Entry(SERVICEMAN, CLIENT, 5, 3, "o-1", "m-1", 1001, "PLACED", "hello", 7)),
    ],
)
def test_an_entry_has_the_sender_and_the_numbers_of_its_row(by_client: int, entry: Entry) -> None:
    assert entry_of((by_client, "c-1", "s-1", 3, 5, "o-1", "m-1", 1001, "PLACED", "hello", 7)) == entry
