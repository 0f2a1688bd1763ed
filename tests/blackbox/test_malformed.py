"""`malformed` and `unknownType`: every way in which a frame can be invalid before the rules apply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.blackbox.client import Client, Order
from tests.blackbox.conftest import Connect
from tests.blackbox.words import fresh, order_status, send_frame


def placed(**fields: Any) -> dict[str, Any]:
    """A valid frame that places a new order; `fields` replace or add to those of its `orderStatus`."""
    return send_frame("PLACED", fresh("o"), **{"receiverId": fresh("s"), **fields})


def without(frame: dict[str, Any], name: str) -> dict[str, Any]:
    """The frame without one of its fields, or of those of its `orderStatus`."""
    inner = {key: value for key, value in frame["orderStatus"].items() if key != name}
    return {key: value for key, value in {**frame, "orderStatus": inner}.items() if key != name}


def as_text(frame: dict[str, Any], *, extra: str) -> str:
    """The frame's JSON with more raw text before its last brace."""
    return json.dumps(frame)[:-1] + "," + extra + "}"


def inside(frame: dict[str, Any], *, extra: str) -> str:
    """The same in its `orderStatus`."""
    return json.dumps(frame)[:-2] + "," + extra + "}}"


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect("client")


def assert_malformed(client: Client, text: str, message_ids: set[str | None]) -> None:
    """Check that a frame is rejected as malformed, and that the connection accepts the next valid one."""
    client.send_text(text)
    answer = client.receive()
    assert (answer["type"], answer["code"]) == ("rejected", "malformed"), answer
    assert set(answer) == {"type", "messageId", "code", "reason", "currentStatus"}
    assert answer["messageId"] in message_ids
    assert answer["currentStatus"] is None
    assert answer["reason"]
    assert client.submit(placed())["type"] == "status"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "null",
        "true",
        '"send"',
        "[]",
        "[{}]",
        "{}{}",
        "{",
        "{}x",
        "{'type':'send'}",
        '{"type":"send"',
        "nul",
    ],
)
def test_a_text_that_is_not_a_json_object(client: Client, text: str) -> None:
    assert_malformed(client, text, {None})


def test_a_byte_order_mark_before_a_valid_frame(client: Client) -> None:
    frame = placed()
    assert_malformed(client, "\ufeff" + json.dumps(frame), {None, frame["messageId"]})


@pytest.mark.parametrize("tail", ["}", ",", "{}", "garbage", "\x00"])
def test_something_after_a_valid_frame(client: Client, tail: str) -> None:
    frame = placed()
    assert_malformed(client, json.dumps(frame) + tail, {None, frame["messageId"]})


@pytest.mark.parametrize(
    "name", ["orderStatus", "orderStatusAsString", "orderStatusAsInt", "message", "orderId"]
)
def test_a_required_field_is_missing_or_null(client: Client, name: str) -> None:
    frame = without(placed(), name)
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})
    frame = placed()
    if name == "orderStatus":
        frame[name] = None
    else:
        frame["orderStatus"][name] = None
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [], {}, ["m"], "", "m" * 65, "😀" * 65])
def test_an_invalid_message_id_is_answered_with_null(client: Client, value: Any) -> None:
    assert_malformed(client, json.dumps({**placed(), "messageId": value}), {None})


def test_a_missing_message_id_is_answered_with_null(client: Client) -> None:
    assert_malformed(client, json.dumps(without(placed(), "messageId")), {None})


@pytest.mark.parametrize("value", [None, 5, True, [], {}, ["send"]])
def test_a_type_that_is_not_a_string_is_malformed(client: Client, value: Any) -> None:
    frame = {**placed(), "type": value}
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


def test_a_missing_type_is_malformed(client: Client) -> None:
    frame = without(placed(), "type")
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


@pytest.mark.parametrize("value", [5, 1.5, True, "PLACED", [], [order_status("PLACED", "o")]])
def test_an_order_status_that_is_not_an_object(client: Client, value: Any) -> None:
    frame = {**placed(), "orderStatus": value}
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("orderStatusAsInt", value) for value in ["1001", 1001.0, 1001.5, True, [1001], {}]),
        *(("orderStatusAsString", value) for value in [1001, True, ["PLACED"], {}]),
        *(("message", value) for value in [5, False, ["text"], {"text": 1}]),
        *(("orderId", value) for value in [5, False, ["o"], {}]),
        *(("senderId", value) for value in [5, False, ["c"], {}]),
        *(("receiverId", value) for value in [5, False, ["s"], {}]),
    ],
)
def test_a_field_of_another_type(client: Client, name: str, value: Any) -> None:
    frame = placed(**{name: value})
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


@pytest.mark.parametrize("letter", ["x", "😀"])
@pytest.mark.parametrize(("name", "most"), [("message", 4096), ("orderId", 128), ("receiverId", 128)])
def test_the_longest_text_is_accepted_and_one_character_more_is_malformed(
    client: Client, name: str, most: int, letter: str
) -> None:
    longest = fresh("x").ljust(most, letter)
    assert client.submit(placed(**{name: longest}))["orderStatus"][name] == longest
    frame = placed(**{name: longest + letter})
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


