"""The words of an order: who speaks, what is said, and why it may be refused.

Only the shape of a status is checked here. Which status may follow which, and who sends it, is the
business of `order_flow`; how a status travels is the business of `frames`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

__all__ = [
    "ClientType",
    "MessageId",
    "OrderStatus",
    "Rejection",
    "RejectionCode",
    "StatusCode",
    "WireModel",
    "check_user_id",
]

# Lengths are in code points. A NUL is refused wherever it stands: too much software ends a string there.
_NO_NUL = r"\A[^\x00]*\z"
_MAX_ID = 128
Id = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_ID, pattern=_NO_NUL)]
MessageId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_NO_NUL)]
MessageText = Annotated[str, StringConstraints(max_length=4096, pattern=_NO_NUL)]


def check_user_id(user_id: str) -> None:
    """Raise `ValueError`, with the reason, where this cannot be the id of a user."""
    if not 1 <= len(user_id) <= _MAX_ID:
        raise ValueError(f"it must have 1 to {_MAX_ID} characters")
    if any(unicodedata.category(character) == "Cc" for character in user_id):
        raise ValueError("it must have no control characters")


class ClientType(StrEnum):
    """The two roles that connect to the relay. A user is the pair of an id and a role."""

    CLIENT = "client"
    SERVICEMAN = "serviceman"

    @property
    def other(self) -> ClientType:
        """The role on the other side of an order."""
        return ClientType.SERVICEMAN if self is ClientType.CLIENT else ClientType.CLIENT


class StatusCode(IntEnum):
    """The statuses of the sequence diagram, with the diagram's numbers."""

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
    """Why the relay refused a status; each value is written on the wire as it stands here."""

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
        """Whether it settles the send. The two others ask for another try with the same message id."""
        return self not in (RejectionCode.RATE_LIMITED, RejectionCode.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal of one status.

    `field` names the field at fault as Python spells it (`receiver_id`), and `reason` says in one
    sentence what it should be. `current_status` is the status that the order has, where the sender
    may know it.
    """

    code: RejectionCode
    field: str
    reason: str
    current_status: int | None = None


class WireModel(BaseModel):
    """What travels: frozen, snake_case in Python, camelCase as JSON, where unknown fields are ignored.

    Python callers use the Python names only, and a misspelt one is an error; `from_json` and `from_wire`
    know the camelCase names only. No value is ever coerced, and no error text repeats a value, since error
    texts are logged.
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
        """Read one JSON object. Raises `pydantic.ValidationError`."""
        return cls.model_validate_json(text, by_alias=True, by_name=False, extra="ignore")

    @classmethod
    def from_wire(cls, value: object) -> Self:
        """Read a decoded JSON value. Raises `pydantic.ValidationError`."""
        return cls.model_validate(value, by_alias=True, by_name=False, extra="ignore")


class OrderStatus(WireModel):
    """One status of one order, as in the class diagram.

    Whether the string belongs to the int is for `OrderFlow` to say. `sender_id` may be left out (the
    relay fills in the connected user) and so may `receiver_id`, except where an order begins;
    `order_id` is needed to send. Raises `pydantic.ValidationError`, a `ValueError` that names the field.
    """

    order_status_as_string: str
    order_status_as_int: int
    message: MessageText
    sender_id: Id | None = None
    receiver_id: Id | None = None
    order_id: Id | None = None

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
        """Build a status from its enumeration (`StatusCode`, or that of your own flow)."""
        return cls(
            order_status_as_string=status.name,
            order_status_as_int=int(status),
            message=message,
            sender_id=sender_id,
            receiver_id=receiver_id,
            order_id=order_id,
        )
