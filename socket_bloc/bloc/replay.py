"""Cubits and blocs with undo and redo."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from socket_bloc.bloc.bloc import Bloc, BlocBase
from socket_bloc.bloc.cubit import Cubit
from socket_bloc.bloc.errors import BlocClosedError

__all__ = ["Redo", "ReplayBloc", "ReplayCubit", "ReplayEvent", "Undo"]

Event = TypeVar("Event")
State = TypeVar("State")


class ReplayEvent:
    """The base of the two events that a `ReplayBloc` also passes to its hooks."""


@dataclass(frozen=True)
class Undo(ReplayEvent):
    """The bloc returns to the previous state."""


@dataclass(frozen=True)
class Redo(ReplayEvent):
    """The bloc reverts an undo."""


class _Replay(BlocBase[State]):
    """Keeps a history of states; a new state discards those that were undone."""

    def __init__(self, initial_state: State, *, limit: int | None = None) -> None:
        """`limit` is the number of states to keep: None keeps all, 0 none."""
        self._undoable: deque[State] = deque(maxlen=limit)
        self._redoable: deque[State] = deque()
        super().__init__(initial_state)

    @property
    def can_undo(self) -> bool:
        """Whether there is a state to return to."""
        return bool(self._undoable)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undo to revert."""
        return bool(self._redoable)

    def undo(self) -> None:
        """Return to the previous state, if any. Raises what `emit` raises."""
        self._replay(self._undoable, self._redoable, Undo())

    def redo(self) -> None:
        """Revert the last undo, if any. Raises what `emit` raises."""
        self._replay(self._redoable, self._undoable, Redo())

    def clear_history(self) -> None:
        """Discard all states but the current one."""
        self._undoable.clear()
        self._redoable.clear()

    def _set(self, state: State) -> None:
        self._undoable.append(self._state)
        self._redoable.clear()
        super()._set(state)

    def _replay(self, source: deque[State], target: deque[State], event: ReplayEvent) -> None:
        try:
            if self.is_closed:
                raise BlocClosedError(f"Cannot replay states after calling close on {type(self).__name__}")
            if source:
                self._notify_replay(event, source[-1])
                self._notify_change(source[-1])
                target.append(self._state)
                super()._set(source.pop())
        except Exception as error:
            self.add_error(error)
            raise

    def _notify_replay(self, event: ReplayEvent, state: State) -> None:
        """Call the hooks for undo and redo, which only a bloc has."""


class ReplayCubit(_Replay[State], Cubit[State]):
    """A cubit with `undo` and `redo`, which are changes like any other. (Dart: `ReplayCubit`)"""


class ReplayBloc(_Replay[State], Bloc[Event | ReplayEvent, State], Generic[Event, State]):
    """A bloc with `undo` and `redo`, which act at once, not through `add`. (Dart: `ReplayBloc`)"""

    def _notify_replay(self, event: ReplayEvent, state: State) -> None:
        self._notify_event(event)
        self._notify_transition(event, state)