@pytest.mark.parametrize("letter", ["x", "😀"])
def test_the_longest_message_id_is_accepted(client: Client, letter: str) -> None:
    longest = fresh("m").ljust(64, letter)
    answer = client.submit({**placed(), "messageId": longest})
    assert (answer["type"], answer["messageId"]) == ("status", longest)


@pytest.mark.parametrize("name", ["orderId", "receiverId", "senderId"])
def test_an_empty_id_is_malformed(client: Client, name: str) -> None:
    frame = placed(**{name: ""})
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


def test_a_sender_id_that_is_too_long_is_malformed_and_not_forged(client: Client) -> None:
    frame = placed(senderId="x" * 129)
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


@pytest.mark.parametrize(
    "extra", ['"type":"send"', '"orderStatus":null', '"x":1,"x":1', '"x":{"y":[{"z":1,"z":2}]}']
)
def test_a_duplicate_key_at_any_depth(client: Client, extra: str) -> None:
    frame = placed()
    assert_malformed(client, as_text(frame, extra=extra), {None, frame["messageId"]})


@pytest.mark.parametrize("extra", ['"message":"x"', '"x":1,"x":1', '"x":[{"y":1,"\\u0079":2}]'])
def test_a_duplicate_key_in_the_order_status(client: Client, extra: str) -> None:
    frame = placed()
    assert_malformed(client, inside(frame, extra=extra), {None, frame["messageId"]})


def test_a_duplicate_message_id(client: Client) -> None:
    frame = placed()
    again = f'"messageId":{json.dumps(frame["messageId"])}'
    assert_malformed(client, as_text(frame, extra=again), {None, frame["messageId"]})


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("place", ['"x":{}', '"x":[[{{"y":{}}}]]'])
def test_a_number_that_json_does_not_have(client: Client, bad: str, place: str) -> None:
    frame = placed()
    assert_malformed(client, as_text(frame, extra=place.format(bad)), {None, frame["messageId"]})
    assert_malformed(client, inside(frame, extra=place.format(bad)), {None, frame["messageId"]})


@pytest.mark.parametrize("bad", ["\\ud83d", "\\ude00", "\\ude00\\ud83d", "a\\udfffb", "\\u0000", "a\\u0000b"])
@pytest.mark.parametrize("place", ['"x":"{}"', '"x":[[{{"y":"{}"}}]]', '"{}":1', '"x":{{"{}":1}}'])
def test_a_lone_surrogate_or_a_nul_at_any_depth(client: Client, bad: str, place: str) -> None:
    frame = placed()
    assert_malformed(client, as_text(frame, extra=place.format(bad)), {None, frame["messageId"]})
    assert_malformed(client, inside(frame, extra=place.format(bad)), {None, frame["messageId"]})


@pytest.mark.parametrize("name", ["message", "orderId", "receiverId", "senderId", "orderStatusAsString"])
@pytest.mark.parametrize("bad", ["a\x00", "\ud800"])
def test_a_lone_surrogate_or_a_nul_in_a_field(client: Client, name: str, bad: str) -> None:
    frame = placed(**{name: bad})
    assert_malformed(client, json.dumps(frame), {None, frame["messageId"]})


@pytest.mark.parametrize("bad", ["m\x00", "\udfff"])
def test_a_lone_surrogate_or_a_nul_in_the_message_id(client: Client, bad: str) -> None:
    assert_malformed(client, json.dumps({**placed(), "messageId": bad}), {None})


@pytest.mark.parametrize("letter", ["\n", "\t", "\x1b", "\x00"])
def test_a_control_character_that_is_not_escaped(client: Client, letter: str) -> None:
    frame = placed(message="MARK")
    assert_malformed(client, json.dumps(frame).replace("MARK", letter), {None, frame["messageId"]})


@pytest.mark.parametrize("number", ["01", "+1", ".5", "1.", "0x10", "1e", "--1"])
def test_a_number_in_a_notation_that_json_does_not_have(client: Client, number: str) -> None:
    frame = placed()
    assert_malformed(client, as_text(frame, extra=f'"x":{number}'), {None, frame["messageId"]})


@pytest.mark.parametrize("name", ["message_id", "order_status", "MessageId", "messageid"])
def test_fields_are_known_by_their_camel_case_names_only(client: Client, name: str) -> None:
    real = "orderStatus" if name == "order_status" else "messageId"
    frame = placed()
    renamed = {(name if key == real else key): value for key, value in frame.items()}
    assert_malformed(client, json.dumps(renamed), {renamed.get("messageId")})


@pytest.mark.parametrize("name", ["orderStatusAsString", "orderStatusAsInt", "orderId"])
def test_snake_case_does_not_replace_camel_case(client: Client, name: str) -> None:
    snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)
    frame = placed()
    frame["orderStatus"][snake] = frame["orderStatus"].pop(name)
    assert_malformed(client, json.dumps(frame), {frame["messageId"]})


