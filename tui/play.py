"""The two orders of the demo: who does what, step by step.

A step is one status that one party should send, as a person would. For what happens then, see `sequence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

from socket_bloc import ORDER_FLOW, ClientType, Orders, OrderStatus, StatusCode
from socket_bloc.ids import new_id

__all__ = ["CANCELLED_ORDER", "WHOLE_ORDER", "Director", "PlayedStep", "Script", "next_step"]

Script = tuple[tuple[StatusCode, str], ...]
"""The statuses of an order, from PLACED on, with the message of each."""

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
    """One status that the party in `role` should send."""

    role: ClientType
    status: StatusCode
    order_status: OrderStatus


def next_step(
    script: Script, order_id: str, current_status: int | None, receiver_id: str
) -> PlayedStep | None:
    """Return the step after `current_status` (None: nothing sent yet); None at the script's end, or off it.

    `receiver_id` is the serviceman of the order.
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
    """Plays the scripts in turn, endlessly; each step once both parties have seen the previous one."""

    def __init__(
        self,
        receiver_id: str,
        scripts: tuple[Script, ...] = (WHOLE_ORDER, CANCELLED_ORDER),
        new_id: Callable[[], str] = new_id,
    ) -> None:
        """`receiver_id` is the serviceman of each order."""
        self._receiver_id = receiver_id
        self._scripts: Iterator[Script] = cycle(scripts)
        self._new_id = new_id
        self._script = next(self._scripts)
        self._order_id = new_id()

    def next_step(self, client: Orders, serviceman: Orders) -> PlayedStep | None:
        """Return the step to play now, given what each party has seen; None while something is pending.

        If the user has taken the order off its script, the next script starts.
        """
        order, other = client.get(self._order_id), serviceman.get(self._order_id)
        if order.pending or other.pending or order.current_status != other.current_status:
            return None
        step = next_step(self._script, self._order_id, order.current_status, self._receiver_id)
        if step is None:
            self._script, self._order_id = next(self._scripts), self._new_id()
            step = next_step(self._script, self._order_id, None, self._receiver_id)
        return step
