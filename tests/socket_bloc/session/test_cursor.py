"""The place in the feed: what is asked for, which status is the next one, and what becomes of a gap."""

from __future__ import annotations

import pytest

from socket_bloc.frames import WelcomeFrame
from socket_bloc.session.cursor import Feed, Place
from socket_bloc.session.effects import Report
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

KNOWN, NEXT, GAP, NEXT_AFTER_LOSS = Place.KNOWN, Place.NEXT, Place.GAP, Place.NEXT_AFTER_LOSS


def feed_after(after: int, *, feed: Feed | None = None, resumed: bool = True, epoch: str = "e1") -> Feed:
    """A feed that has been welcomed."""
    feed = feed or Feed(full_history=False)
    feed.welcomed(WelcomeFrame.from_json(welcome(after, resumed=resumed, epoch=epoch)))
    return feed


# The cursor


def test_at_first_nothing_is_known_and_the_relay_chooses_the_start() -> None:
    feed = Feed(full_history=False)
    assert (feed.cursor, feed.epoch) == (None, None)
    assert feed.take(1) is NEXT


def test_of_a_full_history_the_first_status_is_asked_for() -> None:
    feed = Feed(full_history=True)
    assert (feed.cursor, feed.epoch) == (0, None)


@pytest.mark.parametrize("resumed", [True, False])
def test_a_welcome_sets_the_cursor_and_the_epoch(resumed: bool) -> None:
    feed = Feed(full_history=False)
    assert feed.welcomed(WelcomeFrame.from_json(welcome(17, 21, resumed=resumed, epoch="e2")))
    assert (feed.cursor, feed.epoch) == (17, "e2")


@pytest.mark.parametrize(
    ("seqs", "places", "cursor"),
    [
        ([4, 5], [NEXT, NEXT], 5),
        ([3, 1, 4, 4], [KNOWN, KNOWN, NEXT, KNOWN], 4),
        ([5], [GAP], 3),
        ([5, 4, 5], [GAP, NEXT, NEXT], 5),
        ([5, 5, 6], [GAP, NEXT_AFTER_LOSS, NEXT], 6),
        ([5, 9, 10], [GAP, NEXT_AFTER_LOSS, NEXT], 10),
        ([5, 4, 6, 6], [GAP, NEXT, GAP, NEXT_AFTER_LOSS], 6),
        ([5, 5, 7, 7], [GAP, NEXT_AFTER_LOSS, GAP, NEXT_AFTER_LOSS], 7),
    ],
)
def test_a_status_is_placed_by_its_number(seqs: list[int], places: list[Place], cursor: int) -> None:
    feed = feed_after(3)
    assert [feed.take(seq) for seq in seqs] == places
    assert feed.cursor == cursor


@pytest.mark.parametrize(
    ("resumed", "epoch", "place"), [(True, "e1", NEXT_AFTER_LOSS), (False, "e1", GAP), (True, "e2", GAP)]
)
def test_a_gap_is_known_again_only_where_the_same_feed_goes_on(
    resumed: bool, epoch: str, place: Place
) -> None:
    feed = feed_after(3)
    assert feed.take(5) is GAP
    feed_after(3, feed=feed, resumed=resumed, epoch=epoch)
    assert feed.take(5) is place


def test_a_status_has_been_reached_where_the_cursor_stands_at_it_or_behind() -> None:
    feed = feed_after(3)
    assert [feed.has_reached(seq) for seq in (0, 2, 3, 4)] == [True, True, True, False]
    assert Feed(full_history=False).has_reached(0)
    assert not Feed(full_history=False).has_reached(1)


# The rows of the session's table


def test_connecting_a_history_that_begins_too_late() -> None:
    driver = Driver(full_history=True)
    assert driver.connect() == ["open from 0"]
    assert driver.receive(welcome(4, 9, resumed=False)) == ["close", "reconnecting in 0.5"]
    assert driver.state is BackingOff
    assert driver.connect() == ["open from 0 of e1"]


@welcomed
def test_welcomed_status_next_to_the_cursor(build: Build) -> None:
    driver = build(placed("o-1", "m-1"), cancelled("o-1", "m-2"))
    state = driver.state
    assert driver.receive(own(1, "m-1")) == ["status 1"] + ["transmit m-2"] * (state is Live)
    assert driver.state is state
    assert [send.message_id for send in driver.outbox] == ["m-2"]


@welcomed
def test_welcomed_status_up_to_the_cursor_that_settles(build: Build) -> None:
    driver = build(placed("o-1", "m-1"), cancelled("o-1", "m-2"))
    driver.receive(status(1))
    state = driver.state
    assert driver.receive(own(1, "m-1")) == ["status 1"] + ["transmit m-2"] * (state is Live)
    assert driver.state is state
    assert [send.message_id for send in driver.outbox] == ["m-2"]
    assert driver.receive(status(2))[0] == "status 2"


