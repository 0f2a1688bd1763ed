"""Those who watch every bloc of a program: for logs, metrics and tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from socket_bloc.bloc.change import Change
from socket_bloc.bloc.transition import Transition

if TYPE_CHECKING:
    from socket_bloc.bloc.base import BlocBase
    from socket_bloc.bloc.bloc import Bloc

__all__ = ["BlocObserver", "MultiBlocObserver"]


class BlocObserver:
    """Is told what happens in each bloc that is made while this is `Bloc.observer`.

    Every method is empty here; override those of interest. Each comes before the bloc's own method of
    that name, except for `on_error`, which comes after it. (Dart: `BlocObserver`)
    """

    def on_create(self, bloc: BlocBase[Any]) -> None:
        """A bloc has been made; what its subclass sets up is not there yet."""

    def on_event(self, bloc: Bloc[Any, Any], event: Any) -> None:
        """An event is being added. To raise here refuses it."""

    def on_transition(self, bloc: Bloc[Any, Any], transition: Transition[Any, Any]) -> None:
        """A handler emits a new state. To raise here refuses it, and fails the handler."""

    def on_change(self, bloc: BlocBase[Any], change: Change[Any]) -> None:
        """A new state is about to be set. To raise here refuses it."""

    def on_error(self, bloc: BlocBase[Any], error: Exception) -> None:
        """A handler failed, or an error was added; its traceback is on it."""

    def on_done(self, bloc: Bloc[Any, Any], event: Any, error: Exception | None = None) -> None:
        """A handler has ended; `error` is what it raised, None also where it was cancelled."""

    def on_close(self, bloc: BlocBase[Any]) -> None:
        """The bloc has come to rest; its stream completes next."""


class MultiBlocObserver(BlocObserver):
    """Passes everything on to several observers, in their order. (Dart: `MultiBlocObserver`)"""

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
