from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server_stub.ledger.sqlite import compaction
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.ledger.store import LedgerError
from server_stub.records import Duplicate, Entry, FeedStart, Outcome, Submission, User
from socket_bloc.order_flow import ORDER_FLOW, OrderRecord
from socket_bloc.order_status import ClientType, Rejection, RejectionCode, StatusCode
from tests.server_stub.support import CLIENT, SERVICEMAN, WHOLE_ORDER, LedgerHarness, submission

OTHER_CLIENT = User("c-2", ClientType.CLIENT)
OTHER_SERVICEMAN = User("s-2", ClientType.SERVICEMAN)
NOW = 1_795_341_672_345_678


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerHarness]:
    ledger = LedgerHarness(tmp_path / "orders.db", NOW)
    yield ledger
    ledger.store.close()


def _rejection(outcome: Outcome) -> tuple[RejectionCode, int | None]:
    assert isinstance(outcome, Rejection)
    return outcome.code, outcome.current_status


def test_a_whole_order_reaches_both_feeds_with_the_numbers_of_each(ledger: LedgerHarness) -> None:
    ledger.commit(submission(CLIENT, "other", order_id="o-0", receiver=OTHER_SERVICEMAN))
    submissions = [submission(user, f"m-{status}", status) for user, status in WHOLE_ORDER]
    entries = ledger.commit(*submissions)
    assert entries[0] == Entry(
        sender=CLIENT,
        receiver=SERVICEMAN,
        sender_seq=2,
        receiver_seq=1,
        order_id="o-1",
        message_id="m-1001",
        status=1001,
        status_name="PLACED",
        message="",
        at=NOW,
    )
    assert ledger.feed(SERVICEMAN, 0, 100) == entries
    assert ledger.feed(CLIENT, 1, 100) == entries
    assert [entry.seq(CLIENT) for entry in ledger.feed(CLIENT, 0, 100)] == list(range(1, 10))
    assert [entry.seq(SERVICEMAN) for entry in ledger.feed(SERVICEMAN, 0, 100)] == list(range(1, 9))


def test_nothing_can_be_read_before_after_commit(ledger: LedgerHarness) -> None:
    ledger.stage(submission(CLIENT, "m-1"))
    assert ledger.feed(CLIENT, 0, 100) == []
    ledger.store.commit()
    assert ledger.feed(CLIENT, 0, 100) == []
    assert ledger.open_feed(CLIENT, 0, None) == FeedStart(0, 0, resumed=True)
    ledger.store.after_commit()
    assert len(ledger.feed(CLIENT, 0, 100)) == 1
    assert ledger.open_feed(CLIENT, 0, None) == FeedStart(0, 1, resumed=True)


def test_a_batch_that_is_rolled_back_leaves_no_trace(ledger: LedgerHarness) -> None:
    ledger.commit(submission(CLIENT, "m-1"))
    again = [
        submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED),
        submission(OTHER_CLIENT, "m-1", order_id="o-2"),
    ]
    first = ledger.stage(*again)
    ledger.store.rollback()
    assert [entry.seq(CLIENT) for entry in ledger.feed(CLIENT, 0, 100)] == [1]
    assert ledger.feed(OTHER_CLIENT, 0, 100) == []
    assert ledger.commit(*again) == first


def test_each_submission_of_a_batch_sees_the_outcome_of_those_before_it(ledger: LedgerHarness) -> None:
    placed = submission(CLIENT, "m-1")
    outcomes = ledger.commit(
        placed,
        placed,
        submission(CLIENT, "m-1", message="something else"),
        submission(CLIENT, "m-2"),
        submission(CLIENT, "m-3", StatusCode.CANCELLED),
        submission(SERVICEMAN, "m-1", StatusCode.ACCEPTED),
    )
    entry = outcomes[0]
    assert isinstance(entry, Entry)
    assert outcomes[1] == Duplicate(entry)
    assert _rejection(outcomes[2]) == (RejectionCode.MESSAGE_ID_REUSED, StatusCode.PLACED)
    assert _rejection(outcomes[3]) == (RejectionCode.ORDER_EXISTS, StatusCode.PLACED)
    assert isinstance(outcomes[4], Entry)
    assert _rejection(outcomes[5]) == (RejectionCode.ILLEGAL_TRANSITION, StatusCode.CANCELLED)


