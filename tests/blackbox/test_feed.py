"""The frames of the relay: the welcome in each of its cases, the feed, and the acknowledgement."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.blackbox.client import Client, Order
from tests.blackbox.conftest import Connect
from tests.blackbox.words import WHOLE_ORDER, fresh


def start(client: Client) -> tuple[int, int, bool]:
    """The fields of the welcome about the feed."""
    return client.welcome["after"], client.welcome["head"], client.welcome["resumed"]


# The welcome


def test_the_welcome_names_the_user_and_the_database(connect: Connect) -> None:
    client = connect("client")
    assert client.welcome == {
        "type": "welcome",
        "userId": client.user_id,
        "clientType": "client",
        "epoch": client.welcome["epoch"],
        "after": 0,
        "head": 0,
        "resumed": False,
    }
    assert client.welcome["epoch"]


def test_the_epoch_is_the_same_for_everybody(connect: Connect) -> None:
    assert connect("client").welcome["epoch"] == connect("serviceman").welcome["epoch"]


def test_a_new_user_who_asks_for_the_whole_feed_gets_an_empty_one(connect: Connect) -> None:
    client = connect("client", since=0)
    assert start(client) == (0, 0, True)
    assert client.hears_nothing_more()


def test_without_an_open_order_the_feed_starts_at_its_head(order: Order, connect: Connect) -> None:
    order.play(*WHOLE_ORDER)
    again = connect("client", order.client.user_id)
    assert start(again) == (8, 8, False)
    assert again.hears_nothing_more()


def test_a_cancelled_order_is_not_open(order: Order, connect: Connect) -> None:
    order.play("PLACED", "CANCELLED")
    assert start(connect("serviceman", order.serviceman.user_id)) == (2, 2, False)


@pytest.mark.parametrize("last", range(1, 8))
def test_an_order_is_open_until_its_last_status(order: Order, connect: Connect, last: int) -> None:
    order.play(*WHOLE_ORDER[:last])
    assert start(connect("client", order.client.user_id)) == (0, last, False)


def test_without_since_the_feed_starts_with_the_oldest_open_order(order: Order, connect: Connect) -> None:
    client, serviceman = order.client, order.serviceman
    closed, oldest, newest = order, Order(client, serviceman), Order(client, serviceman)
    closed.play("PLACED")  # 1
    oldest.play("PLACED")  # 2
    newest.play("PLACED")  # 3
    oldest.play("ACCEPTED")  # 4
    closed.play("CANCELLED")  # 5
    for user in (client, serviceman):
        again = connect(user.role, user.user_id)
        assert start(again) == (1, 5, False)
        assert [frame["seq"] for frame in again.replay()] == [2, 3, 4, 5]
    oldest.play("CANCELLED")  # 6
    assert start(connect("client", client.user_id)) == (2, 6, False)
    newest.play("CANCELLED")  # 7
    assert start(connect("client", client.user_id)) == (7, 7, False)


def test_each_party_has_its_own_oldest_open_order(order: Order, connect: Connect) -> None:
    order.play("PLACED", "CANCELLED")
    other = Order(connect("client"), order.serviceman)
    other.play("PLACED")
    order.serviceman.close()
    assert start(connect("serviceman", order.serviceman.user_id)) == (2, 3, False)
    assert start(connect("client", other.client.user_id)) == (0, 1, False)
    assert start(connect("client", order.client.user_id)) == (2, 2, False)


@pytest.mark.parametrize("since", range(9))
def test_since_resumes_after_the_status_seen_last(order: Order, connect: Connect, since: int) -> None:
    order.play(*WHOLE_ORDER)
    again = connect("client", order.client.user_id, since=since, epoch=order.client.welcome["epoch"])
    assert start(again) == (since, 8, True)
    assert [frame["seq"] for frame in again.replay()] == list(range(since + 1, 9))
    assert again.hears_nothing_more()


@pytest.mark.parametrize("epoch", [None, "", "another"])
def test_since_zero_asks_for_the_whole_feed_and_needs_no_epoch(
    order: Order, connect: Connect, epoch: str | None
) -> None:
    order.play("PLACED", "CANCELLED")
    again = connect("client", order.client.user_id, since=0, epoch=epoch)
    assert start(again) == (0, 2, True)
    assert len(again.replay()) == 2


@pytest.mark.parametrize("epoch", [None, "", "another"])
def test_since_is_ignored_without_the_right_epoch(order: Order, connect: Connect, epoch: str | None) -> None:
    order.play("PLACED", "ACCEPTED")
    assert start(connect("client", order.client.user_id, since=1, epoch=epoch)) == (0, 2, False)


@pytest.mark.parametrize("since", [3, 2**63 - 1, 2**63, 10**19 - 1])
def test_a_since_beyond_the_head_is_ignored(order: Order, connect: Connect, since: int) -> None:
    order.play("PLACED", "ACCEPTED")
    epoch = order.client.welcome["epoch"]
    assert start(connect("client", order.client.user_id, since=since, epoch=epoch)) == (0, 2, False)


def test_an_epoch_without_since_is_ignored(order: Order, connect: Connect) -> None:
    order.play("PLACED")
    again = connect("client", order.client.user_id, epoch=order.client.welcome["epoch"])
    assert start(again) == (0, 1, False)


# The feed


def test_both_parties_get_every_status_in_one_order(order: Order) -> None:
    frames = order.play(*WHOLE_ORDER)
    for place, (name, (to_client, to_serviceman)) in enumerate(
        zip(WHOLE_ORDER, frames, strict=True), start=1
    ):
        assert to_client == to_serviceman
        assert to_client["seq"] == place
        assert to_client["orderStatus"]["orderStatusAsString"] == name


def test_a_status_frame_has_the_fields_of_the_protocol(order: Order) -> None:
    frame = order.frame("PLACED", message="Kitchen tap drips")
    answer = order.client.submit(frame)
    assert answer == {
        "type": "status",
        "seq": 1,
        "messageId": frame["messageId"],
        "at": answer["at"],
        "orderStatus": {
            "orderStatusAsString": "PLACED",
            "orderStatusAsInt": 1001,
            "message": "Kitchen tap drips",
            "senderId": order.client.user_id,
            "receiverId": order.serviceman.user_id,
            "orderId": order.id,
        },
    }


def test_the_relay_fills_in_the_sender_and_the_receiver(order: Order) -> None:
    order.play("PLACED")
    accepted = order.submit("ACCEPTED", senderId=None, receiverId=None)["orderStatus"]
    assert (accepted["senderId"], accepted["receiverId"]) == (order.serviceman.user_id, order.client.user_id)


def test_at_is_utc_with_six_decimals_and_never_decreases(order: Order) -> None:
    times = [frame["at"] for frame, _ in order.play(*WHOLE_ORDER)]
    for at in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", at)
        assert abs(datetime.fromisoformat(at) - datetime.now(UTC)) < timedelta(minutes=1)
    assert times == sorted(times)


def test_each_party_has_its_own_numbers(order: Order, connect: Connect) -> None:
    other = Order(connect("client"), order.serviceman)
    order.play("PLACED")
    [(to_client, to_serviceman)] = other.play("PLACED")
    assert (to_client["seq"], to_serviceman["seq"]) == (1, 2)
    assert to_client["orderStatus"] == to_serviceman["orderStatus"]
    assert to_client["at"] == to_serviceman["at"]


def test_a_feed_of_several_orders_has_no_gap(order: Order, connect: Connect) -> None:
    orders = [order, *(Order(connect("client"), order.serviceman) for _ in range(4))]
    for name in WHOLE_ORDER:
        for one in orders:
            one.submit(name)
    again = connect("serviceman", order.serviceman.user_id, since=0)
    frames = again.replay()
    assert [frame["seq"] for frame in frames] == list(range(1, 41))
    assert {frame["orderStatus"]["orderId"] for frame in frames} == {one.id for one in orders}


def test_the_acknowledgement_goes_to_each_connection_of_the_sender(order: Order, connect: Connect) -> None:
    second = connect("client", order.client.user_id)
    third = connect("client", order.client.user_id)
    answer = order.submit("PLACED")
    assert second.receive_status() == third.receive_status() == answer


def test_a_status_goes_to_each_connection_of_the_receiver(order: Order, connect: Connect) -> None:
    second = connect("serviceman", order.serviceman.user_id)
    order.submit("PLACED")
    assert second.receive_status() == order.serviceman.receive_status()


def test_the_replay_equals_the_live_feed_which_continues_after_it(order: Order, connect: Connect) -> None:
    live = [frame for frame, _ in order.play("PLACED", "ACCEPTED", "STARTED")]
    again = connect("client", order.client.user_id)
    assert again.replay() == live
    order.play("PAYMENT")
    assert again.receive_status()["seq"] == 4


def test_a_feed_that_grows_during_its_replay_has_no_gap_and_no_duplicate(
    order: Order, connect: Connect
) -> None:
    orders = [order, *(Order(order.client, order.serviceman) for _ in range(30))]
    for one in orders:
        one.play("PLACED")
    late = connect("client", order.client.user_id, since=0)
    for one in orders:
        one.submit("CANCELLED")
    assert [late.receive_status()["seq"] for _ in range(62)] == list(range(1, 63))


def test_the_feed_survives_the_end_of_every_connection(order: Order, connect: Connect) -> None:
    frames = [frame for frame, _ in order.play("PLACED", "ACCEPTED")]
    order.client.close(abruptly=True)
    order.serviceman.close()
    assert connect("client", order.client.user_id, since=0).replay() == frames


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("👩‍🔧🇩🇪👍🏽", id="emoji"),
        pytest.param("مرحبا \u202eabc\u202c שלום", id="right to left"),
        pytest.param("e\u0301 \u00e9 A\u030a", id="combining and composed"),
        pytest.param("\x1b[31mred\x1b[0m\x07\x08", id="ANSI escapes"),
        pytest.param("a\r\nb\tc\u2028d\x7f\x85", id="line ends and control characters"),
        pytest.param("  spaces around  ", id="spaces"),
        pytest.param("\ufeff\u200b\ufffe\uffff", id="marks and non-characters"),
        pytest.param("'; DROP TABLE orders; --<script>{{7*7}}%s\\u0041\"", id="code"),
        pytest.param("\U0001f527" * 4096, id="4,096 astral characters"),
    ],
)
def test_text_is_returned_exactly_as_it_was_sent(order: Order, connect: Connect, text: str) -> None:
    assert order.submit("PLACED", message=text)["orderStatus"]["message"] == text
    assert order.serviceman.receive_status()["orderStatus"]["message"] == text
    [replayed] = connect("client", order.client.user_id).replay()
    assert replayed["orderStatus"]["message"] == text


def test_ids_are_returned_exactly_as_they_were_sent(connect: Connect) -> None:
    strange = "é\u0301😀 \x1b[2J\r\n'\"\\"
    order = Order(connect("client"), connect("serviceman", fresh("s é😀'\" ")))
    order.id = fresh(strange)
    message_id = fresh(strange)[:64]
    answer = order.submit("PLACED", message_id=message_id)
    assert (answer["messageId"], answer["orderStatus"]["orderId"]) == (message_id, order.id)
    assert answer["orderStatus"]["receiverId"] == order.serviceman.user_id
