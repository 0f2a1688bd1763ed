from __future__ import annotations

import time
from unittest.mock import patch
from uuid import RFC_4122, UUID

from socket_bloc.ids import new_id


def test_an_id_is_a_uuid_of_version_7() -> None:
    value = UUID(new_id())
    assert (value.version, value.variant) == (7, RFC_4122)


def test_no_two_ids_are_equal() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_a_later_id_sorts_behind_an_earlier_one() -> None:
    now = time.time_ns()
    with patch("time.time_ns", lambda: now):
        earlier = new_id()
    with patch("time.time_ns", lambda: now + 1_000_000):
        assert new_id() > earlier
