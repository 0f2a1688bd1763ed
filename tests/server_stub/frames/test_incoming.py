from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
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
def test_a_malformed_frame_is_refused_with_its_message_id_and_the_field(text: str, reason: str) -> None:
    refused = _refused(text)
    assert refused.message_id == "m-1"
    assert refused.rejection.code is RejectionCode.MALFORMED
    assert refused.rejection.reason.startswith(f"{reason}:")


def test_names_in_snake_case_are_unknown_fields() -> None:
    frame = json.loads(send_frame())
    frame["orderStatus"]["order_id"] = frame["orderStatus"].pop("orderId")
    assert _refused(json.dumps(frame)).rejection.code is RejectionCode.MALFORMED


@pytest.mark.parametrize("message_id", [None, 7, "", "m" * 65, "m\0"])
def test_a_message_id_that_is_none_is_not_echoed(message_id: object) -> None:
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


def test_a_key_named_twice_is_malformed_before_its_type_is_looked_at() -> None:
    refused = _refused('{"type":"welcome","messageId":"m-9","a":1,"a":1}')
    assert refused.message_id == "m-9"
    assert refused.rejection.code is RejectionCode.MALFORMED


def test_no_reason_repeats_what_was_said() -> None:
    refused = _refused(_changed(message="secret" * 1000))
    assert "secret" not in refused.rejection.reason


@given(st.data())
def test_no_frame_makes_it_fail(data: st.DataObject) -> None:
    text = send_frame()
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 20))
    mutated = text[:at] + data.draw(st.text(max_size=20)) + text[at + length :]
    assert isinstance(read_frame(mutated), SendFrame | InvalidFrame)


def test_a_plain_send_is_read_without_suspicion() -> None:
    for text in (send_frame(), _changed(senderId="c-1"), _without("orderStatus", "senderId")):
        plain = read_plain_frame(text)
        assert plain is not None
        assert plain == read_any_frame(text)


PIECES = st.sampled_from(
    [
        *(
            '"',
            "\\",
            "\\u0041",
            "\\ud800",
            "\0",
            "\ufeff",
            " ",
            "\t",
            "0",
            "1e400",
            "-",
            "NaN",
            "Infinity",
            "{",
            "}",
            "[",
            "]",
        ),
        *(
            '"message":"again",',
            '"messageId":"m-2",',
            '"type":"send",',
            '"type":"welcome",',
            '"orderId":null,',
        ),
        *(
            '"senderId":null,',
            '"extra":7,',
            '"extra":NaN,',
            '"":"",',
            "null",
            "true",
            ",",
            ":",
            "[[[[",
            '"extra":{"extra":[]},',
        ),
    ]
)


@given(st.data())
def test_what_is_read_as_plain_is_read_the_same_with_suspicion(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([send_frame(), _changed(senderId="c-1", receiverId=None)]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.sampled_from([0, 0, 0, 1, 4, 12]))
        text = text[:at] + data.draw(PIECES | st.text(max_size=3)) + text[at + cut :]
    plain = read_plain_frame(text)
    assert plain is None or plain == read_any_frame(text)


@given(st.lists(st.tuples(st.sampled_from(["type", "messageId", "orderStatus", "extra"]), st.integers(0, 5))))
def test_no_field_named_twice_and_no_unknown_one_passes_as_plain(fields: list[tuple[str, int]]) -> None:
    values = {
        "type": ['"send"', '"welcome"', "null"],
        "messageId": ['"m-1"', '""', "7"],
        "orderStatus": [json.dumps(json.loads(send_frame())["orderStatus"]), '{"orderId":"o-1"}', "null"],
        "extra": ["1", '"1"', "[1e999]"],
    }
    text = "{" + ",".join(f'"{name}":{values[name][which % 3]}' for name, which in fields) + "}"
    is_plain = sorted(name for name, _ in fields) == ["messageId", "orderStatus", "type"]
    plain = read_plain_frame(text)
    assert plain is None or (is_plain and plain == read_any_frame(text))
