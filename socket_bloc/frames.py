"""The frames of the protocol `order-status.v1`, and what else both ends must agree on.

Each text frame is one JSON object with a `type`. The relay reads the client's frames with more
suspicion than pydantic has, and keeps that to itself; how a client reads the relay's frames is here.
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
    "RejectedFrame",
    "RelayFrame",
    "SendFrame",
    "StatusFrame",
    "UnreadableFrame",
    "WelcomeFrame",
    "read_relay_frame",
]

SUBPROTOCOL: Final = "order-status.v1"
MAX_FRAME_SIZE: Final = 64 * 1024
"""Bytes of one message from a client, all its fragments together."""
MAX_FRAGMENTS: Final = 64


class CloseCode(IntEnum):
    """The close codes that this protocol gives a meaning of its own, beside those of RFC 6455."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    SLOW_READER = 4000
    TOKEN_EXPIRED = 4001


def _utc(at: datetime) -> str:
    """Six digits of a second always, so that texts sort as times do (isoformat drops `.000000`)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class WelcomeFrame(WireModel):
    """The relay's first frame: which feed follows. It starts at `after + 1` and now reaches to `head`."""

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
    """A refusal. `code` is a plain string where a newer relay has a code that this version does not know."""

    type: Literal["rejected"] = "rejected"
    message_id: MessageId | None
    # From left to right: the mode that is the default prefers the plain string.
    code: Annotated[RejectionCode | str, Field(union_mode="left_to_right")]
    reason: str
    current_status: int | None


class SendFrame(WireModel):
    """The client's one frame: please commit this status, once, under this message id."""

    type: Literal["send"] = "send"
    message_id: MessageId
    order_status: OrderStatus


@dataclass(frozen=True, slots=True)
class UnreadableFrame:
    """A frame from the relay that makes no sense to this client.

    `seq` is that of a status whose number could be read, so that the feed goes on behind it. `problem`
    holds no content of the frame and may be logged.
    """

    type: str | None
    seq: int | None
    problem: str


RelayFrame = WelcomeFrame | StatusFrame | RejectedFrame
_RELAY_FRAME: Final = TypeAdapter[RelayFrame](Annotated[RelayFrame, Field(discriminator="type")])
_TYPES: Final = ("welcome", "status", "rejected")


def read_relay_frame(data: str | bytes) -> RelayFrame | UnreadableFrame:
    """Read a frame that came from the relay. Never raises."""
    try:
        return _RELAY_FRAME.validate_json(data, by_alias=True, by_name=False, extra="ignore")
    except ValidationError as error:
        return _unreadable(data, error)


def _unreadable(data: str | bytes, error: ValidationError) -> UnreadableFrame:
    try:
        value: object = from_json(data)
    except ValueError:
        return UnreadableFrame(None, None, "it is no JSON")
    if not isinstance(value, dict):
        return UnreadableFrame(None, None, "it is no JSON object")
    fields = cast("dict[str, object]", value)
    type_, seq = fields.get("type"), fields.get("seq")
    if type_ not in _TYPES:
        return UnreadableFrame(type_[:40] if isinstance(type_, str) else None, None, "its type is unknown")
    has_seq = type_ == "status" and type(seq) is int and seq > 0
    return UnreadableFrame(str(type_), cast(int, seq) if has_seq else None, _problem(error))


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    _type, *path = first["loc"]
    return f"{'.'.join(str(part) for part in path)}: {first['msg']}"
