"""Any bloc on any Textual node: a builder shows its state, a listener is told of each of its states.

It needs Textual and `socket_bloc.bloc`, and knows nothing of orders: take it for apps of your own.
docs/apps.md shows how.

Nothing is rendered inside the bloc's stream, where an error of the view would reach the bloc. A state is
put by, and the node's own message queue takes it up: in the node's context, also when the bloc emitted
it from another task or another thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from reactivex.abc import DisposableBase
from textual import getters
from textual.app import App
from textual.message_pump import MessagePump

from socket_bloc.bloc import BlocBase

__all__ = ["BlocBuilder", "BlocListener", "BlocNode"]

State = TypeVar("State")
When = Callable[[State, State], bool]
"""Whether to go on, given the state before and the new one."""


class _Binding(DisposableBase, ABC, Generic[State]):
    """Lets a node take up what a bloc says, on the node's own message queue."""

    def __init__(self, node: MessagePump, bloc: BlocBase[State]) -> None:
        self._node = node
        self._is_armed = False
        self._is_disposed = False
        self._subscription = bloc.stream.subscribe(self._on_next)

    def dispose(self) -> None:
        """Let go of the bloc. What has not been shown or told by now never is."""
        self._is_disposed = True
        self._subscription.dispose()

    @abstractmethod
    def _on_next(self, state: State) -> None:
        """A state has come, on whatever thread; put it by and arm."""

    @abstractmethod
    def _take_up(self) -> None:
        """Show or tell what has come, in the node's context."""

    def _arm(self) -> None:
        if not self._is_armed:
            self._is_armed = True
            if not self._node.call_later(self._flush):
                self.dispose()  # the node is gone

    def _flush(self) -> None:
        self._is_armed = False  # at first: what comes from here on arms again
        if not self._is_disposed:
            self._take_up()


class BlocBuilder(_Binding[State]):
    """Calls `build(state)`: with the state that there is, and with the latest whenever there is a newer one.

    States that come in a burst are built once, with the last of them. `when(built, state)` is given the
    state that was built last; where it is False, nothing is built.
    """

    def __init__(
        self,
        node: MessagePump,
        bloc: BlocBase[State],
        build: Callable[[State], None],
        *,
        when: When[State] | None = None,
    ) -> None:
        """Start at once; best in the node's `on_mount`, where its children are there."""
        self._bloc = bloc
        self._build = build
        self._when = when
        self._built: tuple[State] | None = None
        super().__init__(node, bloc)
        self._arm()

    def _on_next(self, state: State) -> None:
        self._arm()  # the bloc has it, and perhaps a newer one by then

    def _take_up(self) -> None:
        state = self._bloc.state
        if self._built is None or self._when is None or self._when(self._built[0], state):
            self._built = (state,)
            self._build(state)


class BlocListener(_Binding[State]):
    """Calls `listen(state)` with each state from now on, in order; none is left out in a burst.

    `when(previous, state)` is given the state before; where it is False, the state is not told.
    """

    def __init__(
        self,
        node: MessagePump,
        bloc: BlocBase[State],
        listen: Callable[[State], None],
        *,
        when: When[State] | None = None,
    ) -> None:
        """Start at once; best in the node's `on_mount`, where its children are there."""
        self._listen = listen
        self._when = when
        self._previous = bloc.state
        self._arrived: deque[State] = deque()
        super().__init__(node, bloc)

    def _on_next(self, state: State) -> None:
        self._arrived.append(state)
        self._arm()

    def _take_up(self) -> None:
        while self._arrived and not self._is_disposed:
            previous, self._previous = self._previous, self._arrived.popleft()
            if self._when is None or self._when(previous, self._previous):
                self._listen(self._previous)


class BlocNode(MessagePump):
    """Mix it into a widget, a screen or an app: what it binds is let go of when that is unmounted.

        class Count(BlocNode, Static):
            def on_mount(self) -> None:
                self.build_from(cubit, lambda count: self.update(str(count)))

    A node without it calls `dispose` on its builders and listeners in `on_unmount`; where it forgets to,
    they end with the first state that comes after the node is gone.
    """

    app = getters.app[App[object]](App)
    _bindings_to_blocs: tuple[DisposableBase, ...] = ()

    def build_from(
        self, bloc: BlocBase[State], build: Callable[[State], None], *, when: When[State] | None = None
    ) -> BlocBuilder[State]:
        """A `BlocBuilder` on this node."""
        builder = BlocBuilder(self, bloc, build, when=when)
        self._bindings_to_blocs += (builder,)
        return builder

    def listen_to(
        self, bloc: BlocBase[State], listen: Callable[[State], None], *, when: When[State] | None = None
    ) -> BlocListener[State]:
        """A `BlocListener` on this node."""
        listener = BlocListener(self, bloc, listen, when=when)
        self._bindings_to_blocs += (listener,)
        return listener

    def on_unmount(self) -> None:
        """Let go of the blocs. Textual calls this besides the `on_unmount` of a subclass."""
        for binding in self._bindings_to_blocs:
            binding.dispose()