def test_a_message_id_belongs_to_one_user(ledger: LedgerHarness) -> None:
    twin = User(CLIENT.user_id, ClientType.SERVICEMAN)
    first, second, third = ledger.commit(
        submission(CLIENT, "m-1"),
        submission(OTHER_CLIENT, "m-1", order_id="o-2", receiver=twin),
        submission(twin, "m-1", StatusCode.ACCEPTED, order_id="o-2"),
    )
    assert [type(outcome) for outcome in (first, second, third)] == [Entry, Entry, Entry]


@pytest.mark.parametrize(
    ("again", "is_same"),
    [
        (submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED, message="On my way"), True),
        (submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED, message="On my way", receiver=CLIENT), True),
        (
            submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED, message="On my way", receiver=OTHER_CLIENT),
            False,
        ),
        (submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED, message="on my way"), False),
        (submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED, message="On my way", order_id="o-2"), False),
        (submission(SERVICEMAN, "m-2", StatusCode.ORDER_CHANGED, message="On my way"), False),
    ],
)
def test_a_status_is_a_duplicate_if_it_matches_once_its_gaps_are_filled_in(
    ledger: LedgerHarness, again: Submission, is_same: bool
) -> None:
    _, entry = ledger.commit(
        submission(CLIENT, "m-1"),
        submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED, message="On my way"),
    )
    ledger.commit(submission(CLIENT, "m-3", StatusCode.STARTED))
    (outcome,) = ledger.commit(again)
    if is_same:
        assert outcome == Duplicate(entry)
    else:
        assert isinstance(outcome, Rejection)
        assert outcome.code is RejectionCode.MESSAGE_ID_REUSED


def test_a_rejection_names_the_status_of_an_order_only_to_its_parties(
    ledger: LedgerHarness,
) -> None:
    ledger.commit(submission(CLIENT, "m-1"))
    forged = submission(CLIENT, "m-2", StatusCode.ACCEPTED)
    assert forged.refusal is not None
    outcomes = ledger.commit(
        forged,
        forged._replace(sender=OTHER_CLIENT),
        forged._replace(order_id="nowhere"),
        submission(CLIENT, "m-1", order_id="nowhere"),
        submission(OTHER_CLIENT, "m-2"),
        submission(OTHER_SERVICEMAN, "m-2", StatusCode.ACCEPTED),
        submission(SERVICEMAN, "m-2", StatusCode.ACCEPTED, receiver=OTHER_CLIENT),
    )
    assert [_rejection(outcome) for outcome in outcomes] == [
        (RejectionCode.WRONG_ROLE, StatusCode.PLACED),
        (RejectionCode.WRONG_ROLE, None),
        (RejectionCode.WRONG_ROLE, None),
        (RejectionCode.MESSAGE_ID_REUSED, None),
        (RejectionCode.ORDER_EXISTS, None),
        (RejectionCode.UNKNOWN_ORDER, None),
        (RejectionCode.WRONG_RECEIVER, StatusCode.PLACED),
    ]


def test_a_feed_starts_at_since_if_the_ledger_can_resume_from_there(ledger: LedgerHarness) -> None:
    ledger.commit(*[submission(user, f"m-{status}", status) for user, status in WHOLE_ORDER])
    epoch = ledger.feeds.epoch
    assert ledger.open_feed(CLIENT, 5, epoch) == FeedStart(5, 8, resumed=True)
    assert ledger.open_feed(CLIENT, 8, epoch) == FeedStart(8, 8, resumed=True)
    assert ledger.open_feed(CLIENT, 0, None) == FeedStart(0, 8, resumed=True)
    assert ledger.open_feed(CLIENT, 0, "another") == FeedStart(0, 8, resumed=True)
    for since, name in (
        (9, epoch),
        (10**19 - 1, epoch),
        (5, "another"),
        (5, None),
        (None, epoch),
        (None, None),
    ):
        assert ledger.open_feed(CLIENT, since, name) == FeedStart(8, 8, resumed=False)
    assert ledger.open_feed(OTHER_CLIENT, None, None) == FeedStart(0, 0, resumed=False)


