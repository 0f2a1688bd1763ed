"""The cursor into the feed: what is requested, which status is the next one, and how a gap is handled."""

from __future__ import annotations

import pytest

from socket_bloc.frames import WelcomeFrame
from socket_bloc.session.cursor import FeedCursor, SeqCheck
from socket_bloc.session.effects import ProtocolViolation
from socket_bloc.session.state import BackingOff, Live, Synchronising
from tests.socket_bloc.driver import (
    Build,
    Driver,
    connecting,
    live,
    own,
    status,
    synchronising,
    welcome,
    welcomed,
)
from tests.socket_bloc.simulation import cancelled, placed

DUPLICATE, NEXT, GAP, GAP_SKIPPED = SeqCheck


def cursor_at(seq: int) -> FeedCursor:
    """A cursor after a welcome."""
    cursor = FeedCursor(full_history=False)
    welcome_cursor(cursor, seq)
    return cursor


def welcome_cursor(cursor: FeedCursor, after: int, *, resumed: bool = True, epoch: str = "e1") -> None:
    cursor.welcomed(WelcomeFrame.from_json(welcome(after, resumed=resumed, epoch=epoch)))


# The cursor


def test_a_new_cursor_lets_the_relay_choose_the_start() -> None:
    cursor = FeedCursor(full_history=False)
    assert (cursor.seq, cursor.epoch) == (None, None)
    assert cursor.advance(1) is NEXT


def test_for_a_full_history_the_feed_is_requested_from_its_start() -> None:
    cursor = FeedCursor(full_history=True)
    assert (cursor.seq, cursor.epoch) == (0, None)


@pytest.mark.parametrize("resumed", [True, False])
def test_a_welcome_sets_the_cursor_and_the_epoch(resumed: bool) -> None:
    cursor = FeedCursor(full_history=False)
    assert cursor.welcomed(WelcomeFrame.from_json(welcome(17, 21, resumed=resumed, epoch="e2")))
    assert (cursor.seq, cursor.epoch) == (17, "e2")


@pytest.mark.parametrize(
    ("seqs", "checks", "seq"),
    [
        ([4, 5], [NEXT, NEXT], 5),
        ([3, 1, 4, 4], [DUPLICATE, DUPLICATE, NEXT, DUPLICATE], 4),
        ([5], [GAP], 3),
        ([5, 4, 5], [GAP, NEXT, NEXT], 5),
        ([5, 5, 6], [GAP, GAP_SKIPPED, NEXT], 6),
        ([5, 9, 10], [GAP, GAP_SKIPPED, NEXT], 10),
        ([5, 4, 6, 6], [GAP, NEXT, GAP, GAP_SKIPPED], 6),
        ([5, 5, 7, 7], [GAP, GAP_SKIPPED, GAP, GAP_SKIPPED], 7),
    ],
)
def test_a_sequence_number_is_checked_against_the_cursor(
    seqs: list[int], checks: list[SeqCheck], seq: int
) -> None:
    cursor = cursor_at(3)
    assert [cursor.advance(number) for number in seqs] == checks
    assert cursor.seq == seq


@pytest.mark.parametrize(
    ("resumed", "epoch", "check"), [(True, "e1", GAP_SKIPPED), (False, "e1", GAP), (True, "e2", GAP)]
)
def test_a_gap_is_skipped_only_if_the_same_feed_was_resumed(
    resumed: bool, epoch: str, check: SeqCheck
) -> None:
    cursor = cursor_at(3)
    assert cursor.advance(5) is GAP
    welcome_cursor(cursor, 3, resumed=resumed, epoch=epoch)
    assert cursor.advance(5) is check


def test_a_sequence_number_is_reached_if_the_cursor_is_at_it_or_above() -> None:
    cursor = cursor_at(3)
    assert [cursor.has_reached(seq) for seq in (0, 2, 3, 4)] == [True, True, True, False]
    assert FeedCursor(full_history=False).has_reached(0)
    assert not FeedCursor(full_history=False).has_reached(1)


# The rows of the session's table


def test_connecting_welcome_history_starts_too_late() -> None:
    driver = Driver(full_history=True)
    assert driver.connect() == ["open from 0"]
    assert driver.receive(welcome(4, 9, resumed=False)) == ["close", "reconnecting in 0.5"]
    assert driver.state is BackingOff
    assert driver.connect() == ["open from 0 of e1"]


@welcomed
def test_welcomed_status_next_to_the_cursor(build: Build) -> None:
    driver = build(placed("o-1", "m-1"), cancelled("o-1", "m-2"))
    driver.announces = False
    state = driver.state
    assert driver.receive(own(1, "m-1")) == ["status 1"]
    assert driver.state is state
    assert len(driver.outbox) == 2


@welcomed
def test_welcomed_status_at_or_below_the_cursor_an_answer(build: Build) -> None:
    driver = build(placed("o-1", "m-1"), cancelled("o-1", "m-2"))
    driver.announces = False
    driver.receive(status(1))
    state = driver.state
    assert driver.receive(own(1, "m-1")) == ["status 1"]
    assert driver.receive(own(1, "m-1")) == []
    assert driver.state is state
    assert len(driver.outbox) == 2
    assert driver.receive(status(2))[0] == "status 2"