def test_a_snake_case_name_is_an_unknown_field_and_ignored(client: Client) -> None:
    answer = client.submit(placed(sender_id="somebody-else", receiver_id=5))
    assert answer["orderStatus"]["senderId"] == client.user_id


@pytest.mark.parametrize(
    "extra",
    [
        '"x":null',
        '"x":{"y":[1,2.5e3,-0,"😀",true,{}]}',
        '"x":"\\ud83d\\ude00"',
        '"":0',
        '"seq":-1,"at":7,"code":"x"',
    ],
)
def test_unknown_fields_are_ignored_everywhere(client: Client, extra: str) -> None:
    for build in (as_text, inside):
        frame = placed()
        client.send_text(build(frame, extra=extra))
        answer = client.answer(frame["messageId"])
        assert answer["type"] == "status"
        assert set(answer["orderStatus"]) == {
            "orderStatusAsString",
            "orderStatusAsInt",
            "message",
            "senderId",
            "receiverId",
            "orderId",
        }


def test_space_between_the_tokens_is_allowed(client: Client) -> None:
    frame = placed()
    client.send_text("\r\n\t " + json.dumps(frame, indent=4) + " \n")
    assert client.answer(frame["messageId"])["type"] == "status"


def test_escapes_are_read_as_what_they_stand_for(client: Client) -> None:
    frame = placed(message='😀 é / " \\ \b')
    client.send_text(json.dumps(frame, ensure_ascii=True).replace("/", "\\/"))
    assert client.answer(frame["messageId"])["orderStatus"]["message"] == '😀 é / " \\ \b'


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param('"x":' + "[" * 30_000 + "]" * 30_000, id="30,000 arrays in one another"),
        pytest.param('"x":' + '{"y":' * 10_000 + "1" + "}" * 10_000, id="10,000 objects in one another"),
        pytest.param('"x":' + "9" * 60_000, id="a number of 60,000 digits"),
        pytest.param('"x":1e400', id="a number beyond any float"),
        pytest.param('"x":1e-400', id="a number below any float"),
        pytest.param(",".join(f'"{n}":0' for n in range(6000)), id="6,000 fields"),
    ],
)
def test_huge_unknown_fields_are_answered_and_break_nothing(client: Client, extra: str) -> None:
    """Whether to reject them is up to the relay."""
    frame = placed()
    client.send_text(as_text(frame, extra=extra))
    answer = client.receive()
    assert answer["type"] == "status" or answer["code"] == "malformed"
    assert client.submit(placed())["type"] == "status"


@pytest.mark.parametrize(
    "type_", ["", "Send", "SEND", "send ", "welcome", "status", "rejected", "ping", "😀", "x" * 5000]
)
def test_a_type_that_a_client_does_not_send_is_unknown(client: Client, type_: str) -> None:
    frame = {**placed(), "type": type_}
    client.send_json(frame)
    answer = client.receive()
    assert (answer["type"], answer["code"]) == ("rejected", "unknownType")
    assert answer["messageId"] == frame["messageId"]
    assert client.submit(placed())["type"] == "status"


def test_a_frame_of_an_unknown_type_needs_no_other_field(client: Client) -> None:
    client.send_json({"type": "hello"})
    answer = client.receive()
    assert (answer["code"], answer["messageId"], answer["currentStatus"]) == ("unknownType", None, None)


def test_a_malformed_frame_changes_nothing(order: Order) -> None:
    order.play("PLACED")
    frame = order.frame("CANCELLED")
    order.client.send_text(as_text(frame, extra='"x":NaN'))
    assert order.client.receive()["code"] == "malformed"
    assert order.submit("ACCEPTED")["seq"] == 2


def test_nineteen_malformed_frames_are_answered_and_the_twentieth_closes_the_connection(
    client: Client,
) -> None:
    for _ in range(19):
        client.send_text("{")
        assert client.receive()["code"] == "malformed"
    assert client.submit(placed())["type"] == "status"
    client.send_text("{")
    assert client.receive()["code"] == "malformed"
    assert client.close_code() == 1008


def test_the_count_of_malformed_frames_is_of_one_connection(connect: Connect) -> None:
    first = connect("client")
    second = connect("client", first.user_id)
    for client in (first, second):
        for _ in range(19):
            client.send_text("{")
            assert client.answer(None)["code"] == "malformed"
        assert client.submit(placed())["type"] == "status"


def test_other_rejections_never_close_the_connection(client: Client) -> None:
    for _ in range(50):
        client.send_json({"type": "hello"})
        assert client.receive()["code"] == "unknownType"
        assert client.submit(send_frame("STARTED", fresh("o")))["code"] == "unknownOrder"


def test_a_send_before_twenty_malformed_frames_has_an_outcome_that_a_retry_finds(
    client: Client, connect: Connect
) -> None:
    frame = placed()
    client.send_json(frame)
    for _ in range(20):
        client.send_text("{")
    for _ in range(20):
        assert client.answer(None)["code"] == "malformed"
    assert client.close_code() == 1008
    assert connect("client", client.user_id).submit(frame)["seq"] == 1