def test_a_new_feed_starts_before_the_oldest_order_that_is_still_open(ledger: LedgerHarness) -> None:
    ledger.commit(submission(CLIENT, "m-1", order_id="o-1"), submission(CLIENT, "m-2", order_id="o-2"))
    ledger.commit(
        submission(CLIENT, "m-3", order_id="o-3"),
        submission(CLIENT, "m-4", StatusCode.CANCELLED, "o-1"),
    )
    assert ledger.open_feed(CLIENT, None, None) == FeedStart(1, 4, resumed=False)
    ledger.commit(submission(CLIENT, "m-5", StatusCode.CANCELLED, "o-2"))
    assert ledger.open_feed(SERVICEMAN, None, None) == FeedStart(2, 5, resumed=False)
    ledger.commit(submission(CLIENT, "m-6", StatusCode.CANCELLED, "o-3"))
    assert ledger.open_feed(CLIENT, None, None) == FeedStart(6, 6, resumed=False)


@pytest.mark.parametrize(("ended", "after"), [("o-1", 1), ("o-2", 0)])
def test_an_order_is_open_to_readers_until_the_commit_that_ends_it_is_known(
    ledger: LedgerHarness, ended: str, after: int
) -> None:
    ledger.commit(submission(CLIENT, "m-1", order_id="o-1"), submission(CLIENT, "m-2", order_id="o-2"))
    ledger.stage(submission(CLIENT, "m-3", StatusCode.CANCELLED, ended))
    ledger.store.commit()
    assert ledger.open_feed(CLIENT, None, None) == FeedStart(0, 2, resumed=False)
    assert ledger.open_feed(OTHER_CLIENT, None, None) == FeedStart(0, 0, resumed=False)
    ledger.store.after_commit()
    assert ledger.open_feed(CLIENT, None, None) == FeedStart(after, 3, resumed=False)


def test_a_store_that_fails_midway_leaves_nothing_staged(
    ledger: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_store: SqliteStore) -> None:
        raise LedgerError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "write", broken)
        with pytest.raises(LedgerError):
            ledger.stage(submission(CLIENT, "m-1"))
    assert ledger.commit(submission(CLIENT, "m-1"))[0] == ledger.feed(CLIENT, 0, 1)[0]


# Any history, against a model that fits in a few lines.

USERS = [
    User(user_id, role)
    for role, ids in ((ClientType.CLIENT, "ab"), (ClientType.SERVICEMAN, "bc"))
    for user_id in ids
]
SUBMISSIONS = st.builds(
    submission,
    st.sampled_from(USERS),
    st.sampled_from([f"m-{number}" for number in range(12)]),
    st.sampled_from(list(StatusCode)),
    st.sampled_from(["o-1", "o-2", "o-3"]),
    st.sampled_from([None, *USERS]),
    st.sampled_from(["", "x", "y" * 150]),
)


@dataclass
class Model:
    """What the ledger must contain, in the simplest form."""

    entries: list[Entry] = field(default_factory=list[Entry])

    def feed(self, user: User) -> list[Entry]:
        return [entry for entry in self.entries if user in (entry.sender, entry.receiver)]

    def order(self, order_id: str) -> OrderRecord | None:
        said = [entry for entry in self.entries if entry.order_id == order_id]
        if not said:
            return None
        parties = {user.role: user.user_id for user in (said[0].sender, said[0].receiver)}
        return OrderRecord(parties[ClientType.CLIENT], parties[ClientType.SERVICEMAN], said[-1].status)

    def first_open(self, user: User) -> int | None:
        feed = self.feed(user)
        is_open = {entry.order_id: ORDER_FLOW.is_open(entry.status) for entry in feed}
        return next((seq for seq, entry in enumerate(feed, start=1) if is_open[entry.order_id]), None)

    def judge(self, wanted: Submission) -> Outcome | RejectionCode:
        order = self.order(wanted.order_id)
        if wanted.refusal:
            return wanted.refusal.code
        for entry in self.entries:
            if (entry.sender, entry.message_id) == (wanted.sender, wanted.message_id):
                is_same = entry.matches(wanted)
                return Duplicate(entry) if is_same else RejectionCode.MESSAGE_ID_REUSED
        status, sender = wanted.order_status, wanted.sender
        rejection = ORDER_FLOW.check_order(status, sender.user_id, sender.role, order)
        if rejection:
            return rejection.code
        receiver_id = order.party(sender.role.other) if order else status.receiver_id
        assert receiver_id
        receiver = User(receiver_id, sender.role.other)
        numbers = len(self.feed(sender)) + 1, len(self.feed(receiver)) + 1
        said = status.order_status_as_int, status.order_status_as_string, status.message
        entry = Entry(sender, receiver, *numbers, wanted.order_id, wanted.message_id, *said, NOW)
        self.entries.append(entry)
        return entry


