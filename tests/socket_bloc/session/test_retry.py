"""The back-off and the count of disconnects in a row."""

from __future__ import annotations

import pytest

from socket_bloc.session.disconnect import RetryPolicy
from socket_bloc.session.retry import Retries, backoff

NEVER, ONCE, TWICE, ALWAYS = RetryPolicy


def new_retries() -> Retries:
    return Retries(lambda: 1.0)


def test_a_back_off_doubles_up_to_30_s() -> None:
    assert [backoff(tries, lambda: 1.0) for tries in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff(10_000, lambda: 1.0) == 30


@pytest.mark.parametrize(("jitter", "delay"), [(0.0, 0.0), (0.25, 1.0), (1.0, 4.0)])
def test_a_back_off_has_full_jitter(jitter: float, delay: float) -> None:
    assert backoff(3, lambda: jitter) == delay


def test_each_try_is_counted_and_waits_longer() -> None:
    retries = new_retries()
    assert [(retries.next_delay(), retries.tries) for _ in range(3)] == [(0.5, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (NEVER, [False, False]),
        (ONCE, [True, False]),
        (TWICE, [True, True, False]),
        (ALWAYS, [True] * 1000),
    ],
)
def test_a_policy_allows_so_many_disconnects_in_a_row(policy: RetryPolicy, allowed: list[bool]) -> None:
    retries = new_retries()
    assert [retries.allow(policy) for _ in allowed] == allowed


def test_another_kind_of_disconnect_ends_the_row() -> None:
    retries = new_retries()
    assert [retries.allow(policy) for policy in (ONCE, ALWAYS, ONCE, TWICE, ONCE, ONCE)] == [
        *[True] * 5,
        False,
    ]


def test_the_back_off_and_the_row_are_reset_on_their_own() -> None:
    retries = new_retries()
    retries.next_delay()
    retries.allow(ONCE)
    retries.reset_backoff()
    assert retries.tries == 0
    assert not retries.allow(ONCE)
    retries.next_delay()
    retries.reset_disconnects()
    assert retries.tries == 1
    assert retries.allow(ONCE)


def test_a_reset_resets_both() -> None:
    retries = new_retries()
    retries.next_delay()
    retries.allow(ONCE)
    retries.reset()
    assert retries.tries == 0
    assert retries.allow(ONCE)
