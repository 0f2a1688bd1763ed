"""Every rejection of a well-formed status, the order of the checks, and `currentStatus`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.blackbox.client import Client, Order
from tests.blackbox.conftest import Connect
from tests.blackbox.words import TABLE, fresh, order_status, other_role, send_frame


def rejection(answer: dict[str, Any]) -> tuple[str, int | None]:
    """The code and the current status, of a frame that must be a rejection."""
    assert answer["type"] == "rejected", answer
    assert set(answer) == {"type", "messageId", "code", "reason", "currentStatus"}
    assert answer["reason"]
    return answer["code"], answer["currentStatus"]


def code(answer: dict[str, Any]) -> str:
    """The code of a frame that must be a rejection."""
    return rejection(answer)[0]


# Unknown statuses


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("PLACED", 1004),
        ("ACCEPTED", 1001),
        ("placed", 1001),
        ("Placed", 1001),
        ("PLACED ", 1001),
        ("", 1001),
        ("PL\u0410CED", 1001),  # with a Cyrillic letter that looks the same
        ("PLACED", 1000),
        ("PLACED", 0),
        ("PLACED", -1001),
        ("PLACED", 2**31),
        ("PLACED", 2**63),
        ("PLACED", -(2**64)),
        ("DISPATCHED", 1002),
        ("UNKNOWN", 1003),
        ("x" * 5000, 1001),
    ],
)
def test_an_unknown_status_is_rejected(connect: Connect, name: str, number: int) -> None:
    client = connect("client")
    frame = send_frame("PLACED", fresh("o"), receiverId=fresh("s"))
    frame["orderStatus"] |= {"orderStatusAsString": name, "orderStatusAsInt": number}
    assert rejection(client.submit(frame)) == ("unknownStatus", None)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("other", TABLE)
def test_the_name_and_the_number_of_a_status_must_match(connect: Connect, name: str, other: str) -> None:
    client = connect(TABLE[other].sent_by)
    fields = {"orderStatusAsString": name, "receiverId": fresh("s")}
    answer = client.submit(send_frame(other, fresh("o"), **fields))
    assert (answer.get("code") == "unknownStatus") == (name != other)


# The sender, the receiver, the role


def test_a_status_in_the_name_of_another_is_forged(order: Order) -> None:
    order.play("PLACED")
    assert code(order.submit("CANCELLED", senderId=fresh("c"))) == "forgedSender"
    assert code(order.submit("CANCELLED", senderId=order.serviceman.user_id)) == "forgedSender"
    assert order.submit("CANCELLED", senderId=order.client.user_id)["type"] == "status"


@pytest.mark.parametrize("fields", [{}, {"receiverId": None}])
def test_an_order_needs_a_receiver(connect: Connect, fields: dict[str, Any]) -> None:
    client = connect("client")
    assert rejection(client.submit(send_frame("PLACED", fresh("o"), **fields))) == ("wrongReceiver", None)


def test_a_user_cannot_place_an_order_with_themselves(connect: Connect) -> None:
    client = connect("client")
    frame = send_frame("PLACED", fresh("o"), receiverId=client.user_id)
    assert rejection(client.submit(frame)) == ("wrongReceiver", None)


@pytest.mark.parametrize("receiver", ["sender", "stranger"])
@pytest.mark.parametrize("name", [name for name in TABLE if name != "PLACED"])
def test_a_later_status_goes_to_the_other_party_or_to_nobody(order: Order, name: str, receiver: str) -> None:
    order.play("PLACED")
    wrong = order.sender(name).user_id if receiver == "sender" else fresh("x")
    assert rejection(order.submit(name, receiverId=wrong)) == ("wrongReceiver", 1001)


def test_the_other_party_may_be_named(order: Order) -> None:
    order.play("PLACED")
    assert order.submit("ACCEPTED", receiverId=order.client.user_id)["type"] == "status"


@pytest.mark.parametrize("name", TABLE)
def test_a_status_is_accepted_from_its_own_role_only(order: Order, name: str) -> None:
    before = {"PLACED": (), "ACCEPTED": ("PLACED",), "CANCELLED": ("PLACED",)}
    order.play(*before.get(name, ("PLACED", "ACCEPTED")))
    wrong = order.client if order.sender(name) is order.serviceman else order.serviceman
    receiver = order.client if wrong is order.serviceman else order.serviceman
    answer = wrong.submit(send_frame(name, order.id, receiverId=receiver.user_id))
    assert code(answer) == "wrongRole"


# The order


@pytest.mark.parametrize("name", [name for name in TABLE if name != "PLACED"])
def test_a_status_of_an_unknown_order_is_rejected(connect: Connect, name: str) -> None:
    user = connect(TABLE[name].sent_by)
    assert rejection(user.submit(send_frame(name, fresh("o")))) == ("unknownOrder", None)


def test_an_order_id_cannot_be_reused(order: Order) -> None:
    order.play("PLACED", "CANCELLED")
    assert rejection(order.submit("PLACED")) == ("orderExists", 1008)


def test_an_order_id_of_another_user_reveals_only_that_it_is_taken(order: Order, connect: Connect) -> None:
    order.play("PLACED")
    stranger = Order(connect("client"), order.serviceman)
    stranger.id = order.id
    assert rejection(stranger.submit("PLACED")) == ("orderExists", None)


def test_order_ids_differ_in_every_character(connect: Connect) -> None:
    """No trimming, case folding or normalisation: these are different orders."""
    client, serviceman = connect("client"), connect("serviceman")
    base = fresh("o")
    ids = [
        base,
        base.upper(),
        base + " ",
        " " + base,
        base + "é",
        base + "e\u0301",
        base + "\u200b",
        base + "\n",
    ]
    for order_id in ids:
        frame = send_frame("PLACED", order_id, receiverId=serviceman.user_id)
        assert client.submit(frame)["type"] == "status"


def test_a_rejected_status_changes_nothing_for_either_party(order: Order, connect: Connect) -> None:
    order.play("PLACED")
    refused = [
        order.frame("PAYMENT"),
        order.frame("CANCELLED", senderId="x"),
        order.frame("CANCELLED", receiverId="x"),
        order.frame("ACCEPTED"),
        send_frame("CANCELLED", fresh("o")),
        order.frame("PLACED"),
    ]
    for frame in refused:
        assert order.client.submit(frame)["type"] == "rejected"
    [(to_client, to_serviceman)] = order.play("ACCEPTED")
    assert to_client["seq"] == to_serviceman["seq"] == 2
    assert connect("client", order.client.user_id, since=0).welcome["head"] == 2


def test_a_rejection_is_not_stored(order: Order) -> None:
    early = order.frame("ACCEPTED")
    assert code(order.serviceman.submit(early)) == "unknownOrder"
    order.play("PLACED")
    assert order.serviceman.submit(early)["type"] == "status"


def test_a_rejection_goes_to_its_own_connection_only(order: Order, connect: Connect) -> None:
    second = connect("client", order.client.user_id)
    order.play("PLACED")
    second.receive_status()
    assert code(order.submit("PAYMENT")) == "illegalTransition"
    assert second.hears_nothing_more()
    assert order.serviceman.hears_nothing_more()


def test_the_reason_names_the_order_and_its_status(order: Order) -> None:
    order.play("PLACED", "CANCELLED")
    reason = order.submit("STARTED")["reason"]
    for word in (order.id, "STARTED", "ACCEPTED", "CANCELLED"):
        assert word in reason
    assert "\n" not in reason


def test_frames_of_one_connection_are_applied_in_the_order_of_arrival(order: Order) -> None:
    orders = [Order(order.client, order.serviceman) for _ in range(50)]
    frames = [one.frame(name) for one in orders for name in ("PLACED", "CANCELLED")]
    for frame in frames:
        order.client.send_json(frame)
    answers = [order.client.receive_status() for _ in frames]
    assert [answer["messageId"] for answer in answers] == [frame["messageId"] for frame in frames]
    assert [answer["seq"] for answer in answers] == list(range(1, 101))


def test_a_status_sees_those_that_came_before_it_on_its_connection(order: Order) -> None:
    for name in ("STARTED", "PLACED", "STARTED", "CANCELLED", "CANCELLED"):
        order.client.send_json(order.frame(name))
    answers = sorted(json.dumps(order.client.receive().get("code")) for _ in range(5))
    assert answers == ['"illegalTransition"', '"illegalTransition"', '"unknownOrder"', "null", "null"]


# What is revealed of an order


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        ("unknownStatus", {"orderStatusAsString": "cancelled"}),
        ("forgedSender", {"senderId": "somebody-else"}),
        ("wrongRole", {"orderStatusAsString": "ACCEPTED", "orderStatusAsInt": 1004}),
        ("wrongReceiver", {"orderStatusAsString": "PLACED", "orderStatusAsInt": 1001}),
        ("illegalTransition", {"orderStatusAsString": "PAYMENT", "orderStatusAsInt": 1010}),
    ],
)
def test_a_rejection_has_the_status_of_the_order_for_its_parties_only(
    order: Order, connect: Connect, expected: str, fields: dict[str, Any]
) -> None:
    order.play("PLACED")
    frame = send_frame("CANCELLED", order.id, **fields)
    assert rejection(order.client.submit(frame)) == (expected, 1001)
    stranger = rejection(connect("client").submit(frame))
    assert stranger == ("unknownOrder" if expected == "illegalTransition" else expected, None)


def test_a_rejection_of_a_reused_message_id_has_the_status_of_the_new_order(order: Order) -> None:
    [(placed, _)] = order.play("PLACED")
    message_id = placed["messageId"]
    assert rejection(order.submit("CANCELLED", message_id=message_id)) == ("messageIdReused", 1001)
    answer = order.client.submit(send_frame("CANCELLED", fresh("o"), message_id=message_id))
    assert rejection(answer) == ("messageIdReused", None)


# The order of the checks


@dataclass
class Attempt:
    """A frame that is about to be sent; each fault makes it invalid, and none undoes another.

    `committed` has, for each role, a message id that is committed.
    """

    order: Order
    committed: dict[str, str]
    sender: Client
    frame: dict[str, Any]
    spoils_text: bool = False
    reuses_message_id: bool = False

    @property
    def status(self) -> dict[str, Any]:
        return self.frame["orderStatus"]

    def send(self) -> str:
        if self.reuses_message_id:
            self.frame["messageId"] = self.committed[self.sender.role]
        text = json.dumps(self.frame)
        if self.spoils_text:
            text = text[:-1] + ',"x":[NaN]}'
        self.sender.send_text(text)
        return code(self.sender.receive())


def malformed(attempt: Attempt) -> None:
    attempt.spoils_text = True


def unknown_type(attempt: Attempt) -> None:
    attempt.frame["type"] = "post"


def unknown_status(attempt: Attempt) -> None:
    attempt.status["orderStatusAsString"] = attempt.status["orderStatusAsString"].lower()


def forged_sender(attempt: Attempt) -> None:
    attempt.status["senderId"] = fresh("x")


def to_oneself(attempt: Attempt) -> None:
    attempt.status["receiverId"] = attempt.sender.user_id


def to_nobody(attempt: Attempt) -> None:
    attempt.status["receiverId"] = None


def wrong_role(attempt: Attempt) -> None:
    name = attempt.status["orderStatusAsString"]
    if name == "PLACED":
        attempt.sender = attempt.order.serviceman
        attempt.status["receiverId"] = attempt.order.client.user_id
    else:
        other = {"CANCELLED": "ACCEPTED", "PAYMENT": "PAYMENT_VERIFICATION"}[name]
        attempt.status.update(orderStatusAsString=other, orderStatusAsInt=TABLE[other].number)


def reused_message_id(attempt: Attempt) -> None:
    attempt.reuses_message_id = True


def taken_order_id(attempt: Attempt) -> None:
    attempt.status["orderId"] = attempt.order.id


def unknown_order(attempt: Attempt) -> None:
    attempt.status["orderId"] = fresh("o")


def to_a_stranger(attempt: Attempt) -> None:
    attempt.status["receiverId"] = fresh("x")


def out_of_turn(attempt: Attempt) -> None:
    attempt.status.update(orderStatusAsString="PAYMENT", orderStatusAsInt=1010)


Fault = tuple[Callable[[Attempt], None], str]
FIRST: list[Fault] = [
    (malformed, "malformed"),
    (unknown_type, "unknownType"),
    (unknown_status, "unknownStatus"),
    (forged_sender, "forgedSender"),
]
PLACING: list[Fault] = [
    *FIRST,
    (to_oneself, "wrongReceiver"),
    (to_nobody, "wrongReceiver"),
    (wrong_role, "wrongRole"),
    (reused_message_id, "messageIdReused"),
    (taken_order_id, "orderExists"),
]
GOING_ON: list[Fault] = [
    *FIRST,
    (wrong_role, "wrongRole"),
    (reused_message_id, "messageIdReused"),
    (unknown_order, "unknownOrder"),
    (to_a_stranger, "wrongReceiver"),
    (out_of_turn, "illegalTransition"),
]


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        *(("PLACED", [fault]) for fault in PLACING),
        *(("PLACED", [*pair]) for pair in itertools.combinations(PLACING, 2)),
        ("PLACED", PLACING),
        *(("CANCELLED", [fault]) for fault in GOING_ON),
        *(("CANCELLED", [*pair]) for pair in itertools.combinations(GOING_ON, 2)),
        ("CANCELLED", GOING_ON),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(fault.__name__ for fault, _ in value),
)
def test_of_several_faults_the_first_row_of_the_table_is_reported(
    order: Order, name: str, faults: list[Fault]
) -> None:
    [(placed, _), (accepted, _)] = order.play("PLACED", "ACCEPTED")
    committed = {"client": placed["messageId"], "serviceman": accepted["messageId"]}
    order_id = fresh("o") if name == "PLACED" else order.id
    frame = send_frame(name, order_id, receiverId=order.serviceman.user_id, message="said for the first time")
    attempt = Attempt(order, committed, order.client, frame)
    for spoil, _ in reversed(faults):
        spoil(attempt)
    assert attempt.send() == faults[0][1]


def test_the_base_frame_of_these_faults_is_valid_without_them(order: Order) -> None:
    order.play("PLACED", "ACCEPTED")
    assert order.submit("CANCELLED", receiverId=order.serviceman.user_id)["type"] == "status"
    assert Order(order.client, order.serviceman).submit("PLACED")["type"] == "status"


# The orders of others


@pytest.mark.parametrize("name", [name for name in TABLE if name != "PLACED"])
def test_an_order_of_others_cannot_be_told_from_an_unknown_one(
    order: Order, connect: Connect, name: str
) -> None:
    order.play("PLACED", "ACCEPTED", "STARTED")
    stranger = connect(TABLE[name].sent_by)
    for fields in ({}, {"receiverId": order.client.user_id}, {"receiverId": order.serviceman.user_id}):
        absent = fresh("o")
        message_id = fresh("m")
        theirs = stranger.submit(send_frame(name, order.id, message_id=message_id, **fields))
        nobodys = stranger.submit(send_frame(name, absent, message_id=message_id, **fields))
        assert code(theirs) == "unknownOrder"
        assert json.dumps(theirs).replace(order.id, absent) == json.dumps(nobodys)


@pytest.mark.parametrize("role", ["client", "serviceman"])
def test_the_same_id_in_the_other_role_is_another_user(order: Order, connect: Connect, role: str) -> None:
    order.play("PLACED")
    party = order.client if role == "client" else order.serviceman
    twin = connect(other_role(role), party.user_id, since=0)
    assert (twin.welcome["head"], twin.welcome["clientType"]) == (0, other_role(role))
    name = "ACCEPTED" if twin.role == "serviceman" else "CANCELLED"
    assert rejection(twin.submit(send_frame(name, order.id))) == ("unknownOrder", None)
    order.play("ACCEPTED")
    assert twin.hears_nothing_more()


def test_a_message_id_of_another_user_reveals_nothing(order: Order, connect: Connect) -> None:
    [(placed, _)] = order.play("PLACED")
    other = Order(connect("client"), order.serviceman)
    assert other.submit("PLACED", message_id=placed["messageId"])["seq"] == 1
    twin = Order(connect("client", order.serviceman.user_id), connect("serviceman"))
    accepted = order.submit("ACCEPTED", message_id=placed["messageId"])
    assert accepted["type"] == "status"
    assert twin.submit("PLACED", message_id=placed["messageId"])["seq"] == 1


def test_a_stranger_receives_nothing_of_an_order(order: Order, connect: Connect) -> None:
    strangers = [connect("client"), connect("serviceman")]
    order.play("PLACED", "ACCEPTED", "CANCELLED")
    for stranger in strangers:
        assert stranger.hears_nothing_more()
        assert connect(stranger.role, stranger.user_id, since=0).welcome["head"] == 0


def test_another_serviceman_cannot_take_an_order(order: Order, connect: Connect) -> None:
    order.play("PLACED")
    thief = connect("serviceman")
    for fields in ({}, {"receiverId": order.client.user_id}):
        assert code(thief.submit(send_frame("ACCEPTED", order.id, **fields))) == "unknownOrder"
    assert order.submit("ACCEPTED")["type"] == "status"


def test_no_field_of_a_status_extends_the_rights_of_its_sender(order: Order, connect: Connect) -> None:
    order.play("PLACED")
    client = connect("client")
    extra = {
        "type": "serviceman",
        "role": "serviceman",
        "userId": order.serviceman.user_id,
        "at": "1999",
        "seq": 0,
    }
    frame = {**send_frame("ACCEPTED", order.id, **extra), **extra, "type": "send"}
    assert code(client.submit(frame)) == "wrongRole"


def test_the_message_may_be_empty_but_not_missing(connect: Connect) -> None:
    client = connect("client")
    frame = send_frame("PLACED", fresh("o"), receiverId=fresh("s"), message="")
    assert client.submit(frame)["orderStatus"]["message"] == ""
    status = order_status("PLACED", fresh("o"), receiverId=fresh("s"))
    del status["message"]
    assert (
        code(client.submit({"type": "send", "messageId": fresh("m"), "orderStatus": status})) == "malformed"
    )
