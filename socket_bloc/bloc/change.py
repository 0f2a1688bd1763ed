"""What the hooks `on_change` and `on_transition` are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Change", "Transition"]

Event_co = TypeVar("Event_co", covariant=True)
State_co = TypeVar("State_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change(Generic[State_co]):
    """From one state to the next; reported before the state is set. (Dart: `Change`)"""

    current_state: State_co
    next_state: State_co


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition(Generic[Event_co, State_co]):
    """From one state to the next because of an event; reported before its `Change`. (Dart: `Transition`)"""

    current_state: State_co
    event: Event_co
    next_state: State_co
