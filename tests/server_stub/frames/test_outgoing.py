from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from server_stub.frames.outgoing import rejected_frame, status_frame, status_without_seq, welcome_frame
from server_stub.records import Entry, FeedStart
from socket_bloc.frames import StatusFrame
from socket_bloc.order_status import ClientType, OrderStatus, Rejection, RejectionCode
from tests.server_stub.support import CLIENT, SERVICEMAN

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100)


def _entry(message: str = "Kitchen tap drips", at: int = 1_795_341_672_345_678) -> Entry:
    return Entry(CLIENT, SERVICEMAN, 18, 7, "o-1", "m-1", 1001, "PLACED", message, at)


def test_a_status_is_encoded_as_the_protocol_specifies() -> None:
    assert status_frame(18, status_without_seq(_entry())) == (
        b'{"type":"status","seq":18,"messageId":"m-1","at":"2026-11-22T10:01:12.345678Z",'
        b'"orderStatus":{"orderStatusAsString":"PLACED","orderStatusAsInt":1001,'
        b'"message":"Kitchen tap drips","senderId":"c-1","receiverId":"s-1","orderId":"o-1"}}'
    )


def test_a_whole_second_also_has_six_decimals() -> None:
    frame = json.loads(status_frame(1, status_without_seq(_entry(at=1_795_341_672_000_000))))
    assert frame["at"] == "2026-11-22T10:01:12.000000Z"


@given(_TEXT)
def test_the_client_parses_every_frame(message: str) -> None:
    text = status_frame(7, status_without_seq(_entry(message)))
    frame = StatusFrame.from_json(text)
    assert frame.seq == 7
    assert frame.order_status == OrderStatus(
        order_status_as_string="PLACED",
        order_status_as_int=1001,
        message=message,
        sender_id="c-1",
        receiver_id="s-1",
        order_id="o-1",
    )
    assert frame.model_dump_json().encode() == text


def test_a_welcome_says_where_the_feed_starts() -> None:
    assert json.loads(welcome_frame(CLIENT, "5f0c", FeedStart(17, 21, resumed=True))) == {
        "type": "welcome",
        "userId": "c-1",
        "clientType": ClientType.CLIENT,
        "epoch": "5f0c",
        "after": 17,
        "head": 21,
        "resumed": True,
    }


def test_a_rejection_has_all_of_its_fields_even_if_they_are_null() -> None:
    rejection = Rejection(RejectionCode.UNKNOWN_ORDER, "order_id", "there is no order 😀")
    assert json.loads(rejected_frame(None, rejection)) == {
        "type": "rejected",
        "messageId": None,
        "code": "unknownOrder",
        "reason": "there is no order 😀",
        "currentStatus": None,
    }
