"""The labels of each status: its key, its button, its verb, and the state that it leaves an order in.

Texts only. Who may send a status, and when, is in the order's flow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from socket_bloc import OrderFlow, StatusCode, Step

__all__ = ["Ask", "Labels", "done", "either", "labels_of"]


class Ask(Enum):
    """What the user is asked before a status is sent."""

    NOTHING = auto()
    CONFIRMATION = auto()
    MESSAGE = auto()


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one status; `button` has at most 10 characters, so that it fits on one line."""

    key: str
    button: str
    verb: str
    done: str
    ask: Ask = Ask.NOTHING


_LABELS: Final[dict[str, Labels]] = {
    StatusCode.PLACED.name: Labels("n", "New order", "place the order", "placed"),
    StatusCode.ACCEPTED.name: Labels("a", "Accept", "accept the order", "accepted"),
    StatusCode.STARTED.name: Labels("s", "Start", "start the work", "started"),
    StatusCode.ORDER_CHANGED.name: Labels(
        "e", "Extend", "ask for an extension", "extension asked for", Ask.MESSAGE
    ),
    StatusCode.EXTENDED.name: Labels("a", "Approve", "approve the extension", "extended"),
    StatusCode.PAYMENT.name: Labels("p", "Pay", "pay", "paid"),
    StatusCode.PAYMENT_VERIFICATION.name: Labels("v", "Verify", "verify the payment", "payment verified"),
    StatusCode.ORDER_COMPLETE.name: Labels("c", "Complete", "complete the order", "completed"),
    StatusCode.CANCELLED.name: Labels("x", "Cancel", "cancel the order", "cancelled", Ask.CONFIRMATION),
}


def labels_of(step: Step) -> Labels:
    """Return the labels of a step; for another flow's status they come from its name, without a key."""
    name = step.status.name.replace("_", " ").lower()
    return _LABELS.get(step.status.name) or Labels("", name.capitalize()[:10], name, name)


def done(flow: OrderFlow, status: int) -> str:
    """Return what an order in `status` is: `payment verified`."""
    return next((labels_of(step).done for step in flow.steps if step.status == status), flow.name(status))


def either(texts: Iterable[str]) -> str:
    """Join texts: `started, extended or paid`."""
    *most, last = texts
    return f"{', '.join(most)} or {last}" if most else last
