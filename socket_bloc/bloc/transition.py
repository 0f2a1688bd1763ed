"""A change of state together with the event that caused it, as `on_transition` is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Transition"]

Event_co = TypeVar("Event_co", covariant=True)
State_co = TypeVar("State_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition(Generic[Event_co, State_co]):
    """The step that an event caused; told before the `Change` of the same step. (Dart: `Transition`)"""

    current_state: State_co
    event: Event_co
    next_state: State_co
