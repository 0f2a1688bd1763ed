"""Retries under the same message id: when they are safe, the answer, and who gets it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.blackbox.client import Order
from tests.blackbox.conftest import Connect
from tests.blackbox.wire import TEXT, encode
from tests.blackbox.words import WHOLE_ORDER, fresh, send_frame


def test_a_retry_is_answered_with_the_status_that_was_committed(order: Order) -> None:
    frame = order.frame("PLACED")
    first = order.client.submit(frame)
    assert order.client.submit(frame) == first
    assert order.client.submit(frame) == first


def test_a_retry_is_answered_on_its_own_connection_only(order: Order, connect: Connect) -> None:
    second = connect("client", order.client.user_id)
    frame = order.frame("PLACED")
    first = order.client.submit(frame)
    assert second.receive_status() == order.serviceman.receive_status() == first
    assert second.submit(frame) == first
    assert order.client.hears_nothing_more()
    assert order.serviceman.hears_nothing_more()


@pytest.mark.parametrize("place", range(8))
def test_each_status_can_be_retried_after_the_order_has_advanced(
    order: Order, connect: Connect, place: int
) -> None:
    """The answer is neither `orderExists` nor `illegalTransition`, and nothing is applied twice."""
    frames = [order.frame(name) for name in WHOLE_ORDER]
    answers = [order.sender(name).submit(frame) for name, frame in zip(WHOLE_ORDER, frames, strict=True)]
    sender = order.sender(WHOLE_ORDER[place])
    again = connect(sender.role, sender.user_id)
    assert again.submit(frames[place]) == answers[place]
    assert again.hears_nothing_more()


def test_a_retry_after_a_reconnection_moves_no_cursor(order: Order, connect: Connect) -> None:
    frame = order.frame("PLACED")
    first = order.client.submit(frame)
    order.submit("ACCEPTED")
    again = connect("client", order.client.user_id, since=2, epoch=order.client.welcome["epoch"])
    assert again.submit(frame) == first
    assert order.submit("STARTED")["seq"] == 3
    assert again.receive_status()["seq"] == 3


def test_a_retry_during_the_replay_is_answered_once_the_feed_has_passed_it(
    order: Order, connect: Connect
) -> None:
    orders = [Order(order.client, order.serviceman) for _ in range(200)]
    frames = [one.frame("PLACED", message="😀" * 4000) for one in orders]
    for frame in frames:
        order.client.submit(frame)
    tried_again = (199, 0, 50, 100)
    early = b"".join(encode(TEXT, _json(frames[place])) for place in tried_again)
    # So small that the replay is still running when the relay reads what was sent early.
    again = connect("client", order.client.user_id, since=0, early=early, receive_buffer=4096)
    answers = [again.receive_status() for _ in range(204)]
    retried = {frames[place]["messageId"]: place + 1 for place in tried_again}
    passed = 0
    for answer in answers:
        if answer["seq"] == passed + 1:
            passed += 1
        else:
            assert answer["seq"] <= passed
            assert retried.pop(answer["messageId"]) == answer["seq"]
    assert (passed, retried) == (200, {})


def _json(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame).encode()


def test_a_retry_of_a_send_that_is_still_in_flight_is_also_answered(order: Order) -> None:
    frame = order.frame("PLACED")
    for _ in range(3):
        order.client.send_json(frame)
    answers = [order.client.receive_status() for _ in range(3)]
    assert answers == [answers[0]] * 3
    assert answers[0]["seq"] == 1
    assert order.client.hears_nothing_more()
    assert order.serviceman.receive_status() == answers[0]
    assert order.serviceman.hears_nothing_more()


def test_a_retry_on_another_connection_while_the_send_is_in_flight_is_applied_once(
    order: Order, connect: Connect
) -> None:
    second = connect("client", order.client.user_id)
    frame = order.frame("PLACED")
    order.client.send_json(frame)
    second.send_json(frame)
    answers: list[dict[str, Any]] = []
    for connection in (order.client, second):
        last = Order(order.client, order.serviceman).frame("PLACED")
        connection.send_json(last)
        while (answer := connection.receive_status())["messageId"] != last["messageId"]:
            answers += [answer] if answer["messageId"] == frame["messageId"] else []
    assert answers == [answers[0]] * 3, (
        "once to each connection with the feed, and once to the later of the two"
    )
    assert [order.serviceman.receive_status()["seq"] for _ in range(3)] == [1, 2, 3]
    assert order.serviceman.hears_nothing_more()


@pytest.mark.parametrize(
    ("first", "again"),
    [
        pytest.param({"senderId": None}, {}, id="a sender that is null or absent"),
        pytest.param({}, {"senderId": "me"}, id="a sender that the relay would fill in"),
        pytest.param({"senderId": "me"}, {}, id="a sender that was given"),
    ],
)
def test_a_retry_may_spell_out_the_sender_or_leave_it_out(
    order: Order, first: dict[str, Any], again: dict[str, Any]
) -> None:
    me = order.client.user_id
    fields = [{key: me if value == "me" else value for key, value in one.items()} for one in (first, again)]
    message_id = fresh("m")
    committed = order.submit("PLACED", message_id=message_id, **fields[0])
    assert order.submit("PLACED", message_id=message_id, **fields[1]) == committed


@pytest.mark.parametrize("named_first", [True, False])
def test_a_retry_may_spell_out_the_receiver_or_leave_it_out(order: Order, named_first: bool) -> None:
    order.play("PLACED")
    named, unnamed = {"receiverId": order.client.user_id}, {}
    message_id = fresh("m")
    first, again = (named, unnamed) if named_first else (unnamed, named)
    committed = order.submit("ACCEPTED", message_id=message_id, **first)
    assert order.submit("ACCEPTED", message_id=message_id, **again) == committed


def test_unknown_fields_do_not_change_what_a_retry_matches(order: Order) -> None:
    message_id = fresh("m")
    committed = order.submit("PLACED", message_id=message_id, colour="red")
    assert order.submit("PLACED", message_id=message_id, colour="blue") == committed


@pytest.mark.parametrize("change", ["message", "message in case", "orderId", "receiverId", "another status"])
def test_other_content_under_a_committed_message_id_is_rejected(order: Order, change: str) -> None:
    frame = order.frame("PLACED", message="tap")
    committed = order.client.submit(frame)
    changed: dict[str, dict[str, Any]] = {
        "message": {"message": "pipe"},
        "message in case": {"message": "Tap"},
        "orderId": {"orderId": fresh("o")},
        "receiverId": {"receiverId": fresh("s")},
        "another status": {"orderStatusAsString": "CANCELLED", "orderStatusAsInt": 1008},
    }
    other = {**frame, "orderStatus": {**frame["orderStatus"], **changed[change]}}
    answer = order.client.submit(other)
    assert answer["type"] == "rejected", answer
    assert answer["code"] == "messageIdReused"
    assert order.client.submit(frame) == committed
    assert order.submit("ACCEPTED")["seq"] == 2


def test_a_receiver_who_is_not_the_other_party_is_other_content(order: Order) -> None:
    order.play("PLACED")
    message_id = fresh("m")
    order.submit("ACCEPTED", message_id=message_id)
    assert order.submit("ACCEPTED", message_id=message_id, receiverId=fresh("c"))["code"] == "messageIdReused"


def test_the_sender_as_the_receiver_is_other_content(order: Order) -> None:
    order.play("PLACED")
    message_id = fresh("m")
    order.submit("ACCEPTED", message_id=message_id)
    answer = order.submit("ACCEPTED", message_id=message_id, receiverId=order.serviceman.user_id)
    assert answer["code"] == "messageIdReused"


def test_other_content_under_the_message_id_of_a_send_in_flight_is_rejected(order: Order) -> None:
    message_id = fresh("m")
    order.client.send_json(order.frame("PLACED", message_id=message_id))
    order.client.send_json(order.frame("PLACED", message_id=message_id, orderId=fresh("o")))
    answers = [order.client.receive() for _ in range(2)]
    assert sorted(answer.get("code", "status") for answer in answers) == ["messageIdReused", "status"]
    order.serviceman.receive_status()
    assert order.serviceman.hears_nothing_more()


def test_a_message_id_that_was_only_rejected_is_free(order: Order) -> None:
    message_id = fresh("m")
    assert order.submit("CANCELLED", message_id=message_id)["code"] == "unknownOrder"
    assert order.submit("PLACED", message_id=message_id)["type"] == "status"


def test_both_parties_may_use_the_same_message_id(order: Order) -> None:
    message_id = fresh("m")
    order.submit("PLACED", message_id=message_id)
    order.serviceman.receive_status()
    assert order.submit("ACCEPTED", message_id=message_id)["seq"] == 2


def test_the_message_id_of_another_user_makes_no_retry(order: Order, connect: Connect) -> None:
    frame = order.frame("PLACED")
    order.client.submit(frame)
    answer = connect("client").submit(frame)
    assert (answer["code"], answer["currentStatus"]) == ("orderExists", None)


def test_a_truncated_send_is_not_applied(order: Order, connect: Connect) -> None:
    frame = order.frame("PLACED")
    whole = encode(TEXT, _json(frame))
    order.client.line.write(whole[:-1])
    order.client.close(abruptly=True)
    again = Order(connect("client", order.client.user_id, since=0), order.serviceman)
    assert again.client.welcome["head"] == 0
    assert again.client.submit(frame)["seq"] == 1


def test_a_retry_gets_an_acknowledgement_that_never_arrived(order: Order, connect: Connect) -> None:
    frame = order.frame("PLACED")
    order.client.send_json(frame)
    order.client.close(abruptly=True)
    again = connect("client", order.client.user_id, since=0)
    answer = again.submit(frame)
    assert (answer["type"], answer["seq"]) == ("status", 1)
    assert order.serviceman.receive_status() == answer
    assert order.serviceman.hears_nothing_more()


def test_an_order_can_go_on_from_a_connection_that_was_opened_later(order: Order, connect: Connect) -> None:
    order.play("PLACED")
    order.client.close(abruptly=True)
    order.submit("ACCEPTED")
    again = connect("client", order.client.user_id)
    assert again.submit(send_frame("STARTED", order.id))["seq"] == 3
