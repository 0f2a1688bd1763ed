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


def test_both_observers_are_told() -> None:
    own, other = Counting(), Counting()
    Observers(own, other).pushed(CLIENT, 7)
    assert own.pushes == other.pushes == [(CLIENT, 7)]


def test_an_observer_that_fails_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    own, other = Counting(), Failing()
    observers = Observers(own, other)
    observers.pushed(CLIENT, 7)
    observers.pushed(CLIENT, 8)
    assert own.pushes == other.pushes == [(CLIENT, 7), (CLIENT, 8)]
    assert "ZeroDivisionError" in caplog.text


def test_what_the_other_observer_does_not_override_costs_nothing() -> None:
    own = Counting()
    assert Observers(own, None).pushed == own.pushed
    assert Observers(own, RelayObserver()).pushed == own.pushed
    assert Observers(own, Counting()).connected == own.connected
