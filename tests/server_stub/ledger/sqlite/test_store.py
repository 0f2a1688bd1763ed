from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from server_stub.ledger.sqlite import store as sqlite
from server_stub.ledger.store import LedgerError
from server_stub.records import Duplicate, Entry, User
from socket_bloc.order_status import ClientType, StatusCode
from tests.server_stub.support import CLIENT, SERVICEMAN, WHOLE_ORDER, LedgerHarness, submission


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[LedgerHarness]:
    ledger = LedgerHarness(path)
    yield ledger
    ledger.store.close()


def _commit(ledger: LedgerHarness, *, order_id: str = "o-1", statuses: int = len(WHOLE_ORDER)) -> None:
    steps = WHOLE_ORDER[:statuses]
    ledger.commit(*[submission(user, f"{order_id}-{status}", status, order_id) for user, status in steps])


def _commit_without_end(ledger: LedgerHarness) -> None:
    for number in count():
        _commit(ledger, order_id=f"o-{number}", statuses=2)


def _rows(path: Path, query: str) -> list[tuple[int, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_what_is_committed_is_in_the_file_before_commit_returns(ledger: LedgerHarness, path: Path) -> None:
    ledger.stage(submission(CLIENT, "m-1"))
    assert _rows(path, "SELECT count(*) FROM statuses") == [(0,)]
    ledger.store.commit()
    assert _rows(path, "SELECT status, client_seq, serviceman_seq FROM statuses") == [(1001, 1, 1)]


def test_a_new_process_loads_what_was_not_compacted(path: Path) -> None:
    ledger = LedgerHarness(path)
    _commit(ledger)
    ledger.compact()
    _commit(ledger, order_id="o-2", statuses=3)
    feed = ledger.feed(SERVICEMAN, 0, 100)
    ledger.store.close()

    again = LedgerHarness(path)
    assert again.feed(SERVICEMAN, 0, 100) == feed
    sent_again = [submission(CLIENT, f"{order_id}-1001", order_id=order_id) for order_id in ("o-2", "o-1")]
    assert again.stage(*sent_again) == [Duplicate(feed[8]), Duplicate(feed[0])]
    again.store.rollback()
    _commit(again, order_id="o-3", statuses=1)
    assert again.feed(SERVICEMAN, 11, 100)[0].receiver_seq == 12
    again.store.close()


def test_a_database_that_cannot_be_loaded_is_an_error_and_closed_again(path: Path) -> None:
    LedgerHarness(path).store.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE orders RENAME TO elsewhere")
    with pytest.raises(LedgerError, match="no such table: orders"):
        LedgerHarness(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE elsewhere RENAME TO orders")
    LedgerHarness(path).store.close()


def test_what_was_evicted_from_the_caches_is_found_in_the_database(
    ledger: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CACHE_SIZE", 2)
    receivers = [User(f"s-{number}", ClientType.SERVICEMAN) for number in range(5)]
    for number, receiver in enumerate(receivers):
        ledger.commit(submission(CLIENT, f"m-{number}", order_id=f"o-{number}", receiver=receiver))
        ledger.compact()
    for number, receiver in enumerate(receivers):
        (outcome,) = ledger.commit(submission(receiver, "m", StatusCode.ACCEPTED, f"o-{number}"))
        assert outcome == ledger.feed(receiver, 1, 1)[0]
    assert [entry.seq(CLIENT) for entry in ledger.feed(CLIENT, 0, 100)] == list(range(1, 11))


def test_an_order_that_was_evicted_is_found_with_both_its_parties(
    ledger: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CACHE_SIZE", 2)
    for number in range(4):
        _commit(ledger, order_id=f"o-{number}", statuses=1)
    for number in range(4):
        accepted = submission(SERVICEMAN, f"m-{number}", StatusCode.ACCEPTED, f"o-{number}")
        (outcome,) = ledger.commit(accepted)
        assert isinstance(outcome, Entry)
        assert (outcome.receiver, outcome.receiver_seq, outcome.sender_seq) == (
            CLIENT,
            5 + number,
            5 + number,
        )


def test_the_ledger_is_unavailable_only_while_another_process_writes(
    ledger: LedgerHarness, path: Path
) -> None:
    _commit(ledger, statuses=1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked"):
        ledger.stage(submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED))
    assert len(ledger.feed(CLIENT, 0, 100)) == 1
    other.execute("ROLLBACK")
    other.close()
    _commit(ledger, order_id="o-2")


def test_a_full_disk_is_an_error_until_there_is_space_again(ledger: LedgerHarness) -> None:
    (pages,) = ledger.store._writer.execute("PRAGMA page_count").fetchone()
    ledger.store._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match="full"):
        _commit_without_end(ledger)
    feed = ledger.feed(CLIENT, 0, 10_000)
    assert [entry.seq(CLIENT) for entry in feed] == list(range(1, len(feed) + 1))
    ledger.store._writer.execute("PRAGMA max_page_count = 1000000")
    _commit(ledger, order_id="after")
    assert len(ledger.feed(CLIENT, len(feed), 100)) == len(WHOLE_ORDER)


def test_a_batch_that_is_larger_than_the_cache_writes_nothing_before_its_commit(
    ledger: LedgerHarness, path: Path
) -> None:
    wal = path.with_name("orders.db-wal")
    before = wal.stat()
    ledger.stage(
        *[submission(CLIENT, f"m-{n}", order_id=f"o-{n}", message="\u20ac" * 4096) for n in range(512)]
    )
    assert (wal.stat().st_size, wal.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    ledger.store.commit()
    assert wal.stat().st_size > before.st_size + 512 * 3 * 4096
    ledger.store.after_commit()
    assert len(ledger.feed(CLIENT)) == 512


def test_texts_are_stored_exactly_as_sent(ledger: LedgerHarness) -> None:
    odd = "\u202eRTL 😀 \u2028 'quoted\" \\ ; DROP TABLE statuses --\r\n\t\x7f\u00e9 e\u0301"
    sender = User(odd, ClientType.CLIENT)
    ledger.commit(submission(sender, odd, order_id=odd, message=odd))
    ledger.compact()
    (entry,) = ledger.feed(sender, 0, 1)
    assert (entry.sender.user_id, entry.message_id, entry.order_id, entry.message) == (odd, odd, odd, odd)
    assert ledger.stage(submission(sender, odd, order_id=odd, message=odd)) == [Duplicate(entry)]
    ledger.store.rollback()
