"""Cubits and blocs that can go back to the states they had, and forth again."""

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
    """What the hooks of a `ReplayBloc` are told besides its own events."""


@dataclass(frozen=True)
class Undo(ReplayEvent):
    """The bloc goes back to the state before."""


@dataclass(frozen=True)
class Redo(ReplayEvent):
    """The bloc takes back an undo."""


class _Replay(BlocBase[State]):
    """Remembers states; a new one forgets those that were undone."""

    def __init__(self, initial_state: State, *, limit: int | None = None) -> None:
        """`limit` is how many states to remember; None remembers all, 0 none."""
        self._undoable: deque[State] = deque(maxlen=limit)
        self._redoable: deque[State] = deque()
        super().__init__(initial_state)

    @property
    def can_undo(self) -> bool:
        """Whether there is a state to go back to."""
        return bool(self._undoable)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undo to take back."""
        return bool(self._redoable)

    def undo(self) -> None:
        """Go back to the state before; without one, do nothing. Raises what `emit` raises."""
        self._replay(self._undoable, self._redoable, Undo())

    def redo(self) -> None:
        """Take back the last undo; without one, do nothing. Raises what `emit` raises."""
        self._replay(self._redoable, self._undoable, Redo())

    def clear_history(self) -> None:
        """Forget all states but the current one."""
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
                self._tell_replay(event, source[-1])
                self._tell_change(source[-1])
                target.append(self._state)
                super()._set(source.pop())
        except Exception as error:
            self.add_error(error)
            raise

    def _tell_replay(self, event: ReplayEvent, state: State) -> None:
        """Only a bloc has hooks for this."""


class ReplayCubit(_Replay[State], Cubit[State]):
    """A cubit with `undo` and `redo`, which are changes as any other. (Dart: `ReplayCubit`)"""


class ReplayBloc(_Replay[State], Bloc[Event | ReplayEvent, State], Generic[Event, State]):
    """A bloc with `undo` and `redo`, which act at once, and not by way of `add`. (Dart: `ReplayBloc`)"""

    def _tell_replay(self, event: ReplayEvent, state: State) -> None:
        self._tell_event(event)
        self._tell_transition(event, state)
