from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server_stub.frames.incoming import InvalidFrame, read_any_frame, read_frame, read_plain_frame
from socket_bloc.frames import SendFrame
from socket_bloc.order_status import RejectionCode
from tests.server_stub.support import send_frame


def _changed(**fields: Any) -> str:
    frame = json.loads(send_frame())
    status = {key: value for key, value in fields.items() if key in frame["orderStatus"]}
    frame["orderStatus"] |= status
    frame |= {key: value for key, value in fields.items() if key not in status}
    return json.dumps(frame)


def _without(*path: str) -> str:
    frame = json.loads(send_frame())
    *parents, last = path
    inner = frame
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    return json.dumps(frame)


def _refused(text: str) -> InvalidFrame:
    frame = read_frame(text)
    assert isinstance(frame, InvalidFrame)
    return frame


def test_reads_a_send() -> None:
    frame = read_frame(_changed(message="  Grüße, 😀  "))
    assert isinstance(frame, SendFrame)
    assert frame.message_id == "m-1"
    assert frame.order_status.message == "  Grüße, 😀  "
    assert frame.order_status.order_id == "o-1"


def test_unknown_fields_are_ignored() -> None:
    assert isinstance(read_frame(_changed(extra={"deep": [1]}, order_id="another")), SendFrame)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (_without("orderStatus"), "orderStatus"),
        (_without("orderStatus", "message"), "orderStatus.message"),
        (_without("orderStatus", "orderId"), "orderStatus.orderId"),
        (_changed(orderId=None), "orderStatus.orderId"),
        (_changed(orderId=""), "orderStatus.orderId"),
        (_changed(orderId="o" * 129), "orderStatus.orderId"),
        (_changed(message="x" * 4097), "orderStatus.message"),
        (_changed(message=None), "orderStatus.message"),
        (_changed(senderId=""), "orderStatus.senderId"),
        (_changed(receiverId=7), "orderStatus.receiverId"),
        (_changed(orderStatusAsInt="1001"), "orderStatus.orderStatusAsInt"),
        (_changed(orderStatusAsInt=1001.0), "orderStatus.orderStatusAsInt"),
        (_changed(orderStatusAsInt=True), "orderStatus.orderStatusAsInt"),
        (_changed(orderStatus=[]), "orderStatus"),
        (_without("type"), "type"),
        (_changed(type=None), "type"),
        (_changed(type=["send"]), "type"),
    ],
)
def test_a_malformed_frame_is_rejected_with_its_message_id_and_the_field(text: str, reason: str) -> None:
    refused = _refused(text)
    assert refused.message_id == "m-1"
    assert refused.rejection.code is RejectionCode.MALFORMED
    assert refused.rejection.reason.startswith(f"{reason}:")


def test_names_in_snake_case_are_unknown_fields() -> None:
    frame = json.loads(send_frame())
    frame["orderStatus"]["order_id"] = frame["orderStatus"].pop("orderId")
    assert _refused(json.dumps(frame)).rejection.code is RejectionCode.MALFORMED


@pytest.mark.parametrize("message_id", [None, 7, "", "m" * 65, "m\0"])
def test_an_invalid_message_id_is_not_echoed(message_id: object) -> None:
    refused = _refused(_changed(messageId=message_id))
    assert refused.message_id is None
    assert refused.rejection.code is RejectionCode.MALFORMED


def test_another_type_is_unknown_whatever_else_the_frame_holds() -> None:
    refused = _refused(json.dumps({"type": "welcome", "messageId": "m-9", "orderStatus": 7}))
    assert refused == (
        "m-9",
        refused.rejection,
    )
    assert refused.rejection.code is RejectionCode.UNKNOWN_TYPE


def test_a_duplicate_key_is_malformed_before_the_type_is_checked() -> None:
    refused = _refused('{"type":"welcome","messageId":"m-9","a":1,"a":1}')
    assert refused.message_id == "m-9"
    assert refused.rejection.code is RejectionCode.MALFORMED


