"""Parses the frames of clients. No I/O, no state."""

from __future__ import annotations

from typing import Final, NamedTuple

from pydantic import ValidationError

from server_stub.frames.strict_json import (
    JsonError,
    JsonObject,
    find_message_id,
    is_message_id,
    read_object,
)
from socket_bloc.frames import SendFrame
from socket_bloc.order_status import Rejection, RejectionCode

__all__ = ["InvalidFrame", "read_frame"]

MAX_PLAIN: Final = 1024
"""Characters of a text that may be parsed twice."""


class InvalidFrame(NamedTuple):
    """A frame that is not a valid send. `message_id` is that of the frame, if it could be read."""

    message_id: str | None
    rejection: Rejection


def read_frame(text: str) -> SendFrame | InvalidFrame:
    """Parse a frame. A `SendFrame` that is returned has an order id. Never raises."""
    return read_plain_frame(text) or read_any_frame(text)


def read_plain_frame(text: str) -> SendFrame | None:
    """Parse a `send` that has only its own fields, each once; return None for every other text.

    Pydantic alone parses a frame in half the time, but accepts what `strict_json` rejects: duplicate keys,
    unknown fields with any content, escapes of text that cannot be passed on. Without a backslash, each
    string has exactly two quotes, so the number of quotes leaves no room for another key.
    """
    if "\\" in text or (len(text) > MAX_PLAIN and (text.count("{") > 2 or "[" in text)):
        return None  # a long one with structure of its own is parsed once
    try:
        frame = _validate_json(text, by_alias=True, by_name=False, extra="ignore")
    except ValidationError:
        return None
    status = frame.order_status
    # Two for each key, and two for each value that is a string: `type` and `messageId` are, of a status all
    # but the number, and of these three may be null.
    strings = 2 + 5 - (status.sender_id is None) - (status.receiver_id is None)
    keys = len(frame.model_fields_set) + len(status.model_fields_set)
    is_plain = status.order_id is not None and text.count('"') == 2 * (keys + strings)
    return frame if is_plain and "type" in frame.model_fields_set else None


def read_any_frame(text: str) -> SendFrame | InvalidFrame:
    """Parse a frame strictly: every check, at any depth."""
    try:
        fields = read_object(text)
    except JsonError as error:
        return _malformed(find_message_id(text), "frame", str(error))
    type_ = fields.get("type")
    if not isinstance(type_, str):
        return _malformed(_message_id(fields), "type", "type: missing, or not a string")
    if type_ != "send":
        reason = "unknown frame type; a client may only send frames of type send"
        return InvalidFrame(_message_id(fields), Rejection(RejectionCode.UNKNOWN_TYPE, "type", reason))
    try:
        frame = SendFrame.from_wire(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return _malformed(_message_id(fields), field, f"{field}: {first['msg']}")
    if frame.order_status.order_id is None:
        reason = "orderStatus.orderId: missing; send the id of the order"
        return _malformed(frame.message_id, "order_id", reason)
    return frame


# `SendFrame.from_json` without two of its calls.
_validate_json: Final = SendFrame.__pydantic_validator__.validate_json


def _message_id(fields: JsonObject) -> str | None:
    value = fields.get("messageId")
    return value if is_message_id(value) else None


def _malformed(message_id: str | None, field: str, reason: str) -> InvalidFrame:
    return InvalidFrame(message_id, Rejection(RejectionCode.MALFORMED, field, reason))
