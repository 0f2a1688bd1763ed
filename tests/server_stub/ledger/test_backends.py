from __future__ import annotations

from pathlib import Path

import pytest

from server_stub.ledger.backends import check_url, open_store
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.ledger.store import LedgerError


def test_the_scheme_of_a_url_picks_the_database(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/orders.db")
    assert isinstance(store, SqliteStore)
    assert (tmp_path / "orders.db").exists()
    store.close()


def test_a_database_that_cannot_be_opened_is_a_ledger_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no such directory"):
        open_store(f"sqlite:///{tmp_path}/nowhere/orders.db")


@pytest.mark.parametrize(
    "url", ["", "orders.db", "sqlite:///", "sqlite://orders.db", "redis://h/0", "SQLITE:///x"]
)
def test_an_invalid_url_is_rejected_with_what_to_use(url: str) -> None:
    with pytest.raises(ValueError, match=r"; use sqlite:///relative\.db or sqlite:////absolute\.db$"):
        check_url(url)


def test_checking_a_url_opens_nothing(tmp_path: Path) -> None:
    check_url(f"sqlite:///{tmp_path}/orders.db")
    assert list(tmp_path.iterdir()) == []
