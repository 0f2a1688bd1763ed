"""The two orders of the demo: who does what, one step after the other.

A step is one status that one party is asked to send, as a person would. It says nothing of what then
happens; that is for `sequence` to see.
"""

from __future__ import annotations

from dataclasses import dataclass

from socket_bloc import ORDER_FLOW, ClientType, OrderStatus, StatusCode

__all__ = ["CANCELLED_ORDER", "WHOLE_ORDER", "PlayedStep", "Script", "next_step"]

Script = tuple[tuple[StatusCode, str], ...]
"""The statuses of an order, from PLACED on, with what is said at each."""

WHOLE_ORDER: Script = (
    (StatusCode.PLACED, "The kitchen tap drips"),
    (StatusCode.ACCEPTED, "On my way"),
    (StatusCode.STARTED, "He is here"),
    (StatusCode.ORDER_CHANGED, "The pipe is worn too: 30 minutes more?"),
    (StatusCode.EXTENDED, "Go ahead"),
    (StatusCode.PAYMENT, "Paid by card"),
    (StatusCode.PAYMENT_VERIFICATION, "Received, thank you"),
    (StatusCode.ORDER_COMPLETE, "All is well"),
)
"""The upper branch of the sequence diagram."""
CANCELLED_ORDER: Script = (
    (StatusCode.PLACED, "The fan is noisy"),
    (StatusCode.ACCEPTED, "On my way"),
    (StatusCode.CANCELLED, "It has stopped by itself"),
)
"""Its lower branch."""


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """One status that the party in `role` is to send."""

    role: ClientType
    status: StatusCode
    order_status: OrderStatus


def next_step(
    script: Script, order_id: str, current_status: int | None, receiver_id: str
) -> PlayedStep | None:
    """What the script has after `current_status` (None: nothing was sent yet); None at its end, or off it.

    `receiver_id` is the serviceman with whom the order is placed.
    """
    statuses: list[int | None] = [None, *(status for status, _ in script)]
    if current_status not in statuses[:-1]:
        return None
    status, message = script[statuses.index(current_status)]
    row = next(step for step in ORDER_FLOW.steps if step.status == status)
    receiver = receiver_id if row.begins_order else None
    order_status = OrderStatus.of(status, order_id=order_id, receiver_id=receiver, message=message)
    return PlayedStep(row.sent_by, status, order_status)
