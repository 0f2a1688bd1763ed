"""The two orders of the demo: who does what, one step after the other.

A step asks one party to do something, as a person would. It says nothing of what then happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from socket_bloc import ClientType, OrderStatus, SocketBloc, StatusCode
from socket_bloc.order_flow import ORDER_FLOW

__all__ = ["CANCELLED_ORDER", "WHOLE_ORDER", "PlayedStep", "steps_of"]

# What the diagram's upper branch goes through, and what its lower branch does, with what is said.
WHOLE_ORDER = (
    (StatusCode.PLACED, "The kitchen tap drips"),
    (StatusCode.ACCEPTED, "On my way"),
    (StatusCode.STARTED, "He is here"),
    (StatusCode.ORDER_CHANGED, "The pipe is worn too: 30 minutes more?"),
    (StatusCode.EXTENDED, "Go ahead"),
    (StatusCode.PAYMENT, "Paid by card"),
    (StatusCode.PAYMENT_VERIFICATION, "Received, thank you"),
    (StatusCode.ORDER_COMPLETE, "All is well"),
)
CANCELLED_ORDER = (
    (StatusCode.PLACED, "The fan is noisy"),
    (StatusCode.ACCEPTED, "On my way"),
    (StatusCode.CANCELLED, "It has stopped by itself"),
)


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """One status that the party in `role` is to send."""

    role: ClientType
    status: StatusCode
    order_status: OrderStatus

    def play(self, client: SocketBloc, serviceman: SocketBloc) -> None:
        """Have it sent by whose turn it is."""
        bloc = client if self.role is ClientType.CLIENT else serviceman
        bloc.send_order_status(self.order_status)


def steps_of(order: tuple[tuple[StatusCode, str], ...], receiver_id: str) -> Iterator[PlayedStep]:
    """The steps of a new order with the serviceman `receiver_id`."""
    order_id = uuid4().hex
    sent_by = {step.status: step for step in ORDER_FLOW.steps}
    for status, message in order:
        step = sent_by[status]
        receiver = receiver_id if step.begins_order else None
        order_status = OrderStatus.of(status, order_id=order_id, receiver_id=receiver, message=message)
        yield PlayedStep(step.sent_by, status, order_status)
