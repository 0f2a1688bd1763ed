"""Who may send which status after which, and whose turn it is: a table, and the checks of both ends.

`ORDER_FLOW` is the sequence diagram. A project with other statuses writes its own `IntEnum` and its
own table, and passes the `OrderFlow` to its clients and to its relay. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import Final, NamedTuple

from socket_bloc.order_status import ClientType, OrderStatus, Rejection, RejectionCode, StatusCode

__all__ = ["ORDER_FLOW", "OrderFlow", "OrderRecord", "Step"]

_CLIENT: Final = ClientType.CLIENT  # looked up once: an enumeration's member takes longer than the rest


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table: `sent_by` may send `status` after one of `after`.

    A step with an empty `after` starts an order.
    """

    status: IntEnum
    sent_by: ClientType
    after: frozenset[IntEnum] = frozenset()

    @property
    def begins_order(self) -> bool:
        """Whether this status places a new order."""
        return not self.after


class OrderRecord(NamedTuple):
    """What the rules need to know of an order: its two parties and its current status."""

    client_id: str
    serviceman_id: str
    current_status: int

    def party(self, role: ClientType) -> str:
        """The id of the party in `role`."""
        return self.client_id if role is _CLIENT else self.serviceman_id


class OrderFlow:
    """The rules of an order.

    `check` needs nothing but the status and its sender: the client calls it before it sends, the relay
    when it receives. `check_order` also needs the order. Both return None, or the rejection.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        """Create a flow of these rows. Raises `ValueError` if a status has two, or follows one without."""
        self._steps: dict[int, Step] = {}
        for step in steps:
            if step.status in self._steps:
                raise ValueError(f"{step.status.name} {step.status:d} has two rows; give each status one")
            self._steps[step.status] = step
        for step in self._steps.values():
            for status in step.after - self._steps.keys():
                raise ValueError(f"{step.status.name} follows {status.name}, which has no row")
        # The name of an enumeration's member costs more than the rest of a check.
        self._names = {status: step.status.name for status, step in self._steps.items()}
        self._following: dict[int | None, tuple[Step, ...]] = {
            None: tuple(step for step in self._steps.values() if step.begins_order)
        }
        for current in self._steps:
            self._following[current] = tuple(step for step in self._steps.values() if current in step.after)
        self._awaited = {
            current: min(self._continuing(current), key=self._steps_to_end, default=None)
            for current in self._steps
        }

    @property
    def steps(self) -> tuple[Step, ...]:
        """The rows, in the order in which they were given."""
        return tuple(self._steps.values())

    def following(self, current_status: int | None) -> tuple[Step, ...]:
        """Return the steps that may follow; for None, before any status, those that begin an order.

        There are none if the order has ended, or if the status is not of this flow.
        """
        return self._following.get(current_status, ())

    def is_open(self, current_status: int) -> bool:
        """Return whether anything may still follow."""
        return bool(self.following(current_status))

    def awaited(self, current_status: int) -> Step | None:
        """Return the step that an order in this status waits for: its `sent_by` says whose turn it is.

        Of the steps that may follow, it is the one with the fewest steps left to the end. A step that ends
        the order at once is awaited only if there is no other: one may cancel, but nobody waits for it.
        None if the order has ended.
        """
        return self._awaited.get(current_status)

    def reachable(self, current_status: int) -> frozenset[int]:
        """Return every status that an order in this status can still reach."""
        reached: set[int] = set()
        edge = {current_status}
        while edge:
            edge = {int(step.status) for status in edge for step in self.following(status)} - reached
            reached |= edge
        return frozenset(reached)

    def name(self, status: int) -> str:
        """Return the name of a status, or its number if it is not of this flow."""
        step = self._steps.get(status)
        return step.status.name if step else str(status)

    def begins_order(self, order_status: OrderStatus) -> bool:
        """Return whether this status places a new order."""
        step = self._steps.get(order_status.order_status_as_int)
        return step is not None and step.begins_order

    def check(self, order_status: OrderStatus, user_id: str, role: ClientType) -> Rejection | None:
        """Check whether this user may send such a status at all."""
        code = order_status.order_status_as_int
        step = self._steps.get(code)
        if step is None or self._names[code] != order_status.order_status_as_string:
            return self._unknown_status(order_status, step)
        name = self._names[code]
        if order_status.sender_id is not None and order_status.sender_id != user_id:
            reason = "the sender's id must be that of the connected user, or be left out"
            return Rejection(RejectionCode.FORGED_SENDER, "sender_id", reason)
        if not step.after and order_status.receiver_id is None:
            reason = f"{name} needs the id of the {step.sent_by.other} who receives it"
            return Rejection(RejectionCode.WRONG_RECEIVER, "receiver_id", reason)
        if not step.after and order_status.receiver_id == user_id:
            reason = f"{name} must go to another user than its sender"
            return Rejection(RejectionCode.WRONG_RECEIVER, "receiver_id", reason)
        if role is not step.sent_by:
            reason = f"{name} is sent by the {step.sent_by}, and this user is a {role}"
            return Rejection(RejectionCode.WRONG_ROLE, "order_status_as_int", reason)
        return None

    def check_order(
        self, order_status: OrderStatus, user_id: str, role: ClientType, order: OrderRecord | None
    ) -> Rejection | None:
        """Check whether a status that has passed `check` may follow the current status of its order.

        `order` is None if none with this id exists. For a user who is not a party to it, the rejection is
        the same as for an unknown order.
        """
        step = self._steps[order_status.order_status_as_int]
        is_party = order is not None and order.party(role) == user_id
        current = order.current_status if order and is_party else None
        if not step.after:
            if order is None:
                return None
            reason = f"order {order_status.order_id} exists already; a new order needs a new id"
            return Rejection(RejectionCode.ORDER_EXISTS, "order_id", reason, current)
        if order is None or not is_party:
            reason = f"unknown order {order_status.order_id}, or this {role} is not a party to it"
            return Rejection(RejectionCode.UNKNOWN_ORDER, "order_id", reason)
        if order_status.receiver_id is not None and order_status.receiver_id != order.party(role.other):
            reason = f"the receiver's id must be that of the order's {role.other}, or be left out"
            return Rejection(RejectionCode.WRONG_RECEIVER, "receiver_id", reason, current)
        if order.current_status not in step.after:
            allowed = " or ".join(status.name for status in sorted(step.after))
            reason = (
                f"a {role} may send {step.status.name} after {allowed}; "
                f"order {order_status.order_id} is {self.name(order.current_status)}"
            )
            return Rejection(RejectionCode.ILLEGAL_TRANSITION, "order_status_as_int", reason, current)
        return None

    def _continuing(self, current_status: int) -> tuple[Step, ...]:
        """Return the steps that may follow without ending the order; if there are none, those that end it."""
        following = self.following(current_status)
        return tuple(step for step in following if self.is_open(step.status)) or following

    def _steps_to_end(self, step: Step) -> float:
        reached: set[int] = set()
        edge, count = {int(step.status)}, 0
        while edge:
            if not all(self.is_open(status) for status in edge):
                return count
            reached |= edge
            edge = {int(step.status) for status in edge for step in self._continuing(status)} - reached
            count += 1
        return inf  # a cycle without an end

    def _unknown_status(self, order_status: OrderStatus, step: Step | None) -> Rejection:
        if step is None:
            known = ", ".join(f"{step.status.name} {step.status:d}" for step in self._steps.values())
            reason = f"unknown status {order_status.order_status_as_int}; known are {known}"
            return Rejection(RejectionCode.UNKNOWN_STATUS, "order_status_as_int", reason)
        reason = f"the name of status {step.status:d} is {step.status.name}"
        return Rejection(RejectionCode.UNKNOWN_STATUS, "order_status_as_string", reason)


def _step(status: StatusCode, sent_by: ClientType, *after: StatusCode) -> Step:
    return Step(status, sent_by, frozenset(after))


ORDER_FLOW = OrderFlow(
    [
        _step(StatusCode.PLACED, ClientType.CLIENT),
        _step(StatusCode.ACCEPTED, ClientType.SERVICEMAN, StatusCode.PLACED),
        _step(StatusCode.STARTED, ClientType.CLIENT, StatusCode.ACCEPTED),
        _step(StatusCode.ORDER_CHANGED, ClientType.SERVICEMAN, StatusCode.STARTED, StatusCode.EXTENDED),
        _step(StatusCode.EXTENDED, ClientType.CLIENT, StatusCode.ORDER_CHANGED),
        _step(StatusCode.PAYMENT, ClientType.CLIENT, StatusCode.STARTED, StatusCode.EXTENDED),
        _step(StatusCode.PAYMENT_VERIFICATION, ClientType.SERVICEMAN, StatusCode.PAYMENT),
        _step(StatusCode.ORDER_COMPLETE, ClientType.CLIENT, StatusCode.PAYMENT_VERIFICATION),
        _step(StatusCode.CANCELLED, ClientType.CLIENT, StatusCode.PLACED, StatusCode.ACCEPTED),
    ]
)
"""The order of the sequence diagram."""
