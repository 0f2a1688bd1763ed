"""A bloc without events: its methods emit the states."""

from __future__ import annotations

from typing import TypeVar

from socket_bloc.bloc.bloc import BlocBase

__all__ = ["Cubit"]

State = TypeVar("State")


class Cubit(BlocBase[State]):
    """Subclass it with methods that call `emit`. It needs an event loop only to be closed. (Dart: `Cubit`)

    class CounterCubit(Cubit[int]):
        def __init__(self) -> None:
            super().__init__(0)

        def increment(self) -> None:
            self.emit(self.state + 1)
    """
