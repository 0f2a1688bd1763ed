"""The vocabulary of an order: roles, statuses, the reasons for a rejection, and the `OrderStatus` itself.

Only the shape of a status is checked here. For which status may follow which, and who may send it, see
`order_flow`; for its frame on the wire, see `frames`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

__all__ = [
    "MAX_MESSAGE_ID",
    "ClientType",
    "MessageId",
    "OrderStatus",
    "Rejection",
    "RejectionCode",
    "StatusCode",
    "WireModel",
    "check_message_id",
    "check_user_id",
]

# Lengths are in code points. NUL is rejected everywhere: too much software ends a string there.
_NO_NUL = r"\A[^\x00]*\z"
_MAX_ID = 128
MAX_MESSAGE_ID = 64
Id = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_ID, pattern=_NO_NUL)]
MessageId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_MESSAGE_ID, pattern=_NO_NUL)]
MessageText = Annotated[str, StringConstraints(max_length=4096, pattern=_NO_NUL)]


def check_user_id(user_id: str) -> None:
    """Raise `ValueError`, with the reason, if this is not a valid user id."""
    if not 1 <= len(user_id) <= _MAX_ID:
        raise ValueError(f"it must have 1 to {_MAX_ID} characters")
    if any(unicodedata.category(character) == "Cc" for character in user_id):
        raise ValueError("it must have no control characters")


def check_message_id(message_id: str) -> None:
    """Raise `ValueError`, with the reason, if this is not a valid message id."""
    if not 1 <= len(message_id) <= MAX_MESSAGE_ID or "\0" in message_id:
        raise ValueError(f"it must have 1 to {MAX_MESSAGE_ID} characters, none of them NUL")


class ClientType(StrEnum):
    """The two roles that connect to the relay. A user is the pair of an id and a role."""

    CLIENT = "client"
    SERVICEMAN = "serviceman"

    @property
    def other(self) -> ClientType:
        """The role on the other side of an order."""
        return ClientType.SERVICEMAN if self is ClientType.CLIENT else ClientType.CLIENT


class StatusCode(IntEnum):
    """The statuses of the sequence diagram, with its numbers."""

    PLACED = 1001
    ACCEPTED = 1004
    STARTED = 1005
    ORDER_CHANGED = 1006
    EXTENDED = 1007
    CANCELLED = 1008
    ORDER_COMPLETE = 1009
    PAYMENT = 1010
    PAYMENT_VERIFICATION = 1011


class RejectionCode(StrEnum):
    """Why the relay rejected a status. The values are those on the wire."""

    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknownType"
    UNKNOWN_STATUS = "unknownStatus"
    FORGED_SENDER = "forgedSender"
    WRONG_RECEIVER = "wrongReceiver"
    WRONG_ROLE = "wrongRole"
    UNKNOWN_ORDER = "unknownOrder"
    ORDER_EXISTS = "orderExists"
    ILLEGAL_TRANSITION = "illegalTransition"
    MESSAGE_ID_REUSED = "messageIdReused"
    RATE_LIMITED = "rateLimited"
    UNAVAILABLE = "unavailable"

    @property
    def is_final(self) -> bool:
        """Whether it settles the send. If not, the send must be retried with the same message id."""
        return self not in (RejectionCode.RATE_LIMITED, RejectionCode.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Rejection:
    """The rejection of one status.

    `field` names the invalid field as in Python (`receiver_id`), and `reason` says in one sentence what
    it should be. `current_status` is the status of the order, if the sender may know it.
    """

    code: RejectionCode
    field: str
    reason: str
    current_status: int | None = None


class WireModel(BaseModel):
    """The base class of what is sent: frozen, snake_case in Python, camelCase as JSON.

    The constructor takes the Python names only, and rejects unknown ones; `from_json` and `from_wire`
    take the camelCase names only, and ignore unknown ones. Values are never coerced, and error texts
    quote no values, because they are logged.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=False,
        extra="forbid",
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Validate a JSON object. Raises `pydantic.ValidationError`."""
        return cls.model_validate_json(text, by_alias=True, by_name=False, extra="ignore")

    @classmethod
    def from_wire(cls, value: object) -> Self:
        """Validate a decoded JSON value. Raises `pydantic.ValidationError`."""
        return cls.model_validate(value, by_alias=True, by_name=False, extra="ignore")


_FIELDS_SETS: Final[dict[frozenset[str], set[str]]] = {}


class OrderStatus(WireModel):
    """One status of one order, as in the class diagram.

    Whether the string belongs to the int is checked by `OrderFlow`. `sender_id` may be left out (the
    relay fills in the connected user), and so may `receiver_id`, except in a status that starts an
    order; `order_id` is required for sending. Raises `pydantic.ValidationError`, a `ValueError` that
    names the field.
    """

    order_status_as_string: str
    order_status_as_int: int
    message: MessageText
    sender_id: Id | None = None
    receiver_id: Id | None = None
    order_id: Id | None = None

    def share_fields_set(self) -> None:
        """Share pydantic's set of given fields with equal ones: of its own, it is half of a status's memory.

        For statuses that are kept in great numbers. Nothing changes it: a status is frozen, and its copies
        get copies of it.
        """
        shared = _FIELDS_SETS.setdefault(frozenset(self.model_fields_set), self.model_fields_set)
        object.__setattr__(self, "__pydantic_fields_set__", shared)

    @classmethod
    def of(
        cls,
        status: IntEnum,
        *,
        order_id: str,
        message: str = "",
        receiver_id: str | None = None,
        sender_id: str | None = None,
    ) -> Self:
        """Build a status from a member of `StatusCode`, or of the enumeration of your own flow."""
        return cls(
            order_status_as_string=status.name,
            order_status_as_int=int(status),
            message=message,
            sender_id=sender_id,
            receiver_id=receiver_id,
            order_id=order_id,
        )
