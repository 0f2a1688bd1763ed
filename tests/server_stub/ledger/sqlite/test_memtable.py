from __future__ import annotations

from server_stub.ledger.sqlite.memtable import MemTable
from server_stub.records import Entry, User
from socket_bloc.order_status import ClientType
from tests.server_stub.support import CLIENT, SERVICEMAN

OTHER = User("s-2", ClientType.SERVICEMAN)


def _entry(seq: int, receiver: User = SERVICEMAN, message: str = "") -> Entry:
    return Entry(CLIENT, receiver, seq, 1, f"o-{seq}", f"m-{seq}", 1001, "PLACED", message, 0)


def test_staged_entries_are_found_by_message_id_and_in_no_feed() -> None:
    memtable = MemTable()
    memtable.stage(_entry(1))
    assert memtable.entry(CLIENT, "m-1") == _entry(1)
    assert memtable.entry(SERVICEMAN, "m-1") is None
    assert list(memtable.feed(CLIENT)) == []
    assert memtable.size == 0


def test_committed_entries_are_in_both_feeds() -> None:
    memtable = MemTable()
    for entry in (_entry(1), _entry(2, OTHER)):
        memtable.stage(entry)
    memtable.after_commit()
    assert list(memtable.feed(CLIENT)) == [_entry(1), _entry(2, OTHER)]
    assert list(memtable.feed(SERVICEMAN)) == [_entry(1)]
    assert list(memtable.feed(OTHER)) == [_entry(2, OTHER)]
    assert memtable.size == 2


def test_a_rollback_discards_the_staged_entries_only() -> None:
    memtable = MemTable()
    memtable.stage(_entry(1))
    memtable.after_commit()
    memtable.stage(_entry(2))
    memtable.rollback()
    memtable.after_commit()
    assert memtable.entry(CLIENT, "m-1") == _entry(1)
    assert memtable.entry(CLIENT, "m-2") is None
    assert list(memtable.feed(CLIENT)) == [_entry(1)]


def test_long_messages_count_for_more() -> None:
    memtable = MemTable()
    memtable.stage(_entry(1, message="x" * 4000))
    memtable.after_commit()
    assert memtable.size == 41


def test_frozen_entries_are_found_with_those_that_come_later_until_they_are_dropped() -> None:
    memtable = MemTable()
    memtable.stage(_entry(1))
    memtable.after_commit()
    memtable.freeze()
    assert (memtable.is_frozen, memtable.size) == (True, 0)
    assert list(memtable.feed(SERVICEMAN)) == [_entry(1)]
    memtable.stage(_entry(2, OTHER))
    memtable.after_commit()
    assert memtable.entry(CLIENT, "m-1") == _entry(1)
    assert memtable.entry(CLIENT, "m-2") == _entry(2, OTHER)
    assert memtable.entry(CLIENT, "m-3") is None
    assert list(memtable.feed(CLIENT)) == [_entry(1), _entry(2, OTHER)]
    assert list(memtable.feed(OTHER)) == [_entry(2, OTHER)]
    memtable.drop_frozen()
    assert (memtable.is_frozen, memtable.size) == (False, 1)
    assert memtable.entry(CLIENT, "m-1") is None
    assert list(memtable.feed(CLIENT)) == [_entry(2, OTHER)]
    assert list(memtable.feed(SERVICEMAN)) == []


def test_a_rollback_leaves_frozen_entries_where_they_are() -> None:
    memtable = MemTable()
    memtable.stage(_entry(1))
    memtable.after_commit()
    memtable.freeze()
    memtable.stage(_entry(2))
    memtable.rollback()
    assert memtable.entry(CLIENT, "m-2") is None
    assert list(memtable.feed(CLIENT)) == [_entry(1)]
