from __future__ import annotations

from server_stub.ledger.sqlite.memtable import Recent
from server_stub.records import Entry, User
from socket_bloc.order_status import ClientType
from tests.server_stub.support import CLIENT, SERVICEMAN

OTHER = User("s-2", ClientType.SERVICEMAN)


def _entry(seq: int, receiver: User = SERVICEMAN, message: str = "") -> Entry:
    return Entry(CLIENT, receiver, seq, 1, f"o-{seq}", f"m-{seq}", 1001, "PLACED", message, 0)


def test_what_is_staged_is_known_by_its_message_id_and_in_no_feed() -> None:
    recent = Recent()
    recent.stage(_entry(1))
    assert recent.entry(CLIENT, "m-1") == _entry(1)
    assert recent.entry(SERVICEMAN, "m-1") is None
    assert list(recent.feed(CLIENT)) == []
    assert recent.size == 0


def test_what_is_settled_is_in_the_feeds_of_both() -> None:
    recent = Recent()
    for entry in (_entry(1), _entry(2, OTHER)):
        recent.stage(entry)
    recent.settle()
    assert list(recent.feed(CLIENT)) == [_entry(1), _entry(2, OTHER)]
    assert list(recent.feed(SERVICEMAN)) == [_entry(1)]
    assert list(recent.feed(OTHER)) == [_entry(2, OTHER)]
    assert recent.size == 2


def test_what_comes_to_nothing_is_forgotten_and_nothing_else() -> None:
    recent = Recent()
    recent.stage(_entry(1))
    recent.settle()
    recent.stage(_entry(2))
    recent.unstage()
    recent.settle()
    assert recent.entry(CLIENT, "m-1") == _entry(1)
    assert recent.entry(CLIENT, "m-2") is None
    assert list(recent.feed(CLIENT)) == [_entry(1)]


def test_long_messages_count_for_more() -> None:
    recent = Recent()
    recent.stage(_entry(1, message="x" * 4000))
    recent.settle()
    assert recent.size == 41


def test_nothing_is_left_when_it_is_cleared() -> None:
    recent = Recent()
    recent.stage(_entry(1))
    recent.settle()
    recent.clear()
    assert (recent.entry(CLIENT, "m-1"), list(recent.feed(CLIENT)), recent.size) == (None, [], 0)
