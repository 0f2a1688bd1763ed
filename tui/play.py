"""The two orders of the demo: who does what, one step after the other.

A step is one status that one party is asked to send, as a person would. It says nothing of what then
happens; that is for `sequence` to see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

from socket_bloc import ORDER_FLOW, ClientType, Orders, OrderStatus, StatusCode
from socket_bloc.ids import new_id

__all__ = ["CANCELLED_ORDER", "WHOLE_ORDER", "Director", "PlayedStep", "Script", "next_step"]

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
    row = next(step for step in ORDER_FLOW.steps if int(step.status) == status)
    receiver = receiver_id if row.begins_order else None
    order_status = OrderStatus.of(status, order_id=order_id, receiver_id=receiver, message=message)
    return PlayedStep(row.sent_by, status, order_status)


class Director:
    """Has one script played after the other, for ever; each step once both parties know of the one before."""

    def __init__(
        self,
        receiver_id: str,
        scripts: tuple[Script, ...] = (WHOLE_ORDER, CANCELLED_ORDER),
        new_id: Callable[[], str] = new_id,
    ) -> None:
        """Orders are placed with the serviceman `receiver_id`."""
        self._receiver_id = receiver_id
        self._scripts: Iterator[Script] = cycle(scripts)
        self._new_id = new_id
        self._script = next(self._scripts)
        self._order_id = new_id()

    def next_step(self, client: Orders, serviceman: Orders) -> PlayedStep | None:
        """What is to be sent now, given what each party knows; None where something is still under way.

        Where somebody else has led the order off its script, the next script begins.
        """
        order, other = client.get(self._order_id), serviceman.get(self._order_id)
        if order.pending or other.pending or order.current_status != other.current_status:
            return None
        step = next_step(self._script, self._order_id, order.current_status, self._receiver_id)
        if step is None:
            self._script, self._order_id = next(self._scripts), self._new_id()
            step = next_step(self._script, self._order_id, None, self._receiver_id)
        return step
