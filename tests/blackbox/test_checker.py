"""Tests of the checker: it passes a valid history, and finds each planted violation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.blackbox.checker import Event, Received, Rejected, Replayed, Sent, violations
from tests.blackbox.words import order_status

CLIENT, SERVICEMAN = ("client", "c"), ("serviceman", "s")


def status(seq: int, message_id: str, name: str, **changes: Any) -> dict[str, Any]:
    ids = ("c", "s") if name != "ACCEPTED" else ("s", "c")
    full = order_status(name, "o", senderId=ids[0], receiverId=ids[1], **changes)
    return {"type": "status", "seq": seq, "messageId": message_id, "at": f"t{seq}", "orderStatus": full}


PLACED, ACCEPTED = status(1, "m1", "PLACED"), status(2, "m2", "ACCEPTED")
FEED = [PLACED, ACCEPTED]
SENDS = [
    Sent(CLIENT, "m1", order_status("PLACED", "o", receiverId="s")),
    Sent(SERVICEMAN, "m2", order_status("ACCEPTED", "o", senderId=None)),
]
ACKNOWLEDGED = [Received(CLIENT, PLACED), Received(SERVICEMAN, ACCEPTED)]
REPLAYED = [Replayed(CLIENT, FEED), Replayed(SERVICEMAN, FEED)]
GOOD: list[Event] = [*SENDS, *ACKNOWLEDGED, *REPLAYED]


def test_a_valid_history_has_no_violation() -> None:
    assert violations(GOOD) == []


def test_a_send_may_be_rejected_first_and_committed_later() -> None:
    early: list[Event] = [SENDS[1], Rejected(SERVICEMAN, "m2", "unknownOrder")]
    assert violations([*early, *GOOD]) == []


def test_a_send_may_be_rejected_and_stay_out() -> None:
    refused = Sent(CLIENT, "m3", order_status("PLACED", "o", receiverId="s"))
    assert violations([*GOOD, refused, Rejected(CLIENT, "m3", "orderExists")]) == []


def test_a_feed_that_has_grown_since_an_earlier_replay_is_good() -> None:
    assert violations([Replayed(CLIENT, [PLACED]), *GOOD]) == []


def _double() -> list[Event]:
    twice = [PLACED, ACCEPTED, {**ACCEPTED, "seq": 3}]
    return [*SENDS, *ACKNOWLEDGED, Replayed(CLIENT, twice), Replayed(SERVICEMAN, twice)]


def _out_of_turn() -> list[Event]:
    started = status(2, "m3", "STARTED")
    sent = Sent(CLIENT, "m3", order_status("STARTED", "o"))
    return [
        SENDS[0],
        sent,
        Received(CLIENT, PLACED),
        Received(CLIENT, started),
        Replayed(CLIENT, [PLACED, started]),
    ]


@pytest.mark.parametrize(
    ("history", "complaint"),
    [
        pytest.param(
            [*SENDS, *ACKNOWLEDGED, Replayed(CLIENT, [PLACED]), Replayed(SERVICEMAN, [PLACED])],
            "m2, acknowledged to ('serviceman', 's') as 2, is not in the feed",
            id="an acknowledged status is lost",
        ),
        pytest.param(
            [*GOOD, Received(CLIENT, {**ACCEPTED, "seq": 3})],
            "m2, shown to ('client', 'c') as 3, is not in the feed",
            id="a status was shown under another number",
        ),
        pytest.param(
            [*GOOD, Received(CLIENT, {**ACCEPTED, "at": "later"})],
            "m2, shown to ('client', 'c') as 2, is not in the feed",
            id="a status was shown with another time",
        ),
        pytest.param(
            [*SENDS, *ACKNOWLEDGED, Replayed(CLIENT, [PLACED, {**ACCEPTED, "seq": 3}])],
            "has a gap or a duplicate: [1, 3]",
            id="a gap in a feed",
        ),
        pytest.param(
            _double(), "m2 of ('serviceman', 's') was applied 2 times", id="a status is applied twice"
        ),
        pytest.param(
            [Replayed(CLIENT, FEED), *GOOD, Replayed(CLIENT, [ACCEPTED | {"seq": 1}, PLACED | {"seq": 2}])],
            "differs from an earlier replay",
            id="a feed is rewritten",
        ),
        pytest.param(
            [*GOOD, Sent(CLIENT, "m3", {})], "m3 of ('client', 'c') was never settled", id="no answer"
        ),
        pytest.param(
            [*GOOD, Sent(CLIENT, "m3", {}), Rejected(CLIENT, "m3", "unavailable")],
            "m3 of ('client', 'c') was never settled",
            id="an open outcome is left open",
        ),
        pytest.param(
            [*GOOD, Rejected(SERVICEMAN, "m2", "illegalTransition")],
            "m2 of ('serviceman', 's') was rejected, but is in a feed",
            id="a rejected status is committed",
        ),
        pytest.param(GOOD[1:], "nobody sent m1", id="a status out of nowhere"),
        pytest.param(
            [Sent(CLIENT, "m1", order_status("PLACED", "o", message="as I said it")), *GOOD[1:]],
            "nobody sent m1 as it is in the feed",
            id="a status is not as it was sent",
        ),
        pytest.param(
            [*SENDS, *ACKNOWLEDGED, Replayed(CLIENT, FEED), Replayed(SERVICEMAN, [PLACED])],
            "the parties of order o see different statuses",
            id="one side misses a status",
        ),
        pytest.param(
            [*GOOD, Replayed(("client", "nosy"), [PLACED])],
            "('client', 'nosy') sees m1, but is not a party to it",
            id="a stranger sees an order",
        ),
        pytest.param(_out_of_turn(), "in order o, STARTED follows PLACED", id="a status out of turn"),
        pytest.param(
            [
                SENDS[1],
                Received(SERVICEMAN, {**ACCEPTED, "seq": 1}),
                Replayed(SERVICEMAN, [{**ACCEPTED, "seq": 1}]),
            ],
            "in order o, ACCEPTED follows nothing",
            id="an order begins in the middle",
        ),
    ],
)
def test_the_checker_finds_a_planted_violation(history: list[Event], complaint: str) -> None:
    assert any(complaint in found for found in violations(history)), violations(history)
