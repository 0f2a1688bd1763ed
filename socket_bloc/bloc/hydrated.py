"""Blocs and cubits that store their state, and start with it again. Where it is stored is in `storage`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from socket_bloc.bloc.bloc import Bloc, BlocBase
from socket_bloc.bloc.cubit import Cubit
from socket_bloc.bloc.errors import BlocError
from socket_bloc.bloc.storage import Storage

__all__ = ["HydratedBloc", "HydratedCubit", "HydratedMixin"]

Event = TypeVar("Event")
State = TypeVar("State")


class HydratedMixin(BlocBase[State], ABC):
    """Lets a bloc of any kind store its state: call `hydrate` in its `__init__`. (Dart: `HydratedMixin`)"""

    storage_prefix: ClassVar[str] = ""
    """What the storage key begins with; if empty, the name of the class."""

    def hydrate(self, *, id: str = "", storage: Storage | None = None) -> None:
        """Take the stored state, if there is one, and store each new one from now on. Call it once.

        `id` tells this bloc from others of its class; `storage` is by default `HydratedBloc.storage`, and
        `BlocError` is raised if that is None. If a state cannot be read or stored, `on_error` is called.
        """
        storage = storage if storage is not None else HydratedBloc.storage
        name = type(self).__name__
        if storage is None:
            raise BlocError(f"{name} has no storage; set HydratedBloc.storage, or pass storage=...")
        self._storage = storage
        self.storage_key = ".".join(filter(None, (self.storage_prefix or name, id)))
        self._stored: str | None = None
        try:
            self._stored = storage.read(self.storage_key)
            if self._stored is not None:
                self._state = self.from_json(self._stored)
        except Exception as error:
            self.add_error(error)
        # The first listener is called once for each state, in their order, whatever later listeners do.
        self._states.observable.subscribe(self._store)

    @abstractmethod
    def to_json(self, state: State) -> str | None:
        """Return the text to store for a state; None leaves what is stored unchanged."""

    @abstractmethod
    def from_json(self, text: str) -> State:
        """Return the state of a stored text. It is called by `hydrate`; `state` is still the initial one."""

    def clear(self) -> None:
        """Delete the stored state, until the next change. Raises what the storage raises."""
        self._stored = None
        self._storage.delete(self.storage_key)

    def _store(self, state: State) -> None:
        try:
            text = self.to_json(state)
            if text is not None and text != self._stored:
                self._stored = None  # if `write` raises, it is unknown what is stored
                self._storage.write(self.storage_key, text)
                self._stored = text
        except Exception as error:
            self.add_error(error)


class HydratedCubit(HydratedMixin[State], Cubit[State]):
    """A cubit that stores its state; the arguments are those of `hydrate`. (Dart: `HydratedCubit`)"""

    def __init__(self, initial_state: State, *, id: str = "", storage: Storage | None = None) -> None:
        super().__init__(initial_state)
        self.hydrate(id=id, storage=storage)


class HydratedBloc(HydratedMixin[State], Bloc[Event, State], Generic[Event, State]):
    """A bloc that stores its state; the arguments are those of `hydrate`. (Dart: `HydratedBloc`)"""

    storage: ClassVar[Storage | None] = None
    """The storage of the hydrated blocs and cubits created from now on; set it on `HydratedBloc` itself."""

    def __init__(self, initial_state: State, *, id: str = "", storage: Storage | None = None) -> None:
        super().__init__(initial_state)
        self.hydrate(id=id, storage=storage)