@welcomed
def test_welcomed_status_at_or_below_the_cursor_otherwise(build: Build) -> None:
    driver = build()
    driver.receive(status(1))
    assert driver.receive(status(1)) == []
    assert driver.receive(own(1, "m-9")) == []
    assert driver.receive(status(2)) == ["status 2"]


@welcomed
def test_welcomed_status_after_a_gap(build: Build) -> None:
    driver = build(placed("o-1", "m-1"))
    driver.receive(status(1))
    assert driver.receive(own(3, "m-1"))[-2:] == ["close", "reconnecting in 0.5"]
    assert driver.state is BackingOff
    assert len(driver.outbox) == 1
    assert driver.connect() == ["open from 1 of e1"]


@welcomed
def test_welcomed_the_same_gap_again(build: Build) -> None:
    driver = build()
    driver.receive(status(2))
    driver.reconnect(welcome(0, 4))
    assert driver.receive(status(2)) == ["violation", "status 2"]
    assert driver.state is Synchronising
    assert driver.receive(status(3)) == ["status 3"]


@welcomed
def test_welcomed_invalid_status_with_a_seq(build: Build) -> None:
    driver = build()
    assert driver.receive('{"type":"status","seq":1}') == ["violation"]
    assert driver.receive(status(1)) == []
    assert driver.receive(status(2)) == ["status 2"]


# What the session requests


def test_a_session_requests_no_start_at_first_and_then_its_cursor() -> None:
    driver = Driver()
    assert driver.connect() == ["open"]
    driver.receive(welcome(7, resumed=False))
    driver.receive(status(8))
    driver.lose()
    assert driver.connect() == ["open from 8 of e1"]


def test_a_feed_that_is_not_resumed_starts_again_where_the_relay_says() -> None:
    driver = live()
    for seq in (1, 2, 3):
        driver.receive(status(seq))
    driver.lose()
    assert driver.reconnect(welcome(1, 3, resumed=False, epoch="e2")) == ["connected"]
    assert [driver.receive(status(seq)) for seq in (1, 2, 3)] == [[], ["status 2"], ["status 3"]]
    driver.lose()
    assert driver.connect() == ["open from 3 of e2"]


def test_a_full_history_is_requested_from_0_at_first_and_then_from_the_cursor() -> None:
    driver = Driver(full_history=True)
    assert driver.connect() == ["open from 0"]
    assert driver.receive(welcome(0, 2)) == ["connected"]
    assert driver.receive(status(1)) == ["status 1"]
    driver.lose()
    assert driver.connect() == ["open from 1 of e1"]


def test_a_full_history_in_another_database_is_requested_from_0_again() -> None:
    driver = Driver(full_history=True)
    driver.reconnect(welcome(0, 2))
    driver.receive(status(1))
    driver.lose()
    assert driver.reconnect(welcome(5, 9, resumed=False, epoch="e2"))[0] == "close"
    assert driver.wait(30) == ["open from 0 of e2"]
    assert driver.receive(welcome(0, 9, epoch="e2")) == ["connected"]
    assert driver.receive(status(1)) == ["status 1"]


# Gaps


def test_a_gap_that_the_replay_fills_is_not_reported() -> None:
    driver = synchronising(head=3)
    driver.receive(status(1))
    driver.receive(status(3))
    assert driver.reconnect(welcome(1, 3)) == ["connected"]
    assert [driver.receive(status(seq)) for seq in (2, 3)] == [["status 2"], ["status 3"]]
    assert driver.state is Live


def test_a_gap_that_remains_is_reported_and_skipped() -> None:
    driver = live()
    driver.receive(status(3))
    driver.reconnect(welcome(0, 3))
    assert driver.receive(status(3)) == ["violation", "status 3"]
    assert driver.effects[0] == ProtocolViolation(
        "the feed has no statuses between 0 and 3; continuing after the gap"
    )
    assert driver.state is Live


# Invalid statuses


def invalid(seq: int) -> str:
    return f'{{"type":"status","seq":{seq}}}'


def test_an_invalid_status_can_end_a_replay() -> None:
    driver = synchronising(placed("o-1", "m-1"), head=1)
    assert driver.receive(invalid(1)) == ["violation", "transmit m-1"]
    assert driver.state is Live


def test_an_invalid_status_continues_the_replay() -> None:
    driver = synchronising(head=3)
    driver.wait(9)
    driver.receive(invalid(1))
    assert driver.due_in == 10
    assert driver.state is Synchronising


def test_an_invalid_status_can_reveal_a_gap() -> None:
    driver = live()
    assert driver.receive(invalid(2)) == ["violation", "close", "reconnecting in 0.5"]
    assert driver.state is BackingOff
    assert driver.connect() == ["open from 0 of e1"]


def test_before_the_welcome_an_invalid_status_does_not_move_the_cursor() -> None:
    driver = connecting()
    assert driver.receive(invalid(5)) == ["violation"]
    driver.receive(welcome(0, 1))
    assert driver.receive(status(1)) == ["status 1"]
