"""The frames of the protocol: how those of the relay are decoded, and how each is encoded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from socket_bloc.frames import (
    MAX_FRAGMENTS,
    MAX_FRAME_SIZE,
    SUBPROTOCOL,
    CloseCode,
    InvalidFrame,
    RejectedFrame,
    RelayFrame,
    SendFrame,
    StatusFrame,
    WelcomeFrame,
    read_relay_frame,
)
from socket_bloc.order_status import ClientType, OrderStatus, RejectionCode, StatusCode

AT = datetime(2026, 11, 22, 10, 1, 12, 345678, UTC)
ACCEPTED = OrderStatus.of(
    StatusCode.ACCEPTED, order_id="7d3e", message="On my way", sender_id="s-4", receiver_id="c-17"
)

WELCOME: dict[str, object] = {
    "type": "welcome",
    "userId": "c-17",
    "clientType": "client",
    "epoch": "5f0c",
    "after": 17,
    "head": 21,
    "resumed": True,
}
STATUS: dict[str, object] = {
    "type": "status",
    "seq": 18,
    "messageId": "9f1c",
    "at": "2026-11-22T10:01:12.345678Z",
    "orderStatus": {
        "orderStatusAsString": "ACCEPTED",
        "orderStatusAsInt": 1004,
        "message": "On my way",
        "senderId": "s-4",
        "receiverId": "c-17",
        "orderId": "7d3e",
    },
}
REJECTED: dict[str, object] = {
    "type": "rejected",
    "messageId": "9f1c",
    "code": "illegalTransition",
    "reason": "order 7d3e is CANCELLED",
    "currentStatus": 1008,
}
SEND: dict[str, object] = {"type": "send", "messageId": "9f1c", "orderStatus": STATUS["orderStatus"]}

FRAMES: list[tuple[dict[str, object], RelayFrame]] = [
    (
        WELCOME,
        WelcomeFrame(
            user_id="c-17", client_type=ClientType.CLIENT, epoch="5f0c", after=17, head=21, resumed=True
        ),
    ),
    (STATUS, StatusFrame(seq=18, message_id="9f1c", at=AT, order_status=ACCEPTED)),
    (
        REJECTED,
        RejectedFrame(
            message_id="9f1c",
            code=RejectionCode.ILLEGAL_TRANSITION,
            reason="order 7d3e is CANCELLED",
            current_status=1008,
        ),
    ),
]
each_frame = pytest.mark.parametrize(("wire", "frame"), FRAMES, ids=["welcome", "status", "rejected"])
each_wire = pytest.mark.parametrize("wire", [WELCOME, STATUS, REJECTED], ids=lambda wire: wire["type"])


def read(wire: dict[str, object], **changes: object) -> RelayFrame | InvalidFrame:
    return read_relay_frame(json.dumps(wire | changes))


def test_the_subprotocol_and_the_limits_are_those_of_the_protocol() -> None:
    assert (SUBPROTOCOL, MAX_FRAME_SIZE, MAX_FRAGMENTS) == ("order-status.v1", 65536, 64)


def test_the_close_codes_have_the_numbers_of_the_protocol() -> None:
    assert {code.name: code.value for code in CloseCode} == {
        "NORMAL": 1000,
        "GOING_AWAY": 1001,
        "PROTOCOL_ERROR": 1002,
        "UNSUPPORTED_DATA": 1003,
        "ABNORMAL_CLOSURE": 1006,
        "INVALID_DATA": 1007,
        "POLICY_VIOLATION": 1008,
        "MESSAGE_TOO_BIG": 1009,
        "INTERNAL_ERROR": 1011,
        "SLOW_READER": 4000,
        "TOKEN_EXPIRED": 4001,
    }


@each_frame
def test_a_frame_of_the_relay_is_decoded_from_text_and_from_bytes(
    wire: dict[str, object], frame: RelayFrame
) -> None:
    assert read_relay_frame(json.dumps(wire)) == frame
    assert read_relay_frame(json.dumps(wire).encode()) == frame


@each_frame
def test_a_frame_of_the_relay_is_encoded_as_it_was_decoded(
    wire: dict[str, object], frame: RelayFrame
) -> None:
    assert json.loads(frame.model_dump_json()) == wire


@each_frame
def test_unknown_fields_are_ignored(wire: dict[str, object], frame: RelayFrame) -> None:
    assert read(wire, colour=[1], message_id=3, order_status=4) == frame


@each_wire
def test_a_frame_without_a_type_is_invalid(wire: dict[str, object]) -> None:
    without = {key: value for key, value in wire.items() if key != "type"}
    assert read_relay_frame(json.dumps(without)) == InvalidFrame(None, None, "unknown type")


@pytest.mark.parametrize(
    ("wire", "field"),
    [(wire, field) for wire in (WELCOME, STATUS, REJECTED) for field in wire if field != "type"],
)
def test_each_other_field_is_required(wire: dict[str, object], field: str) -> None:
    seq = 18 if wire is STATUS and field != "seq" else None
    without = {key: value for key, value in wire.items() if key != field}
    expected = InvalidFrame(str(wire["type"]), seq, f"{field}: Field required")
    assert read_relay_frame(json.dumps(without)) == expected


@pytest.mark.parametrize(
    ("wire", "camel_case", "snake_case"),
    [
        (WELCOME, "userId", "user_id"),
        (WELCOME, "clientType", "client_type"),
        (STATUS, "messageId", "message_id"),
        (STATUS, "orderStatus", "order_status"),
        (REJECTED, "messageId", "message_id"),
        (REJECTED, "currentStatus", "current_status"),
    ],
)
def test_the_python_names_are_unknown_fields_on_the_wire(
    wire: dict[str, object], camel_case: str, snake_case: str
) -> None:
    renamed = {snake_case if key == camel_case else key: value for key, value in wire.items()}
    answer = read_relay_frame(json.dumps(renamed))
    assert isinstance(answer, InvalidFrame)
    assert answer.problem == f"{camel_case}: Field required"


@pytest.mark.parametrize("code", RejectionCode)
def test_a_known_rejection_code_is_decoded_as_a_member(code: RejectionCode) -> None:
    frame = read(REJECTED, code=code.value)
    assert isinstance(frame, RejectedFrame)
    assert frame.code is code


def test_an_unknown_rejection_code_is_kept_as_a_string() -> None:
    frame = read(REJECTED, code="tooEarly")
    assert isinstance(frame, RejectedFrame)
    assert frame.code == "tooEarly"
    assert not isinstance(frame.code, RejectionCode)


def test_the_message_id_and_the_status_of_a_rejection_may_be_null() -> None:
    frame = read(REJECTED, messageId=None, currentStatus=None)
    assert isinstance(frame, RejectedFrame)
    assert (frame.message_id, frame.current_status) == (None, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "invalid JSON"),
        ("{", "invalid JSON"),
        ('{"type":"status","seq":18', "invalid JSON"),
        (b"\xff", "invalid JSON"),
        ("[" * 100_000, "invalid JSON"),
        ("null", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ('"status"', "not a JSON object"),
        ("{}", "unknown type"),
        ('{"type":null}', "unknown type"),
        ('{"type":["status"]}', "unknown type"),
    ],
)
def test_what_is_not_an_object_with_a_known_type_is_invalid(text: str | bytes, problem: str) -> None:
    assert read_relay_frame(text) == InvalidFrame(None, None, problem)


@pytest.mark.parametrize("type_", ["Status", "send", "", "x" * 40])
def test_a_frame_of_an_unknown_type_keeps_its_type(type_: str) -> None:
    assert read(STATUS, type=type_) == InvalidFrame(type_, None, "unknown type")


def test_a_long_type_is_cut_to_40_characters() -> None:
    assert read(STATUS, type="x" * 41) == InvalidFrame("x" * 40, None, "unknown type")


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        (WELCOME, "after", -1),
        (WELCOME, "after", "17"),
        (WELCOME, "head", -1),
        (WELCOME, "head", 2.5),
        (WELCOME, "resumed", 1),
        (WELCOME, "clientType", "admin"),
        (WELCOME, "epoch", None),
        (REJECTED, "messageId", ""),
        (REJECTED, "messageId", "x" * 65),
        (REJECTED, "reason", None),
        (REJECTED, "currentStatus", "1008"),
    ],
)
def test_a_welcome_or_a_rejection_with_an_invalid_field_is_invalid(
    wire: dict[str, object], field: str, value: object
) -> None:
    frame = read(wire, **{field: value})
    assert isinstance(frame, InvalidFrame)
    assert (frame.type, frame.seq) == (wire["type"], None)
    assert frame.problem.startswith(f"{field}: ")


def test_a_rejection_whose_code_is_not_a_string_is_invalid() -> None:
    frame = read(REJECTED, code=5)
    assert isinstance(frame, InvalidFrame)
    assert frame.problem.startswith("code")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("messageId", ""),
        ("messageId", "x" * 65),
        ("messageId", "a\0"),
        ("at", "yesterday"),
        ("at", 1_700_000_000),
        ("at", "2026-11-22T10:01:12.345678"),  # without a time zone
        ("orderStatus", None),
        ("orderStatus", {"orderStatusAsString": "ACCEPTED"}),
    ],
)
def test_a_status_with_an_invalid_field_keeps_its_seq(field: str, value: object) -> None:
    frame = read(STATUS, **{field: value})
    assert isinstance(frame, InvalidFrame)
    assert (frame.type, frame.seq) == ("status", 18)
    assert frame.problem.startswith(field)


def test_the_first_seq_is_1_and_a_field_is_named_by_its_path() -> None:
    frame = read(STATUS, seq=1, orderStatus={"orderStatusAsString": "ACCEPTED", "message": ""})
    assert frame == InvalidFrame("status", 1, "orderStatus.orderStatusAsInt: Field required")


@pytest.mark.parametrize("seq", [0, -1, 1.5, "18", True, None, [18]])
def test_a_status_with_an_invalid_seq_has_none(seq: object) -> None:
    frame = read(STATUS, seq=seq)
    assert isinstance(frame, InvalidFrame)
    assert (frame.type, frame.seq) == ("status", None)
    assert frame.problem.startswith("seq: ")


def test_only_a_status_has_a_seq() -> None:
    frame = read(WELCOME, seq=18, epoch=None)
    assert isinstance(frame, InvalidFrame)
    assert frame.seq is None


def test_a_problem_quotes_no_content_of_the_frame() -> None:
    bad = {"orderStatusAsString": ["secret"], "orderStatusAsInt": "secret", "secret": "secret"}
    for frame in (read(STATUS, orderStatus=bad), read(STATUS, at="secret"), read(REJECTED, code=["secret"])):
        assert isinstance(frame, InvalidFrame)
        assert "secret" not in frame.problem


@pytest.mark.parametrize("microsecond", [0, 5, 120_000, 999_999])
def test_a_time_is_encoded_with_six_decimals(microsecond: int) -> None:
    frame = StatusFrame(seq=1, message_id="m", at=AT.replace(microsecond=microsecond), order_status=ACCEPTED)
    assert json.loads(frame.model_dump_json())["at"] == f"2026-11-22T10:01:12.{microsecond:06}Z"


def test_a_time_of_another_zone_is_encoded_in_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=2)))
    frame = StatusFrame(seq=18, message_id="9f1c", at=there, order_status=ACCEPTED)
    assert json.loads(frame.model_dump_json()) == STATUS


def test_a_send_is_encoded_in_camel_case_and_decoded_again() -> None:
    frame = SendFrame(message_id="9f1c", order_status=ACCEPTED)
    assert json.loads(frame.model_dump_json()) == SEND
    assert SendFrame.from_json(json.dumps(SEND)) == frame


@pytest.mark.parametrize("message_id", ["", "x" * 65, "\0"])
def test_a_message_id_has_1_to_64_characters_and_no_nul(message_id: str) -> None:
    assert SendFrame(message_id="\N{WRENCH}" * 64, order_status=ACCEPTED).message_id == "\N{WRENCH}" * 64
    with pytest.raises(ValidationError):
        SendFrame(message_id=message_id, order_status=ACCEPTED)
