"""Binds any bloc to any Textual node: a builder renders its state, a listener is called with each state.

It depends on Textual and `socket_bloc.bloc`, and knows nothing about orders: use it in your own apps.
docs/apps.md shows how.

Nothing is rendered inside the bloc's stream, where an error of the view would reach the bloc. A state is
queued, and handled by the node's own message queue: in the node's context, also if the bloc emitted it
from another task or another thread.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final, Generic, TypeVar

from reactivex.abc import DisposableBase
from textual import getters
from textual.app import App
from textual.constants import MAX_FPS
from textual.message_pump import MessagePump

from socket_bloc.bloc import BlocBase

__all__ = ["BlocBuilder", "BlocListener", "BlocNode"]

State = TypeVar("State")
When = Callable[[State, State], bool]
"""Returns whether to go on, given the previous state and the new one."""
FRAME: Final = 1 / MAX_FPS
"""Seconds in which Textual draws the screen once."""


class _Binding(DisposableBase, ABC, Generic[State]):
    """Delivers a bloc's states to a node through the node's message queue."""

    def __init__(self, node: MessagePump, bloc: BlocBase[State]) -> None:
        self._node = node
        self._is_armed = False
        self._is_disposed = False
        self._subscription = bloc.stream.subscribe(self._on_next)

    def dispose(self) -> None:
        """Unsubscribe from the bloc. States that have not been delivered yet are dropped."""
        self._is_disposed = True
        self._subscription.dispose()

    @abstractmethod
    def _on_next(self, state: State) -> None:
        """Queue a state and arm. May be called on any thread."""

    @abstractmethod
    def _deliver(self) -> None:
        """Deliver what is queued, in the node's context."""

    def _arm(self) -> None:
        if not self._is_armed:
            self._is_armed = True
            self._post_flush()

    def _post_flush(self) -> None:
        if not self._node.call_later(self._flush):
            self.dispose()  # the node is gone

    def _flush(self) -> None:
        self._is_armed = False  # first, so that a state from here on arms again
        if not self._is_disposed:
            self._deliver()


class BlocBuilder(_Binding[State]):
    """Calls `build(state)` with the current state, and with the latest whenever it has changed.

    A burst of states is built once, with the last of them, and a stream of them at most once a frame, and in
    no more than half of the time. `when(built, state)` is given the state that was built last; if it
    returns False, nothing is built.
    """

    def __init__(
        self,
        node: MessagePump,
        bloc: BlocBase[State],
        build: Callable[[State], None],
        *,
        when: When[State] | None = None,
    ) -> None:
        """Start at once; best in the node's `on_mount`, when its children exist."""
        self._bloc = bloc
        self._build = build
        self._when = when
        self._built: tuple[State] | None = None
        self._next_build_at = 0.0
        super().__init__(node, bloc)
        self._arm()

    def _on_next(self, state: State) -> None:
        self._arm()  # the state is read from the bloc, which may have a newer one by then

    def _flush(self) -> None:
        # Not by a timer of the node: it would end with the node, and the binding would not notice.
        rest = self._next_build_at - monotonic()
        if rest > 0:
            asyncio.get_running_loop().call_later(rest, self._post_flush)
        else:
            super()._flush()

    def _deliver(self) -> None:
        state = self._bloc.state
        if self._built is None or self._when is None or self._when(self._built[0], state):
            self._built = (state,)
            begun = monotonic()
            self._build(state)
            ended = monotonic()
            self._next_build_at = ended + max(FRAME, ended - begun)


class BlocListener(_Binding[State]):
    """Calls `listen(state)` with each state from now on, in order; none is skipped in a burst.

    `when(previous, state)` is given the previous state; if it returns False, `listen` is not called.
    """

    def __init__(
        self,
        node: MessagePump,
        bloc: BlocBase[State],
        listen: Callable[[State], None],
        *,
        when: When[State] | None = None,
    ) -> None:
        """Start at once; best in the node's `on_mount`, when its children exist."""
        self._listen = listen
        self._when = when
        self._previous = bloc.state
        self._arrived: deque[State] = deque()
        super().__init__(node, bloc)

    def _on_next(self, state: State) -> None:
        self._arrived.append(state)
        self._arm()

    def _deliver(self) -> None:
        while self._arrived and not self._is_disposed:
            previous, self._previous = self._previous, self._arrived.popleft()
            if self._when is None or self._when(previous, self._previous):
                self._listen(self._previous)


class BlocNode(MessagePump):
    """A mix-in for a widget, a screen or an app: its bindings are disposed of when it is unmounted.

        class Count(BlocNode, Static):
            def on_mount(self) -> None:
                self.build_from(cubit, lambda count: self.update(str(count)))

    A node without it calls `dispose` on its builders and listeners in `on_unmount`; if it forgets to, they
    end with the first state after the node is gone.
    """

    app = getters.app[App[object]](App)
    _bindings_to_blocs: tuple[DisposableBase, ...] = ()

    def build_from(
        self, bloc: BlocBase[State], build: Callable[[State], None], *, when: When[State] | None = None
    ) -> BlocBuilder[State]:
        """Add a `BlocBuilder` to this node."""
        builder = BlocBuilder(self, bloc, build, when=when)
        self._bindings_to_blocs += (builder,)
        return builder

    def listen_to(
        self, bloc: BlocBase[State], listen: Callable[[State], None], *, when: When[State] | None = None
    ) -> BlocListener[State]:
        """Add a `BlocListener` to this node."""
        listener = BlocListener(self, bloc, listen, when=when)
        self._bindings_to_blocs += (listener,)
        return listener

    def on_unmount(self) -> None:
        """Dispose of the bindings. Textual also calls the `on_unmount` of a subclass."""
        for binding in self._bindings_to_blocs:
            binding.dispose()
