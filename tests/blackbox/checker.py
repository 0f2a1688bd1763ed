"""Checks a recorded history against the guarantees of the protocol.

A history is what each user did and saw, in the order of each connection, whatever happened to the relay in
between. `violations` is a pure function over it and names each promise that was broken. At the end of the
history every send has been tried until it was settled, and each user's feed has been replayed from its
beginning.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.blackbox.words import FINAL_CODES, TABLE

__all__ = ["Event", "Received", "Rejected", "Replayed", "Sent", "User", "violations"]

User = tuple[str, str]
"""A role and an id."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """A user sent this status, for the first time or again."""

    user: User
    message_id: str
    order_status: Json


@dataclass(frozen=True)
class Received:
    """A user received a `status` frame. For the user's own status it is the acknowledgement."""

    user: User
    frame: Json


@dataclass(frozen=True)
class Rejected:
    """A user received a `rejected` frame."""

    user: User
    message_id: str
    code: str


@dataclass(frozen=True)
class Replayed:
    """A user's whole feed, from its first entry to its head at that time."""

    user: User
    frames: Sequence[Json]


Event = Sent | Received | Rejected | Replayed


def violations(history: Iterable[Event]) -> list[str]:
    """Return a description of each violation; an empty list for a valid history."""
    events = list(history)
    feeds: dict[User, Sequence[Json]] = {}
    found: list[str] = []
    for event in events:
        if isinstance(event, Replayed):
            found += _feed_violations(event)
            found += _shortened(event, feeds.get(event.user, ()))
            feeds[event.user] = event.frames
    found += _received_elsewhere(events, feeds)
    found += _sends_not_settled(events, feeds)
    found += _nobody_sent(events, feeds)
    found += _order_violations(feeds)
    return found


def _author(frame: Json) -> User:
    status = frame["orderStatus"]
    return TABLE[status["orderStatusAsString"]].sent_by, status["senderId"]


def _feed_violations(replay: Replayed) -> Iterator[str]:
    numbers = [frame["seq"] for frame in replay.frames]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the feed of {replay.user} has a gap or a duplicate: {numbers}"
    ids = Counter((_author(frame), frame["messageId"]) for frame in replay.frames)
    for (author, message_id), times in ids.items():
        if times > 1:
            yield f"{message_id} of {author} was applied {times} times in the feed of {replay.user}"


def _shortened(replay: Replayed, earlier: Sequence[Json]) -> Iterator[str]:
    if list(replay.frames[: len(earlier)]) != list(earlier):
        yield f"the feed of {replay.user} differs from an earlier replay"


def _received_elsewhere(events: list[Event], feeds: dict[User, Sequence[Json]]) -> Iterator[str]:
    """What a user has received must stay in the feed, above all an acknowledgement."""
    for event in events:
        if not isinstance(event, Received):
            continue
        seq, feed = event.frame["seq"], feeds.get(event.user, ())
        if seq > len(feed) or feed[seq - 1] != event.frame:
            how = "acknowledged to" if _author(event.frame) == event.user else "shown to"
            yield f"{event.frame['messageId']}, {how} {event.user} as {seq}, is not in the feed there"


def _sends_not_settled(events: list[Event], feeds: dict[User, Sequence[Json]]) -> Iterator[str]:
    """Each send ends as committed or as rejected, and never as both."""
    open_: set[tuple[User, str]] = set()
    refused: set[tuple[User, str]] = set()
    for event in events:
        match event:
            case Sent(user, message_id):
                open_.add((user, message_id))
                refused.discard((user, message_id))  # a rejection is not stored: the send may succeed now
            case Received(user, frame) if _author(frame) == user:
                open_.discard((user, frame["messageId"]))
            case Rejected(user, message_id, code) if code in FINAL_CODES:
                open_.discard((user, message_id))
                refused.add((user, message_id))
            case _:
                pass
    committed = {(_author(frame), frame["messageId"]) for feed in feeds.values() for frame in feed}
    for user, message_id in sorted(open_):
        yield f"{message_id} of {user} was never settled"
    for user, message_id in sorted(refused & committed):
        yield f"{message_id} of {user} was rejected, but is in a feed"


def _nobody_sent(events: list[Event], feeds: dict[User, Sequence[Json]]) -> Iterator[str]:
    """A feed holds what was sent, as it was sent, and nothing else."""
    sent: dict[tuple[User, str], list[Json]] = defaultdict(list)
    for event in events:
        if isinstance(event, Sent):
            sent[event.user, event.message_id].append(event.order_status)
    for user, feed in feeds.items():
        for frame in feed:
            status = frame["orderStatus"]
            attempts = sent[_author(frame), frame["messageId"]]
            if not any(_same(attempt, status) for attempt in attempts):
                yield f"nobody sent {frame['messageId']} as it is in the feed of {user}"


def _same(attempt: Json, committed: Json) -> bool:
    """Return whether it is what was sent, except for the ids that the relay fills in."""
    given = {name: value for name, value in attempt.items() if value is not None}
    return {**committed, **given} == committed


def _order_violations(feeds: dict[User, Sequence[Json]]) -> Iterator[str]:
    """Both parties see the same statuses of an order in the same order, and they follow the table."""
    views: dict[str, dict[User, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for user, feed in feeds.items():
        for frame in feed:
            status = frame["orderStatus"]
            views[status["orderId"]][user].append((status["orderStatusAsString"], frame["messageId"]))
            if user[1] not in (status["senderId"], status["receiverId"]):
                yield f"{user} sees {frame['messageId']}, but is not a party to it"
    for order_id, by_user in views.items():
        first, *others = by_user.values()
        if any(other != first for other in others):
            yield f"the parties of order {order_id} see different statuses: {dict(by_user)}"
        names: list[str | None] = [None, *(name for name, _ in first)]
        for before, after in pairwise(names):
            allowed = TABLE[str(after)].after
            if before not in allowed and (before, allowed) != (None, frozenset()):
                yield f"in order {order_id}, {after} follows {before or 'nothing'}"
