"""The vocabulary of the protocol `order-status.v1`, written down a second time.

The tests check a relay from outside, so they import nothing of the packages under test: the table below
is the table of `docs/protocol.md`, typed by hand.
"""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

__all__ = [
    "FINAL_CODES",
    "PATHS",
    "ROLES",
    "SECRET_TEXT",
    "TABLE",
    "WHOLE_ORDER",
    "Row",
    "fresh",
    "order_status",
    "other_role",
    "send_frame",
]

ROLES = ("client", "serviceman")

SECRET_TEXT = "secret: the kitchen tap drips"
"""The default message of a status. It must never appear in a relay's log."""


class Row(NamedTuple):
    """One row of the status table."""

    number: int
    sent_by: str
    after: frozenset[str]


TABLE = {
    "PLACED": Row(1001, "client", frozenset()),
    "ACCEPTED": Row(1004, "serviceman", frozenset({"PLACED"})),
    "STARTED": Row(1005, "client", frozenset({"ACCEPTED"})),
    "ORDER_CHANGED": Row(1006, "serviceman", frozenset({"STARTED", "EXTENDED"})),
    "EXTENDED": Row(1007, "client", frozenset({"ORDER_CHANGED"})),
    "PAYMENT": Row(1010, "client", frozenset({"STARTED", "EXTENDED"})),
    "PAYMENT_VERIFICATION": Row(1011, "serviceman", frozenset({"PAYMENT"})),
    "ORDER_COMPLETE": Row(1009, "client", frozenset({"PAYMENT_VERIFICATION"})),
    "CANCELLED": Row(1008, "client", frozenset({"PLACED", "ACCEPTED"})),
}

WHOLE_ORDER = (
    "PLACED",
    "ACCEPTED",
    "STARTED",
    "ORDER_CHANGED",
    "EXTENDED",
    "PAYMENT",
    "PAYMENT_VERIFICATION",
    "ORDER_COMPLETE",
)

PATHS: dict[str, tuple[str, ...]] = {
    **{name: WHOLE_ORDER[: place + 1] for place, name in enumerate(WHOLE_ORDER)},
    "CANCELLED": ("PLACED", "CANCELLED"),
}
"""For each status, one path that leads a new order to it."""

FINAL_CODES = frozenset(
    {
        "malformed",
        "unknownType",
        "unknownStatus",
        "forgedSender",
        "wrongReceiver",
        "wrongRole",
        "unknownOrder",
        "orderExists",
        "illegalTransition",
        "messageIdReused",
    }
)
"""The rejections that settle a send; after the two others it is retried with the same message id."""


def other_role(role: str) -> str:
    """The role of the other party."""
    return "client" if role == "serviceman" else "serviceman"


def fresh(prefix: str) -> str:
    """Return an id that no other test has, so that all of them can share one relay."""
    return f"{prefix}-{uuid.uuid4().hex}"


def order_status(name: str, order_id: str, **fields: Any) -> dict[str, Any]:
    """Return an `orderStatus` as on the wire; `fields` replace or add to its fields."""
    return {
        "orderStatusAsString": name,
        "orderStatusAsInt": TABLE[name].number,
        "message": SECRET_TEXT,
        "orderId": order_id,
        **fields,
    }


def send_frame(name: str, order_id: str, *, message_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a whole `send` frame, with a new message id unless one is given."""
    return {
        "type": "send",
        "messageId": message_id or fresh("m"),
        "orderStatus": order_status(name, order_id, **fields),
    }
