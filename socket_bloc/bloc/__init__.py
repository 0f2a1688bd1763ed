"""A general-purpose Bloc for Python on RxPY: events go in, states come out. It knows nothing of orders.

It behaves like Dart's `bloc` 9.2 and `bloc_concurrency`; docs/bloc.md lists the differences and the
reasons for them. To test a bloc, see `socket_bloc.bloc.testing`.
"""

from __future__ import annotations

from socket_bloc.bloc.bloc import Bloc, BlocBase, BlocObserver
from socket_bloc.bloc.broadcast import Broadcast
from socket_bloc.bloc.change import Change, Transition
from socket_bloc.bloc.cubit import Cubit
from socket_bloc.bloc.emitter import Emitter, EventHandler
from socket_bloc.bloc.errors import (
    BlocClosedError,
    BlocError,
    DuplicateHandlerError,
    EmitterError,
    MissingHandlerError,
)
from socket_bloc.bloc.hydrated import HydratedBloc, HydratedCubit, HydratedMixin
from socket_bloc.bloc.observer import MultiBlocObserver
from socket_bloc.bloc.replay import Redo, ReplayBloc, ReplayCubit, ReplayEvent, Undo
from socket_bloc.bloc.storage import FileStorage, Storage
from socket_bloc.bloc.transformers import (
    EventMapper,
    EventTransformer,
    concurrent,
    debounce,
    droppable,
    restartable,
    sequential,
    throttle,
)

__all__ = [
    "Bloc",
    "BlocBase",
    "BlocClosedError",
    "BlocError",
    "BlocObserver",
    "Broadcast",
    "Change",
    "Cubit",
    "DuplicateHandlerError",
    "Emitter",
    "EmitterError",
    "EventHandler",
    "EventMapper",
    "EventTransformer",
    "FileStorage",
    "HydratedBloc",
    "HydratedCubit",
    "HydratedMixin",
    "MissingHandlerError",
    "MultiBlocObserver",
    "Redo",
    "ReplayBloc",
    "ReplayCubit",
    "ReplayEvent",
    "Storage",
    "Transition",
    "Undo",
    "concurrent",
    "debounce",
    "droppable",
    "restartable",
    "sequential",
    "throttle",
]
