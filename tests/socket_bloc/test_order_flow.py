"""The rules of an order: the table, the two checks, and which of two faults is reported."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import pytest

from socket_bloc.order_flow import ORDER_FLOW, OrderFlow, OrderRecord, Step
from socket_bloc.order_status import ClientType, OrderStatus, Rejection, RejectionCode, StatusCode

CLIENT, SERVICEMAN = ClientType.CLIENT, ClientType.SERVICEMAN
USER = {CLIENT: "c-17", SERVICEMAN: "s-4"}

# The status table of the protocol.
TABLE: dict[str, tuple[int, ClientType, set[str]]] = {
    "PLACED": (1001, CLIENT, set()),
    "ACCEPTED": (1004, SERVICEMAN, {"PLACED"}),
    "STARTED": (1005, CLIENT, {"ACCEPTED"}),
    "ORDER_CHANGED": (1006, SERVICEMAN, {"STARTED", "EXTENDED"}),
    "EXTENDED": (1007, CLIENT, {"ORDER_CHANGED"}),
    "PAYMENT": (1010, CLIENT, {"STARTED", "EXTENDED"}),
    "PAYMENT_VERIFICATION": (1011, SERVICEMAN, {"PAYMENT"}),
    "ORDER_COMPLETE": (1009, CLIENT, {"PAYMENT_VERIFICATION"}),
    "CANCELLED": (1008, CLIENT, {"PLACED", "ACCEPTED"}),
}


@dataclass(frozen=True)
class Case:
    """A send to be checked. The cases here are valid, and a fault is a function that breaks one."""

    number: int
    name: str
    role: ClientType
    sender_id: str | None
    receiver_id: str | None
    order: OrderRecord | None
    user_id: str = ""

    def checked(self, flow: OrderFlow = ORDER_FLOW) -> Rejection | None:
        """Run both checks, as the relay does."""
        user_id = self.user_id or USER[self.role]
        status = OrderStatus(
            order_status_as_string=self.name,
            order_status_as_int=self.number,
            message="",
            sender_id=self.sender_id,
            receiver_id=self.receiver_id,
            order_id="7d3e",
        )
        return flow.check(status, user_id, self.role) or flow.check_order(
            status, user_id, self.role, self.order
        )


def record(current: str, client_id: str = "c-17", serviceman_id: str = "s-4") -> OrderRecord:
    return OrderRecord(client_id, serviceman_id, TABLE[current][0])


def case(name: str, current: str | None) -> Case:
    """The status, sent by the role that may send it, to an order that is in `current`."""
    number, role, _ = TABLE[name]
    receiver_id = "s-4" if name == "PLACED" else None
    return Case(number, name, role, None, receiver_id, record(current) if current else None)


PLACED = case("PLACED", None)
PAYMENT = case("PAYMENT", "STARTED")


def code_of(rejection: Rejection | None) -> str | None:
    return rejection and rejection.code.value


# The table


@pytest.mark.parametrize("current", [*TABLE, None])
@pytest.mark.parametrize("name", TABLE)
def test_a_status_may_follow_as_the_table_says_and_not_otherwise(name: str, current: str | None) -> None:
    rejection = case(name, current).checked()
    after = TABLE[name][2]
    if name == "PLACED":
        expected = "orderExists" if current else None
    elif current is None:
        expected = "unknownOrder"
    else:
        expected = None if current in after else "illegalTransition"
    assert code_of(rejection) == expected
    if rejection is not None:
        assert rejection.current_status == (TABLE[current][0] if current else None)


@pytest.mark.parametrize("name", TABLE)
def test_a_status_is_sent_by_one_role_only(name: str) -> None:
    number, role, after = TABLE[name]
    good = case(name, min(after, default=None))
    assert good.checked() is None
    other = replace(good, role=role.other, receiver_id=good.receiver_id and USER[role])
    assert other.checked() == Rejection(
        RejectionCode.WRONG_ROLE,
        "order_status_as_int",
        f"{name} is sent by the {role}, and this user is a {role.other}",
    )
    assert ORDER_FLOW.name(number) == name


def test_the_steps_keep_the_order_of_the_table() -> None:
    assert [step.status.name for step in ORDER_FLOW.steps] == list(TABLE)


@pytest.mark.parametrize("current", TABLE)
def test_the_statuses_that_may_follow_are_those_whose_rows_name_it(current: str) -> None:
    following = [step.status.name for step in ORDER_FLOW.following(TABLE[current][0])]
    assert following == [name for name, row in TABLE.items() if current in row[2]]
    assert ORDER_FLOW.is_open(TABLE[current][0]) == (current not in ("ORDER_COMPLETE", "CANCELLED"))


def test_a_status_without_a_row_is_named_by_its_number_and_nothing_follows_it() -> None:
    assert ORDER_FLOW.name(1002) == "1002"
    assert ORDER_FLOW.following(1002) == ()
    assert not ORDER_FLOW.is_open(1002)


def test_only_a_placed_begins_an_order() -> None:
    statuses = [OrderStatus.of(status, order_id="7d3e") for status in StatusCode]
    unknown = OrderStatus(order_status_as_string="PLACED", order_status_as_int=1, message="")
    begin = [status.order_status_as_string for status in statuses if ORDER_FLOW.begins_order(status)]
    assert begin == ["PLACED"]
    assert not ORDER_FLOW.begins_order(unknown)


# The rules one by one


@pytest.mark.parametrize(
    ("faulty", "code", "field", "reason"),
    [
        (
            replace(PLACED, number=1002),
            "unknownStatus",
            "order_status_as_int",
            "unknown status 1002; known are PLACED 1001, ACCEPTED 1004, STARTED 1005, ORDER_CHANGED 1006, "
            "EXTENDED 1007, PAYMENT 1010, PAYMENT_VERIFICATION 1011, ORDER_COMPLETE 1009, CANCELLED 1008",
        ),
        (
            replace(PLACED, name="ACCEPTED"),
            "unknownStatus",
            "order_status_as_string",
            "the name of status 1001 is PLACED",
        ),
        (
            replace(PLACED, sender_id="c-18"),
            "forgedSender",
            "sender_id",
            "the sender's id must be that of the connected user, or be left out",
        ),
        (
            replace(PLACED, receiver_id=None),
            "wrongReceiver",
            "receiver_id",
            "PLACED needs the id of the serviceman who receives it",
        ),
        (
            replace(PLACED, receiver_id="c-17"),
            "wrongReceiver",
            "receiver_id",
            "PLACED must go to another user than its sender",
        ),
        (
            replace(PLACED, order=record("STARTED")),
            "orderExists",
            "order_id",
            "order 7d3e exists already; a new order needs a new id",
        ),
        (
            replace(PAYMENT, order=None),
            "unknownOrder",
            "order_id",
            "unknown order 7d3e, or this client is not a party to it",
        ),
        (
            replace(PAYMENT, receiver_id="s-5"),
            "wrongReceiver",
            "receiver_id",
            "the receiver's id must be that of the order's serviceman, or be left out",
        ),
        (
            replace(PAYMENT, order=record("CANCELLED")),
            "illegalTransition",
            "order_status_as_int",
            "a client may send PAYMENT after STARTED or EXTENDED; order 7d3e is CANCELLED",
        ),
    ],
)
def test_a_rejection_names_the_field_and_the_reason(faulty: Case, code: str, field: str, reason: str) -> None:
    rejection = faulty.checked()
    assert rejection is not None
    assert (rejection.code.value, rejection.field, rejection.reason) == (code, field, reason)


@pytest.mark.parametrize(
    "good",
    [
        replace(PLACED, sender_id="c-17"),
        replace(PAYMENT, sender_id="c-17"),
        replace(PAYMENT, receiver_id="s-4"),
        replace(case("ACCEPTED", "PLACED"), sender_id="s-4", receiver_id="c-17"),
    ],
)
def test_correct_ids_may_be_spelled_out(good: Case) -> None:
    assert good.checked() is None


def test_a_rejection_of_a_wrong_receiver_names_the_status_of_the_order_to_its_party() -> None:
    rejection = replace(PAYMENT, receiver_id="s-5").checked()
    assert rejection is not None
    assert rejection.current_status == 1005


# What a stranger learns


@pytest.mark.parametrize("current", TABLE)
@pytest.mark.parametrize("receiver_id", [None, "s-4", "c-17"])
def test_to_a_stranger_an_order_looks_like_an_unknown_one(current: str, receiver_id: str | None) -> None:
    stranger = replace(PAYMENT, user_id="c-18", receiver_id=receiver_id, order=record(current))
    assert stranger.checked() == replace(stranger, order=None).checked()
    assert code_of(stranger.checked()) == "unknownOrder"


def test_the_same_id_in_the_other_role_is_a_stranger() -> None:
    as_client = replace(PAYMENT, order=record("STARTED", client_id="c-1", serviceman_id="c-17"))
    as_serviceman = replace(case("ACCEPTED", "PLACED"), order=record("PLACED", client_id="s-4"))
    assert code_of(as_client.checked()) == "unknownOrder"
    assert as_serviceman.checked() is None
    as_serviceman = replace(as_serviceman, order=record("PLACED", client_id="s-4", serviceman_id="s-1"))
    assert code_of(as_serviceman.checked()) == "unknownOrder"


def test_a_stranger_who_places_an_order_learns_only_that_the_id_is_taken() -> None:
    stranger = replace(PLACED, order=record("STARTED", client_id="c-18")).checked()
    party = replace(PLACED, order=record("STARTED")).checked()
    assert stranger is not None
    assert party is not None
    assert (stranger.code.value, stranger.current_status) == ("orderExists", None)
    assert party == replace(stranger, current_status=1005)


# The order of the checks: of two faults, the earlier rule is reported

Fault = tuple[str, Callable[[Case], Case]]

FAULTS_OF_A_PLACED: list[Fault] = [
    ("unknownStatus", lambda case: replace(case, name="placed")),
    ("forgedSender", lambda case: replace(case, sender_id="c-18")),
    ("wrongReceiver", lambda case: replace(case, receiver_id=None)),
    ("wrongRole", lambda case: replace(case, role=SERVICEMAN, user_id="c-17")),
    ("orderExists", lambda case: replace(case, order=record("STARTED"))),
]
FAULTS_OF_A_PAYMENT: list[Fault] = [
    ("unknownStatus", lambda case: replace(case, number=1012)),
    ("forgedSender", lambda case: replace(case, sender_id="c-18")),
    ("wrongRole", lambda case: replace(case, role=SERVICEMAN, user_id="c-17")),
    ("unknownOrder", lambda case: replace(case, order=record("CANCELLED", client_id="c-18"))),
    ("wrongReceiver", lambda case: replace(case, receiver_id="c-17")),
    (
        "illegalTransition",
        lambda case: replace(case, order=case.order and case.order._replace(current_status=1008)),
    ),
]


@pytest.mark.parametrize(
    ("good", "earlier", "later"),
    [
        pytest.param(good, earlier, later, id=f"{good.name}-{earlier[0]}-{later[0]}")
        for good, faults in ((PLACED, FAULTS_OF_A_PLACED), (PAYMENT, FAULTS_OF_A_PAYMENT))
        for earlier, later in itertools.combinations(faults, 2)
    ],
)
def test_of_two_faults_the_earlier_rule_is_reported(good: Case, earlier: Fault, later: Fault) -> None:
    assert code_of(earlier[1](good).checked()) == earlier[0]
    assert code_of(later[1](good).checked()) == later[0]
    assert code_of(later[1](earlier[1](good)).checked()) == earlier[0]


# A custom flow


class Ride(IntEnum):
    HAILED = 1
    TAKEN = 2
    MOVED_ON = 3


RIDES = OrderFlow(
    [
        Step(Ride.HAILED, CLIENT),
        Step(Ride.TAKEN, SERVICEMAN, frozenset([Ride.HAILED])),
        Step(Ride.MOVED_ON, SERVICEMAN, frozenset([Ride.TAKEN, Ride.MOVED_ON])),
    ]
)


def test_a_custom_flow_has_its_own_statuses() -> None:
    hailed = Case(1, "HAILED", CLIENT, None, "s-4", None)
    moved_on = Case(3, "MOVED_ON", SERVICEMAN, None, None, OrderRecord("c-17", "s-4", Ride.MOVED_ON))
    assert hailed.checked(RIDES) is None
    assert moved_on.checked(RIDES) is None
    early = replace(moved_on, order=OrderRecord("c-17", "s-4", Ride.HAILED)).checked(RIDES)
    assert early is not None
    assert early.reason == "a serviceman may send MOVED_ON after TAKEN or MOVED_ON; order 7d3e is HAILED"
    assert code_of(PLACED.checked(RIDES)) == "unknownStatus"
    assert RIDES.is_open(Ride.MOVED_ON)


def test_a_status_with_two_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^HAILED 1 has two rows; give each status one$"):
        OrderFlow([*RIDES.steps, Step(Ride.HAILED, SERVICEMAN)])


def test_a_status_that_follows_one_without_a_row_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^TAKEN follows HAILED, which has no row$"):
        OrderFlow(RIDES.steps[1:])