class AnyHistory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(compaction, "SLICE_SIZE", 2)
        self.directory = tempfile.TemporaryDirectory()
        self.model = Model()
        self.open()

    def open(self) -> None:
        self.ledger = LedgerHarness(Path(self.directory.name, "orders.db"), NOW)

    def teardown(self) -> None:
        self.close()
        self.patch.undo()

    def close(self) -> None:
        self.ledger.store.close()
        self.directory.cleanup()

    def staged(self, submissions: list[Submission]) -> Model:
        after = Model(list(self.model.entries))
        for outcome, wanted in zip(self.ledger.stage(*submissions), submissions, strict=True):
            expected = after.judge(wanted)
            assert expected == (outcome.code if isinstance(outcome, Rejection) else outcome)
            if isinstance(outcome, Rejection):
                order = after.order(wanted.order_id)
                is_party = order is not None and order.party(wanted.sender.role) == wanted.sender.user_id
                assert outcome.current_status == (order.current_status if order and is_party else None)
        return after

    @rule(submissions=st.lists(SUBMISSIONS, max_size=12))
    def commit(self, submissions: list[Submission]) -> None:
        after = self.staged(submissions)
        self.ledger.store.commit()
        self.feeds_are_those_of_the_model()
        self.ledger.store.after_commit()
        self.model = after

    @rule(
        parties=st.sampled_from([(client, serviceman) for client in USERS[:2] for serviceman in USERS[2:]]),
        order_id=st.sampled_from(["o-1", "o-2", "o-3", "o-4"]),
        steps=st.integers(1, len(WHOLE_ORDER)),
    )
    def play(self, parties: tuple[User, User], order_id: str, steps: int) -> None:
        """Commit an order up to one of its steps; those that were committed before are duplicates."""
        client, serviceman = parties
        whole = [
            submission(client, f"{order_id}-{status}", status, order_id, serviceman)
            if user is CLIENT
            else submission(serviceman, f"{order_id}-{status}", status, order_id)
            for user, status in WHOLE_ORDER
        ]
        self.commit(whole[:steps])

    @rule(submissions=st.lists(SUBMISSIONS, max_size=12))
    def fail_to_commit(self, submissions: list[Submission]) -> None:
        self.staged(submissions)
        self.ledger.store.rollback()

    @rule()
    def compact_a_slice(self) -> None:
        step = self.ledger.store.compaction.step()
        step.work()
        self.feeds_are_those_of_the_model()
        step.after()

    @rule()
    def compact(self) -> None:
        self.ledger.compact()

    @rule()
    def restart(self) -> None:
        epoch = self.ledger.feeds.epoch
        self.ledger.store.close()
        self.open()
        assert self.ledger.feeds.epoch == epoch

    @rule(submissions=st.lists(SUBMISSIONS, max_size=3))
    def kill(self, submissions: list[Submission]) -> None:
        """Go on with the files as they are in the middle of a transaction."""
        self.staged(submissions)
        directory = tempfile.TemporaryDirectory()
        for file in Path(self.directory.name).glob("orders.db*"):
            shutil.copy(file, directory.name)
        self.close()
        self.directory = directory
        self.open()

    @precondition(lambda self: self.model.entries)
    @rule(data=st.data())
    def send_again_what_was_committed(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.model.entries))
        status = StatusCode(entry.status)
        again = submission(
            entry.sender, entry.message_id, status, entry.order_id, entry.receiver, entry.message
        )
        assert self.ledger.commit(again) == [Duplicate(entry)]

    @invariant()
    def feeds_are_those_of_the_model(self) -> None:
        for user in USERS:
            feed = self.model.feed(user)
            for after in range(len(feed) + 1):
                assert self.ledger.feed(user, after, 3) == feed[after : after + 3]
            first = self.model.first_open(user)
            start = len(feed) if first is None else first - 1
            assert self.ledger.open_feed(user, None, None) == FeedStart(start, len(feed), resumed=False)


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
