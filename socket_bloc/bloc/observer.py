"""An observer made of several. The hooks themselves are in `bloc`, with `BlocObserver`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from socket_bloc.bloc.bloc import Bloc, BlocBase, BlocObserver
from socket_bloc.bloc.change import Change, Transition

__all__ = ["MultiBlocObserver"]


class MultiBlocObserver(BlocObserver):
    """Forwards every notification to several observers, in order. (Dart: `MultiBlocObserver`)"""

    def __init__(self, observers: Iterable[BlocObserver]) -> None:
        self.observers = tuple(observers)

    def on_create(self, bloc: BlocBase[Any]) -> None:
        for observer in self.observers:
            observer.on_create(bloc)

    def on_event(self, bloc: Bloc[Any, Any], event: Any) -> None:
        for observer in self.observers:
            observer.on_event(bloc, event)

    def on_transition(self, bloc: Bloc[Any, Any], transition: Transition[Any, Any]) -> None:
        for observer in self.observers:
            observer.on_transition(bloc, transition)

    def on_change(self, bloc: BlocBase[Any], change: Change[Any]) -> None:
        for observer in self.observers:
            observer.on_change(bloc, change)

    def on_error(self, bloc: BlocBase[Any], error: Exception) -> None:
        for observer in self.observers:
            observer.on_error(bloc, error)

    def on_done(self, bloc: Bloc[Any, Any], event: Any, error: Exception | None = None) -> None:
        for observer in self.observers:
            observer.on_done(bloc, event, error)

    def on_close(self, bloc: BlocBase[Any]) -> None:
        for observer in self.observers:
            observer.on_close(bloc)
