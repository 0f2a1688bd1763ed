from __future__ import annotations

from typing import Any, cast

import pytest

from server_stub.wire.work import ITERATION, WorkQueue
from tests.server_stub.support import Clock, ManualLoop


class Harness:
    """A queue on a loop and a clock that a test moves."""

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.clock = Clock()
        self.queue = WorkQueue(cast(Any, self.loop), self.clock)
        self.done: list[str] = []

    def add(self, name: str, *, seconds: float = 0.0) -> None:
        def piece() -> None:
            self.clock.seconds += seconds
            self.done.append(name)

        self.queue.add(piece)


def test_work_is_done_in_the_next_iteration_in_order() -> None:
    harness = Harness()
    harness.add("a")
    harness.add("b")
    assert harness.done == []
    assert harness.loop.iterate()
    assert harness.done == ["a", "b"]
    assert not harness.loop.iterate()


def test_an_iteration_ends_when_its_time_is_over_and_the_rest_follows() -> None:
    harness = Harness()
    for name in "abc":
        harness.add(name, seconds=ITERATION * 0.6)
    harness.loop.iterate()
    assert harness.done == ["a", "b"]
    harness.loop.iterate()
    assert harness.done == ["a", "b", "c"]


def test_what_a_piece_adds_waits_for_another_iteration() -> None:
    harness = Harness()
    harness.queue.add(lambda: harness.add("later"))
    harness.loop.iterate()
    assert harness.done == []
    harness.loop.iterate()
    assert harness.done == ["later"]


def test_a_piece_that_fails_is_logged_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    harness = Harness()
    harness.queue.add(lambda: [].remove(1))
    harness.add("next")
    harness.loop.iterate()
    assert harness.done == ["next"]
    assert "a piece of work failed" in caplog.text