def test_no_reason_repeats_the_content_of_a_frame() -> None:
    refused = _refused(_changed(message="secret" * 1000))
    assert "secret" not in refused.rejection.reason


@given(st.data())
def test_reading_a_frame_never_raises(data: st.DataObject) -> None:
    text = send_frame()
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 20))
    mutated = text[:at] + data.draw(st.text(max_size=20)) + text[at + length :]
    assert isinstance(read_frame(mutated), SendFrame | InvalidFrame)


def test_a_plain_send_is_read_the_same_with_and_without_the_strict_checks() -> None:
    for text in (send_frame(), _changed(senderId="c-1"), _without("orderStatus", "senderId")):
        plain = read_plain_frame(text)
        assert plain is not None
        assert plain == read_any_frame(text)


# Frames as pairs of a key and a JSON value: those of a valid send, and others to replace or join them.
STRINGS = [
    '"x"',
    '"c-1"',
    '""',
    '"\\\\u0041"',
    '"\\\\u0000"',
    '"\\\\ud800"',
    '"\\\\""',
    '"\\x01"',
    '"\\x7f\\ufeff"',
    '"send"',
]
VALUES = st.sampled_from(
    [*STRINGS, "null", "true", "7", "1001", "1e999", "NaN", "-Infinity", "[]", "{}", '{"a":1,"a":1}']
)
STATUS = [
    *(("orderStatusAsString", '"PLACED"'), ("orderStatusAsInt", "1001"), ("message", '"hello"')),
    *(("senderId", '"c-1"'), ("receiverId", '"s-1"'), ("orderId", '"o-1"')),
]
KEYS = st.sampled_from(
    [key for key, _ in STATUS] + ["type", "messageId", "orderStatus", "extra", "order_id", ""]
)


@st.composite
def objects(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> str:
    """An object with these pairs, shuffled; maybe one is missing, changed or added."""
    pairs = draw(st.permutations(pairs))
    if draw(st.booleans()):
        del pairs[draw(st.integers(0, len(pairs) - 1))]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(pairs) - 1))
        pairs[at] = (pairs[at][0], draw(VALUES))
    if draw(st.booleans()):
        pairs.insert(draw(st.integers(0, len(pairs))), (draw(KEYS), draw(VALUES)))
    return "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"


@st.composite
def frames(draw: st.DrawFn) -> str:
    status = draw(objects(STATUS))
    return draw(objects([("type", '"send"'), ("messageId", '"m-1"'), ("orderStatus", status)]))


@settings(max_examples=1000)
@given(frames())
def test_a_frame_that_is_read_as_plain_is_read_the_same_strictly(text: str) -> None:
    plain = read_plain_frame(text)
    assert plain is None or plain == read_any_frame(text)


@settings(max_examples=500)
@given(frames(), st.data())
def test_a_plain_frame_with_one_typo_is_read_the_same_strictly(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    typo = data.draw(
        st.sampled_from(['"', "\\", ",", " ", "\0", "\ufeff", "{", "0", "]"]) | st.text(max_size=3)
    )
    text = text[:at] + typo + text[at + data.draw(st.integers(0, 2)) :]
    plain = read_plain_frame(text)
    assert plain is None or plain == read_any_frame(text)


@pytest.mark.parametrize("extra", ['"message":"again"', '"extra":7', '"extra":{"deep":NaN}', '"":null'])
def test_a_frame_with_a_duplicate_or_unknown_field_is_never_plain(extra: str) -> None:
    text = send_frame()
    assert read_plain_frame(text.replace('"message"', f'{extra},"message"', 1)) is None
    assert read_plain_frame(text.replace("{", f"{{{extra},", 1)) is None


@pytest.mark.parametrize("spelling", ["\\u0041", "\\ud800", "\\u0000", '\\"'])
def test_an_escape_is_never_plain(spelling: str) -> None:
    assert read_plain_frame(_changed(message="@").replace("@", spelling)) is None
