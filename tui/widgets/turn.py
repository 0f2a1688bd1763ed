"""The texts about whose turn it is, and why an action is not allowed now.

Texts only: what may follow, and which step is awaited, are methods of the order and its flow.
"""

from __future__ import annotations

from textual.content import Content

from socket_bloc import ClientType, Order, Step
from tui.widgets.labels import done, either, labels_of
from tui.widgets.text import one_line

__all__ = ["turn_text", "why_not"]


def turn_text(role: ClientType, order: Order | None) -> Content:
    """Return one line: `▶ YOUR TURN: start the work`, or whose turn it is, or that the order has ended.

    A status that is still queued comes first: the other party has not seen it yet.
    """
    if order is None or order.expected_status is None:
        return Content.styled("No order selected", "dim")
    step = order.awaited
    if step is None:
        return Content.assemble(
            ("■ ENDED: ", "bold"), f"the order is {done(order.flow, order.expected_status)}"
        )
    is_mine = step.sent_by is role
    other = one_line(order.party(role.other) or f"the {role.other}")
    whose = "YOUR TURN" if is_mine else f"{other}'s turn"
    style = "$text-success" if is_mine else "$text-warning"
    queued = [
        done(order.flow, status.order_status_as_int)
        for message_id, status in order.pending.items()
        if message_id not in order.in_flight
    ]
    before = f"◷ QUEUED: {', '.join(queued)}; then " if queued else "▶ " if is_mine else "◷ "
    return Content.assemble((f"{before}{whose}: ", f"bold {style}"), labels_of(step).verb)


def why_not(step: Step, order: Order | None) -> str:
    """Return the reason why a step is not allowed now, in a few words. The step must not be allowed."""
    if order is None or order.expected_status is None:
        return "no order selected"
    if not order.is_open:
        return f"the order is {done(order.flow, order.expected_status)}"
    ahead = order.flow.reachable(order.expected_status)
    word, before = ("once", step.after & ahead) if step.after & ahead else ("only while", step.after)
    # In the order of the table, which is that of a whole order.
    names = [done(order.flow, other.status) for other in order.flow.steps if other.status in before]
    return f"{word} {either(names)}"
