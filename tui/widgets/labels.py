"""How the screens speak of each status: its key, its button, its verb, its past.

Words alone. Who may send a status, and when, is asked of the order's flow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from socket_bloc import OrderFlow, StatusCode, Step

__all__ = ["Ask", "Words", "done", "either", "words_of"]


class Ask(Enum):
    """What is asked of the user before a status is sent."""

    NOTHING = auto()
    CONFIRMATION = auto()
    MESSAGE = auto()


@dataclass(frozen=True, slots=True)
class Words:
    """The words for one status; the label has at most 10 characters, so that a button stays on one line."""

    key: str
    label: str
    verb: str
    done: str
    ask: Ask = Ask.NOTHING


_WORDS: Final[dict[str, Words]] = {
    StatusCode.PLACED.name: Words("n", "New order", "place the order", "placed"),
    StatusCode.ACCEPTED.name: Words("a", "Accept", "accept the order", "accepted"),
    StatusCode.STARTED.name: Words("s", "Start", "start the work", "started"),
    StatusCode.ORDER_CHANGED.name: Words(
        "e", "Extend", "ask for an extension", "extension asked for", Ask.MESSAGE
    ),
    StatusCode.EXTENDED.name: Words("a", "Approve", "approve the extension", "extended"),
    StatusCode.PAYMENT.name: Words("p", "Pay", "pay", "paid"),
    StatusCode.PAYMENT_VERIFICATION.name: Words("v", "Verify", "verify the payment", "payment verified"),
    StatusCode.ORDER_COMPLETE.name: Words("c", "Complete", "complete the order", "completed"),
    StatusCode.CANCELLED.name: Words("x", "Cancel", "cancel the order", "cancelled", Ask.CONFIRMATION),
}


def words_of(step: Step) -> Words:
    """The words for a step; for a status of another flow they are made from its name, without a key."""
    name = step.status.name.replace("_", " ").lower()
    return _WORDS.get(step.status.name) or Words("", name.capitalize()[:10], name, name)


def done(flow: OrderFlow, status: int) -> str:
    """What an order in `status` is: `payment verified`."""
    return next((words_of(step).done for step in flow.steps if step.status == status), flow.name(status))


def either(texts: Iterable[str]) -> str:
    """`started or extended`."""
    *most, last = texts
    return f"{', '.join(most)} or {last}" if most else last
