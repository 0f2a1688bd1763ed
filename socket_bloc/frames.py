"""The frames, close codes and limits of the protocol `order-status.v1`, which both ends share.

Each text frame is one JSON object with a `type`. How a client reads the relay's frames is here; how the
relay reads the client's, more strictly than pydantic does, is in `server_stub`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, Final, Literal, cast

from pydantic import AwareDatetime, Field, PlainSerializer, TypeAdapter, ValidationError
from pydantic_core import from_json

from socket_bloc.order_status import ClientType, MessageId, OrderStatus, RejectionCode, WireModel

__all__ = [
    "MAX_FRAGMENTS",
    "MAX_FRAME_SIZE",
    "SUBPROTOCOL",
    "CloseCode",
    "InvalidFrame",
    "RejectedFrame",
    "RelayFrame",
    "SendFrame",
    "StatusFrame",
    "WelcomeFrame",
    "read_relay_frame",
]

SUBPROTOCOL: Final = "order-status.v1"
MAX_FRAME_SIZE: Final = 64 * 1024
"""Bytes of one message from a client, all its fragments together."""
MAX_FRAGMENTS: Final = 64


class CloseCode(IntEnum):
    """The close codes of RFC 6455 that this protocol uses, and its own."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    ABNORMAL_CLOSURE = 1006
    """Stands for a connection that ended without a close frame; never sent."""
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SLOW_READER = 4000
    TOKEN_EXPIRED = 4001


def _utc(at: datetime) -> str:
    """Format with six decimals always, so that texts sort as times do (`isoformat` drops `.000000`)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class WelcomeFrame(WireModel):
    """The relay's first frame: the feed that follows starts at `after + 1` and ends, for now, at `head`."""

    type: Literal["welcome"] = "welcome"
    user_id: str
    client_type: ClientType
    epoch: str
    after: Annotated[int, Field(ge=0)]
    head: Annotated[int, Field(ge=0)]
    resumed: bool


class StatusFrame(WireModel):
    """One committed status: entry `seq` of this user's feed, committed `at` (UTC)."""

    type: Literal["status"] = "status"
    seq: Annotated[int, Field(ge=1)]
    message_id: MessageId
    at: Annotated[AwareDatetime, PlainSerializer(_utc, return_type=str)]
    order_status: OrderStatus


class RejectedFrame(WireModel):
    """A rejection. `code` is a plain string if a newer relay uses one that this version does not know."""

    type: Literal["rejected"] = "rejected"
    message_id: MessageId | None
    # From left to right: the default mode prefers the plain string.
    code: Annotated[RejectionCode | str, Field(union_mode="left_to_right")]
    reason: str
    current_status: int | None


class SendFrame(WireModel):
    """The client's only frame: commit this status, once, under this message id."""

    type: Literal["send"] = "send"
    message_id: MessageId
    order_status: OrderStatus


@dataclass(frozen=True, slots=True)
class InvalidFrame:
    """A frame from the relay that this client cannot interpret.

    `seq` is that of a status whose number is valid, so that the feed continues after it. `problem`
    quotes no content of the frame and may be logged.
    """

    type: str | None
    seq: int | None
    problem: str


RelayFrame = WelcomeFrame | StatusFrame | RejectedFrame
_RELAY_FRAME: Final = TypeAdapter[RelayFrame](Annotated[RelayFrame, Field(discriminator="type")])
_TYPES: Final = ("welcome", "status", "rejected")


def read_relay_frame(data: str | bytes) -> RelayFrame | InvalidFrame:
    """Decode a frame from the relay. Never raises."""
    try:
        return _RELAY_FRAME.validate_json(data, by_alias=True, by_name=False, extra="ignore")
    except ValidationError as error:
        return _invalid(data, error)


def _invalid(data: str | bytes, error: ValidationError) -> InvalidFrame:
    try:
        value: object = from_json(data)
    except ValueError:
        return InvalidFrame(None, None, "invalid JSON")
    if not isinstance(value, dict):
        return InvalidFrame(None, None, "not a JSON object")
    fields = cast("dict[str, object]", value)
    type_, seq = fields.get("type"), fields.get("seq")
    if type_ not in _TYPES:
        return InvalidFrame(type_[:40] if isinstance(type_, str) else None, None, "unknown type")
    has_seq = type_ == "status" and type(seq) is int and seq > 0
    return InvalidFrame(str(type_), cast(int, seq) if has_seq else None, _problem(error))


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    _type, *path = first["loc"]
    return f"{'.'.join(str(part) for part in path)}: {first['msg']}"
