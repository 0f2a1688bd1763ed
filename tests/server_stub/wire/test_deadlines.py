from __future__ import annotations

import asyncio
import logging

import pytest

from server_stub.wire.deadlines import SLOT, TimerWheel
from tests.server_stub.support import Clock


class Someone:
    def __init__(self, problem: Exception | None = None) -> None:
        self.slot: int | None = None
        self.called_at: list[float] = []
        self._problem = problem

    def on_deadline(self, now: float) -> None:
        self.called_at.append(now)
        if self._problem:
            raise self._problem


def _pass(clock: Clock, wheel: TimerWheel, seconds: float) -> None:
    until = clock.seconds + seconds
    while clock.seconds < until:
        clock.seconds = min(clock.seconds + SLOT, until)
        wheel.advance()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wheel(clock: Clock) -> TimerWheel:
    return TimerWheel(clock)


def test_a_deadline_fires_once_never_early_and_at_most_a_slot_late(clock: Clock, wheel: TimerWheel) -> None:
    someone = Someone()
    at = clock.seconds + 10.1
    wheel.set(someone, at)
    _pass(clock, wheel, 20)
    assert len(someone.called_at) == 1
    assert at <= someone.called_at[0] <= at + SLOT


def test_a_deadline_that_is_set_again_replaces_the_first(clock: Clock, wheel: TimerWheel) -> None:
    earlier, later = Someone(), Someone()
    wheel.set(earlier, clock.seconds + 10)
    wheel.set(earlier, clock.seconds + 1)
    wheel.set(later, clock.seconds + 1)
    wheel.set(later, clock.seconds + 10)
    _pass(clock, wheel, 2)
    assert (len(earlier.called_at), len(later.called_at)) == (1, 0)
    _pass(clock, wheel, 18)
    assert (len(earlier.called_at), len(later.called_at)) == (1, 1)


def test_a_cancelled_deadline_never_fires(clock: Clock, wheel: TimerWheel) -> None:
    someone = Someone()
    wheel.set(someone, clock.seconds + 1)
    wheel.cancel(someone)
    wheel.cancel(someone)
    _pass(clock, wheel, 5)
    assert someone.called_at == []
    assert someone.slot is None


def test_a_deadline_in_the_past_fires_with_the_next_slot(clock: Clock, wheel: TimerWheel) -> None:
    someone = Someone()
    wheel.set(someone, clock.seconds - 100)
    _pass(clock, wheel, 2 * SLOT)
    assert len(someone.called_at) == 1


def test_after_a_long_stop_all_overdue_items_are_called_in_order(clock: Clock, wheel: TimerWheel) -> None:
    order: list[str] = []

    class Named(Someone):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def on_deadline(self, now: float) -> None:
            order.append(self.name)

    for name, seconds in (("third", 9), ("first", 1), ("second", 5)):
        wheel.set(Named(name), clock.seconds + seconds)
    clock.seconds += 1_000_000
    wheel.advance()
    assert order == ["first", "second", "third"]


def test_an_item_that_fails_does_not_keep_the_others_from_being_called(
    clock: Clock, wheel: TimerWheel, caplog: pytest.LogCaptureFixture
) -> None:
    people = [Someone(), Someone(ZeroDivisionError()), Someone()]
    for someone in people:
        wheel.set(someone, clock.seconds + 1)
    with caplog.at_level(logging.ERROR):
        _pass(clock, wheel, 2)
    assert [len(someone.called_at) for someone in people] == [1, 1, 1]
    assert "a deadline failed" in caplog.text


async def test_the_wheel_advances_until_it_is_stopped() -> None:
    loop = asyncio.get_running_loop()
    wheel = TimerWheel(loop.time)
    called = asyncio.Event()

    class Waiting(Someone):
        def on_deadline(self, now: float) -> None:
            called.set()

    wheel.start(loop)
    wheel.set(Waiting(), loop.time())
    await asyncio.wait_for(called.wait(), 10)
    wheel.stop()
    wheel.stop()
