"""A change of state, as `on_change` is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Change"]

State_co = TypeVar("State_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change(Generic[State_co]):
    """The step from one state to the next; told before the state is set. (Dart: `Change`)"""

    current_state: State_co
    next_state: State_co
