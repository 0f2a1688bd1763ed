"""The vocabulary of an order: its values, the shape of a status, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest
from pydantic import ValidationError

from socket_bloc.order_status import ClientType, OrderStatus, RejectionCode, StatusCode, check_user_id

WIRE: dict[str, object] = {
    "orderStatusAsString": "PLACED",
    "orderStatusAsInt": 1001,
    "message": "Kitchen tap drips",
    "senderId": "c-17",
    "receiverId": "s-4",
    "orderId": "7d3e",
}
PYTHON: dict[str, Any] = {
    "order_status_as_string": "PLACED",
    "order_status_as_int": 1001,
    "message": "Kitchen tap drips",
    "sender_id": "c-17",
    "receiver_id": "s-4",
    "order_id": "7d3e",
}


def status_with(**fields: Any) -> OrderStatus:
    return OrderStatus(**{**PYTHON, **fields})


def faulty_fields(error: ValidationError) -> list[str]:
    return [".".join(map(str, fault["loc"])) for fault in error.errors()]


def test_the_statuses_have_the_numbers_of_the_diagram() -> None:
    assert {status.name: status.value for status in StatusCode} == {
        "PLACED": 1001,
        "ACCEPTED": 1004,
        "STARTED": 1005,
        "ORDER_CHANGED": 1006,
        "EXTENDED": 1007,
        "CANCELLED": 1008,
        "ORDER_COMPLETE": 1009,
        "PAYMENT": 1010,
        "PAYMENT_VERIFICATION": 1011,
    }


def test_the_other_side_of_each_role_is_the_other_role() -> None:
    assert [(role.value, role.other.value) for role in ClientType] == [
        ("client", "serviceman"),
        ("serviceman", "client"),
    ]


def test_a_rejection_is_final_unless_it_asks_for_a_retry() -> None:
    assert {code.value: code.is_final for code in RejectionCode} == {
        "malformed": True,
        "unknownType": True,
        "unknownStatus": True,
        "forgedSender": True,
        "wrongReceiver": True,
        "wrongRole": True,
        "unknownOrder": True,
        "orderExists": True,
        "illegalTransition": True,
        "messageIdReused": True,
        "rateLimited": False,
        "unavailable": False,
    }


def test_a_status_is_decoded_from_camel_case() -> None:
    assert OrderStatus.from_json(json.dumps(WIRE)) == OrderStatus.from_wire(WIRE) == OrderStatus(**PYTHON)


def test_a_status_is_encoded_in_camel_case_with_every_field() -> None:
    assert json.loads(OrderStatus(**PYTHON).model_dump_json()) == WIRE
    bare = OrderStatus(order_status_as_string="PAYMENT", order_status_as_int=1010, message="")
    assert json.loads(bare.model_dump_json()) == {
        "orderStatusAsString": "PAYMENT",
        "orderStatusAsInt": 1010,
        "message": "",
        "senderId": None,
        "receiverId": None,
        "orderId": None,
    }


def from_json_value(value: object) -> OrderStatus:
    return OrderStatus.from_json(json.dumps(value))


@pytest.mark.parametrize("read", [OrderStatus.from_wire, from_json_value])
def test_the_python_names_are_unknown_fields_on_the_wire(read: Callable[[object], OrderStatus]) -> None:
    ids = {"sender_id": "c-17", "receiver_id": "s-4", "order_id": "7d3e"}
    required = {"orderStatusAsString": "PLACED", "orderStatusAsInt": 1001, "message": ""}
    assert read(required | ids) == read(required)
    with pytest.raises(ValidationError) as caught:
        read(PYTHON)
    assert faulty_fields(caught.value) == ["orderStatusAsString", "orderStatusAsInt"]


@pytest.mark.parametrize("name", ["senderId", "receiverId", "orderId"])
@pytest.mark.parametrize("is_null", [True, False])
def test_the_three_ids_may_be_null_or_absent(name: str, is_null: bool) -> None:
    fields = {key: value for key, value in WIRE.items() if key != name} | ({name: None} if is_null else {})
    assert json.loads(OrderStatus.from_wire(fields).model_dump_json()) == {**WIRE, name: None}


@pytest.mark.parametrize("name", ["orderStatusAsString", "orderStatusAsInt", "message"])
def test_the_other_fields_are_required(name: str) -> None:
    fields = {key: value for key, value in WIRE.items() if key != name}
    with pytest.raises(ValidationError) as caught:
        OrderStatus.from_wire(fields)
    assert faulty_fields(caught.value) == [name]


def test_unknown_fields_are_ignored() -> None:
    assert OrderStatus.from_wire({**WIRE, "colour": {"deep": [1]}}) == OrderStatus(**PYTHON)


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [("message", 0, 4096), ("sender_id", 1, 128), ("receiver_id", 1, 128), ("order_id", 1, 128)],
)
def test_lengths_are_limited_in_code_points(field: str, least: int, most: int) -> None:
    for length in (least, most):
        text = "\N{WRENCH}" * length  # four bytes each
        assert getattr(status_with(**{field: text}), field) == text
    for length in {least - 1, most + 1} - {-1}:
        with pytest.raises(ValidationError) as caught:
            status_with(**{field: "x" * length})
        assert faulty_fields(caught.value) == [field]


@pytest.mark.parametrize("field", ["message", "sender_id", "receiver_id", "order_id"])
@pytest.mark.parametrize("text", ["\0", "a\0", "\0a", "a\n\0\nb", "\ud800"])
def test_a_nul_or_a_lone_surrogate_is_an_error_at_any_position(field: str, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        status_with(**{field: text})
    assert faulty_fields(caught.value) == [field]


@pytest.mark.parametrize("text", ["a\nb\n", "\t", " ", "\x1b[0m", "\u202e", "e\u0301", "\N{WRENCH}"])
def test_any_other_text_is_kept_unchanged(text: str) -> None:
    status = status_with(message=text, order_id=text, sender_id=text, receiver_id=text)
    assert OrderStatus.from_json(status.model_dump_json()) == status
    assert status.message == status.order_id == status.sender_id == status.receiver_id == text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_status_as_int", "1001"),
        ("order_status_as_int", 1001.0),
        ("order_status_as_int", True),
        ("order_status_as_string", 1001),
        ("order_status_as_string", b"PLACED"),
        ("message", None),
        ("message", 5),
        ("sender_id", 17),
        ("order_id", ["7d3e"]),
    ],
)
def test_no_value_is_coerced(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        status_with(**{field: value})
    assert faulty_fields(caught.value) == [field]


def test_an_error_quotes_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        status_with(message="my secret\0", order_id=("my secret",))
    assert "my secret" not in str(caught.value)


def test_the_names_on_the_wire_are_errors_in_python() -> None:
    with pytest.raises(ValidationError):
        OrderStatus(**WIRE)  # type: ignore[arg-type]


def test_a_status_is_frozen_and_can_be_a_key() -> None:
    status = OrderStatus(**PYTHON)
    with pytest.raises(ValidationError):
        status.message = "another"  # type: ignore[misc]
    assert hash(status) == hash(OrderStatus(**PYTHON))
    assert status != status_with(message="another")


@pytest.mark.parametrize("user_id", ["c", "c-17", "x" * 128, "\N{WRENCH}" * 128, " ", "a b", "\u202e"])
def test_a_user_id_is_any_text_of_1_to_128_characters(user_id: str) -> None:
    check_user_id(user_id)


@pytest.mark.parametrize("user_id", ["", "x" * 129])
def test_a_user_id_that_is_too_short_or_too_long_is_an_error(user_id: str) -> None:
    with pytest.raises(ValueError, match=r"^it must have 1 to 128 characters$"):
        check_user_id(user_id)


@pytest.mark.parametrize("control", ["\0", "\n", "\x1f", "\x7f", "\x9f"])
def test_a_user_id_with_a_control_character_is_an_error(control: str) -> None:
    with pytest.raises(ValueError, match=r"^it must have no control characters$"):
        check_user_id(f"c{control}17")


def test_a_status_is_built_from_an_enumeration_member() -> None:
    built = OrderStatus.of(
        StatusCode.PLACED,
        order_id="7d3e",
        message="Kitchen tap drips",
        receiver_id="s-4",
        sender_id="c-17",
    )
    assert built == OrderStatus(**PYTHON)
    assert OrderStatus.of(StatusCode.PAYMENT, order_id="7d3e") == OrderStatus(
        order_status_as_string="PAYMENT", order_status_as_int=1010, message="", order_id="7d3e"
    )


def test_a_status_is_built_from_the_enumeration_of_another_flow() -> None:
    class Ride(IntEnum):
        HAILED = 7

    status = OrderStatus.of(Ride.HAILED, order_id="r-1")
    assert (status.order_status_as_string, status.order_status_as_int) == ("HAILED", 7)
    assert type(status.order_status_as_int) is int


def test_statuses_that_are_kept_share_their_set_of_given_fields() -> None:
    one, other = (OrderStatus.of(StatusCode.PLACED, order_id=id, receiver_id="s-4") for id in ("o-1", "o-2"))
    given = set(one.model_fields_set)
    for status in (one, other):
        status.share_fields_set()
    assert one.model_fields_set is other.model_fields_set
    assert one.model_fields_set == given
    copy = one.model_copy(update={"message": "The tap drips"})
    assert copy.model_fields_set is not one.model_fields_set
