from __future__ import annotations

import pytest

from server_stub.observer import Observers, RelayObserver
from server_stub.records import User
from tests.server_stub.support import CLIENT


class Counting(RelayObserver):
    def __init__(self) -> None:
        self.pushes: list[tuple[User, int]] = []

    def pushed(self, user: User, seq: int) -> None:
        self.pushes.append((user, seq))


class Failing(Counting):
    def pushed(self, user: User, seq: int) -> None:
        super().pushed(user, seq)
        raise ZeroDivisionError


def test_both_observers_are_notified() -> None:
    own, other = Counting(), Counting()
    Observers(own, other).pushed(CLIENT, 7)
    assert own.pushes == other.pushes == [(CLIENT, 7)]


def test_the_exception_of_an_observer_is_logged_and_otherwise_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own, other = Counting(), Failing()
    observers = Observers(own, other)
    observers.pushed(CLIENT, 7)
    observers.pushed(CLIENT, 8)
    assert own.pushes == other.pushes == [(CLIENT, 7), (CLIENT, 8)]
    assert "ZeroDivisionError" in caplog.text


def test_hooks_that_are_not_overridden_cost_nothing() -> None:
    own = Counting()
    assert Observers(own, None).pushed == own.pushed
    assert Observers(own, RelayObserver()).pushed == own.pushed
    assert Observers(own, Counting()).connected == own.connected