@welcomed
def test_welcomed_status_up_to_the_cursor_otherwise(build: Build) -> None:
    driver = build()
    driver.receive(status(1))
    assert driver.receive(status(1)) == []
    assert driver.receive(own(1, "m-9")) == []
    assert driver.receive(status(2)) == ["status 2"]


@welcomed
def test_welcomed_status_behind_a_gap(build: Build) -> None:
    driver = build(placed("o-1", "m-1"))
    driver.receive(status(1))
    assert driver.receive(own(3, "m-1"))[-2:] == ["close", "reconnecting in 0.5"]
    assert driver.state is BackingOff
    assert len(driver.outbox) == 1
    assert driver.connect() == ["open from 1 of e1"]


@welcomed
def test_welcomed_the_same_gap_once_more(build: Build) -> None:
    driver = build()
    driver.receive(status(2))
    driver.reconnect(welcome(0, 4))
    assert driver.receive(status(2)) == ["report", "status 2"]
    assert driver.state is Synchronising
    assert driver.receive(status(3)) == ["status 3"]


@welcomed
def test_welcomed_status_without_sense_but_with_a_seq(build: Build) -> None:
    driver = build()
    assert driver.receive('{"type":"status","seq":1}') == ["report"]
    assert driver.receive(status(1)) == []
    assert driver.receive(status(2)) == ["status 2"]


# Where a session asks for its feed


def test_a_session_asks_first_for_nothing_and_then_from_its_cursor() -> None:
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


def test_a_full_history_is_asked_for_from_0_at_first_and_then_from_the_cursor() -> None:
    driver = Driver(full_history=True)
    assert driver.connect() == ["open from 0"]
    assert driver.receive(welcome(0, 2)) == ["connected"]
    assert driver.receive(status(1)) == ["status 1"]
    driver.lose()
    assert driver.connect() == ["open from 1 of e1"]


def test_a_full_history_in_another_database_is_asked_for_from_0_again() -> None:
    driver = Driver(full_history=True)
    driver.reconnect(welcome(0, 2))
    driver.receive(status(1))
    driver.lose()
    assert driver.reconnect(welcome(5, 9, resumed=False, epoch="e2"))[0] == "close"
    assert driver.wait(30) == ["open from 0 of e2"]
    assert driver.receive(welcome(0, 9, epoch="e2")) == ["connected"]
    assert driver.receive(status(1)) == ["status 1"]


# Gaps


def test_a_gap_that_is_filled_at_the_second_try_is_no_problem() -> None:
    driver = synchronising(head=3)
    driver.receive(status(1))
    driver.receive(status(3))
    assert driver.reconnect(welcome(1, 3)) == ["connected"]
    assert [driver.receive(status(seq)) for seq in (2, 3)] == [["status 2"], ["status 3"]]
    assert driver.state is Live


def test_a_gap_that_stays_is_reported_and_passed_over() -> None:
    driver = live()
    driver.receive(status(3))
    driver.reconnect(welcome(0, 3))
    assert driver.receive(status(3)) == ["report", "status 3"]
    assert driver.effects[0] == Report("the feed lacks what is between 0 and 3; it goes on without")
    assert driver.state is Live


# Statuses that cannot be read


def unreadable(seq: int) -> str:
    return f'{{"type":"status","seq":{seq}}}'


def test_a_replay_ends_with_a_status_that_cannot_be_read() -> None:
    driver = synchronising(placed("o-1", "m-1"), head=1)
    assert driver.receive(unreadable(1)) == ["report", "transmit m-1"]
    assert driver.state is Live


def test_a_status_that_cannot_be_read_keeps_the_replay_going() -> None:
    driver = synchronising(head=3)
    driver.wait(9)
    driver.receive(unreadable(1))
    assert driver.due_in == 10
    assert driver.state is Synchronising


def test_a_status_that_cannot_be_read_may_show_a_gap_too() -> None:
    driver = live()
    assert driver.receive(unreadable(2)) == ["report", "close", "reconnecting in 0.5"]
    assert driver.state is BackingOff
    assert driver.connect() == ["open from 0 of e1"]


def test_a_status_that_cannot_be_read_moves_no_cursor_before_the_welcome() -> None:
    driver = connecting()
    assert driver.receive(unreadable(5)) == ["report"]
    driver.receive(welcome(0, 1))
    assert driver.receive(status(1)) == ["status 1"]
