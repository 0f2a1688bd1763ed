"""Whose turn it is, and why something may not be done now, in words.

What may follow, and what is waited for, is asked of the order and its flow; nothing is decided here.
"""

from __future__ import annotations

from textual.content import Content

from socket_bloc import ClientType, Order, OrderFlow, Step
from socket_bloc.orders import awaited_step
from tui.widgets.text import one_line
from tui.widgets.words import done, either, words_of

__all__ = ["awaited", "is_open", "is_turn_of", "may_send", "turn_text", "why_not"]


def awaited(order: Order, flow: OrderFlow) -> Step | None:
    """The step that the order waits for; None where it has ended."""
    return None if order.expected_status is None else awaited_step(flow, order.expected_status)


def is_open(order: Order, flow: OrderFlow) -> bool:
    """Whether anything may still follow."""
    return order.expected_status is not None and flow.is_open(order.expected_status)


def is_turn_of(role: ClientType, order: Order, flow: OrderFlow) -> bool:
    """Whether the order waits for the party in `role`."""
    step = awaited(order, flow)
    return step is not None and step.sent_by is role


def may_send(step: Step, role: ClientType, order: Order | None, flow: OrderFlow) -> bool:
    """Whether the party in `role` may send this now."""
    status = order.expected_status if order else None
    return status is not None and step.sent_by is role and step in flow.following(status)


def turn_text(role: ClientType, order: Order | None, flow: OrderFlow) -> Content:
    """One line: `▶ YOUR TURN: start the work`, or whom the order waits for, or that it has ended.

    What is still queued comes first: nobody else knows of it yet.
    """
    if order is None or order.expected_status is None:
        return Content.styled("No order is chosen", "dim")
    step = awaited(order, flow)
    if step is None:
        return Content.assemble(("■ ENDED: ", "bold"), f"the order is {done(flow, order.expected_status)}")
    is_mine = step.sent_by is role
    other = one_line(order.party(role.other) or f"the {role.other}")
    whose = "YOUR TURN" if is_mine else f"{other}'s turn"
    style = "$text-success" if is_mine else "$text-warning"
    queued = [
        done(flow, status.order_status_as_int)
        for message_id, status in order.pending.items()
        if message_id not in order.in_flight
    ]
    before = f"◷ QUEUED: {', '.join(queued)}; then " if queued else "▶ " if is_mine else "◷ "
    return Content.assemble((f"{before}{whose}: ", f"bold {style}"), words_of(step).verb)


def why_not(step: Step, order: Order | None, flow: OrderFlow) -> str:
    """Why this step may not be taken now, in a few words; for a step that may not."""
    if order is None or order.expected_status is None:
        return "no order is chosen"
    if not flow.is_open(order.expected_status):
        return f"the order is {done(flow, order.expected_status)}"
    ahead = _reachable(flow, order.expected_status)
    word, before = ("once", step.after & ahead) if step.after & ahead else ("only while", step.after)
    # In the order of the table, which is that of a whole order.
    return f"{word} {either(done(flow, other.status) for other in flow.steps if other.status in before)}"


def _reachable(flow: OrderFlow, status: int) -> frozenset[int]:
    """The statuses that an order in `status` can still come to."""
    reached: set[int] = set()
    edge = {status}
    while edge:
        edge = {int(step.status) for status in edge for step in flow.following(status)} - reached
        reached |= edge
    return frozenset(reached)
