"""Both kinds of outbox: sends stay until they are settled.

What only the one in a file does is in `test_sqlite_outbox`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from socket_bloc.order_status import ClientType
from socket_bloc.outbox import MemoryOutbox, Outbox, Send
from socket_bloc.sqlite_outbox import SqliteOutbox
from tests.socket_bloc.simulation import cancelled, placed

MakeOutbox = Callable[..., Outbox]


@pytest.fixture(params=["memory", "sqlite"])
def outbox_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeOutbox]:
    """Create an outbox of each kind with these sends; those in files are closed in the end."""
    with ExitStack() as stack:

        def create(*sends: Send) -> Outbox:
            if request.param == "memory":
                outbox = MemoryOutbox()
            else:
                outbox = stack.enter_context(
                    closing(SqliteOutbox(tmp_path / f"{len(list(tmp_path.iterdir()))}.db"))
                )
            for send in sends:
                outbox.add(send)
            return outbox

        yield create


def test_a_new_outbox_is_empty(outbox_of: MakeOutbox) -> None:
    outbox = outbox_of()
    assert len(outbox) == 0
    assert list(outbox) == []
    assert "m-1" not in outbox


def test_sends_are_kept_in_the_order_in_which_they_were_added(outbox_of: MakeOutbox) -> None:
    sends = [placed("o-2", "m-9"), placed("o-1", "m-1"), cancelled("o-2", "m-5")]
    outbox = outbox_of(*sends)
    assert list(outbox) == sends
    assert len(outbox) == 3
    assert "m-9" in outbox


def test_the_same_send_again_is_kept_once_and_in_its_position(outbox_of: MakeOutbox) -> None:
    first, second = placed("o-1", "m-1"), placed("o-2", "m-2")
    assert list(outbox_of(first, second, placed("o-1", "m-1"))) == [first, second]


def test_another_send_under_the_same_message_id_is_an_error_and_changes_nothing(
    outbox_of: MakeOutbox,
) -> None:
    outbox = outbox_of(placed("o-1", "m-1"))
    with pytest.raises(ValueError, match=r"^message_id: it belongs to another unsettled status"):
        outbox.add(placed("o-2", "m-1"))
    assert list(outbox) == [placed("o-1", "m-1")]


def test_settling_a_send_removes_it_alone(outbox_of: MakeOutbox) -> None:
    outbox = outbox_of(placed("o-1", "m-1"), placed("o-2", "m-2"))
    outbox.settle("m-1")
    assert list(outbox) == [placed("o-2", "m-2")]
    assert "m-1" not in outbox
    outbox.add(cancelled("o-1", "m-1"))
    assert [send.message_id for send in outbox] == ["m-2", "m-1"]


def test_settling_an_unknown_message_id_changes_nothing(outbox_of: MakeOutbox) -> None:
    outbox = outbox_of(placed("o-1", "m-1"))
    outbox.settle("m-2")
    assert list(outbox) == [placed("o-1", "m-1")]


def test_sends_may_be_settled_and_added_during_an_iteration(outbox_of: MakeOutbox) -> None:
    outbox = outbox_of(placed("o-1", "m-1"), placed("o-2", "m-2"))
    listed: list[str] = []
    for send in outbox:
        outbox.settle(send.message_id)
        outbox.add(cancelled("o-1", f"after-{send.message_id}"))
        listed.append(send.message_id)
    assert listed == ["m-1", "m-2"]
    assert [send.message_id for send in outbox] == ["after-m-1", "after-m-2"]


def test_a_send_knows_when_it_was_added_and_is_equal_to_one_added_at_another_time(
    outbox_of: MakeOutbox,
) -> None:
    before = datetime.now(UTC)
    first = placed("o-1", "m-1")
    assert before <= first.added_at <= datetime.now(UTC)
    later = Send("m-1", first.order_status, first.added_at + timedelta(hours=1))
    assert later == first
    assert [send.added_at for send in outbox_of(first, later)] == [first.added_at]


def test_an_outbox_belongs_to_the_first_user_it_is_bound_to(outbox_of: MakeOutbox) -> None:
    outbox = outbox_of(placed("o-1", "m-1"))
    for _ in range(2):
        outbox.bind("c-17", ClientType.CLIENT)
    for other in (("c-18", ClientType.CLIENT), ("c-17", ClientType.SERVICEMAN)):
        with pytest.raises(ValueError, match=r"^outbox: .* belongs to another user"):
            outbox.bind(*other)


def test_what_is_unsettled_can_still_be_read_from_a_closed_outbox(outbox_of: MakeOutbox) -> None:
    outbox = outbox_of(placed("o-1", "m-1"))
    for _ in range(2):
        outbox.close()
    assert list(outbox) == [placed("o-1", "m-1")]


def test_a_sync_settles_nothing_else(outbox_of: MakeOutbox) -> None:
    outbox = outbox_of(placed("o-1", "m-1"), placed("o-2", "m-2"))
    outbox.settle("m-1")
    for _ in range(2):
        outbox.sync()
    assert list(outbox) == [placed("o-2", "m-2")]
