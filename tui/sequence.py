"""Records the sequence diagram as it happens: arrows are observed at a bloc, at the relay, or after a commit.

For who plays an order, see `play`; for how arrows are shown, `transcript` and the demo's screen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from server_stub import Entry, RelayObserver, User
from socket_bloc import (
    ClientType,
    SocketBloc,
    SocketConnectState,
    SocketDisconnectState,
    SocketReceiveDataState,
    SocketState,
    StatusCode,
)
from socket_bloc.bloc import Cubit
from socket_bloc.frames import SendFrame

__all__ = ["Arrow", "ArrowKey", "Party", "Sequence", "SequenceObserver", "as_mermaid", "describe"]


class Party(StrEnum):
    """The participants of the diagram, with its letters."""

    CLIENT = "C"
    SERVICEMAN = "S"
    KTOR_SERVER = "K"
    DATABASE = "D"

    @classmethod
    def of(cls, role: ClientType) -> Party:
        """Return the participant of a role."""
        return cls.CLIENT if role is ClientType.CLIENT else cls.SERVICEMAN


_C, _S, _K, _D = Party
ArrowKey = tuple[Party, Party, StatusCode | None]

_TEXTS: dict[ArrowKey, str] = {
    **{(_K, _D, status): f"status changed to {status:d}" for status in StatusCode},
    (_C, _K, None): "connect to the Server",
    (_S, _K, None): "connect to the Server",
    (_C, _K, StatusCode.PLACED): "places the order",
    (_K, _S, StatusCode.PLACED): "receives the order",
    (_S, _K, StatusCode.ACCEPTED): "accepts the order",
    (_K, _C, StatusCode.ACCEPTED): "accepted the order",
    (_C, _K, StatusCode.STARTED): "notify that the serviceman has started the service",
    (_K, _S, StatusCode.STARTED): "receives the starting notification",
    (_S, _K, StatusCode.ORDER_CHANGED): "request to extend one of the services",
    (_K, _C, StatusCode.ORDER_CHANGED): "receives the request for extension",
    (_C, _K, StatusCode.EXTENDED): "notification on the service being extended",
    (_K, _S, StatusCode.EXTENDED): "receives extended notification",
    (_C, _K, StatusCode.PAYMENT): "notification to initiate the payment",
    (_K, _S, StatusCode.PAYMENT): "receives the payment notification",
    (_S, _K, StatusCode.PAYMENT_VERIFICATION): "send payment verification notification",
    (_K, _C, StatusCode.PAYMENT_VERIFICATION): "receives the payment verification notification",
    (_C, _K, StatusCode.ORDER_COMPLETE): "order complete notification",
    (_K, _S, StatusCode.ORDER_COMPLETE): "receives order completion notification",
    (_C, _K, StatusCode.CANCELLED): "cancels the order",
    (_K, _S, StatusCode.CANCELLED): "receives the cancellation notification",
    (_K, _S, None): "disconnect from the Server",
    (_K, _C, None): "disconnect from the Server",
}


def describe(key: ArrowKey) -> str:
    """Return `S -> K  ORDER_CHANGED 1006  request to extend one of the services`."""
    source, target, status = key
    what = f"{status.name} {status:d}  " if status else ""
    return f"{source} -> {target}  {what}{_TEXTS[key]}"


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow of the diagram, observed `seconds` after the previous one."""

    number: int
    source: Party
    target: Party
    status: StatusCode | None
    seconds: float

    @property
    def key(self) -> ArrowKey:
        """What identifies the arrow in the diagram."""
        return self.source, self.target, self.status

    @property
    def text(self) -> str:
        """The text of the arrow in the diagram."""
        return _TEXTS[self.key]

    def __str__(self) -> str:
        return describe(self.key)


class Sequence(Cubit[Arrow | None]):
    """The arrows observed so far: the state is the latest one, `arrows` are all of them."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` is in seconds."""
        super().__init__(None)
        self.arrows: list[Arrow] = []
        self._clock = clock
        self._last = clock()
        self._seen = asyncio.Event()

    def record(self, source: Party, target: Party, status: int | None = None) -> None:
        """Record an arrow that has just been observed."""
        now = self._clock()
        code = None if status is None else StatusCode(status)
        arrow = Arrow(len(self.arrows) + 1, source, target, code, now - self._last)
        self._last = now
        self.arrows.append(arrow)
        self.emit(arrow)
        self._seen.set()

    def watch(self, bloc: SocketBloc) -> None:
        """Record what reaches this bloc, until it is closed."""
        party = Party.of(bloc.type)
        connected: SocketConnectState | None = None

        def on_state(state: SocketState) -> None:
            nonlocal connected
            match state:
                case SocketConnectState():
                    connected = state
                case SocketReceiveDataState(order_status):
                    self.record(Party.KTOR_SERVER, party, order_status.order_status_as_int)
                case SocketDisconnectState() if connected is not None:
                    connected = None  # what follows are attempts to reconnect, which are no arrows
                    self.record(Party.KTOR_SERVER, party)
                case _:
                    pass

        bloc.stream.subscribe(on_state)

    async def wait_for(self, key: ArrowKey, since: int) -> None:
        """Wait until this arrow of the diagram is among those after the first `since`."""
        while all(arrow.key != key for arrow in self.arrows[since:]):
            self._seen.clear()
            await self._seen.wait()


class SequenceObserver(RelayObserver):
    """Records what reaches the relay, and what it has committed."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence

    def connected(self, user: User) -> None:
        self._sequence.record(Party.of(user.role), Party.KTOR_SERVER)

    def received(self, user: User, frame: SendFrame) -> None:
        self._sequence.record(Party.of(user.role), Party.KTOR_SERVER, frame.order_status.order_status_as_int)

    def committed(self, entry: Entry) -> None:
        self._sequence.record(Party.KTOR_SERVER, Party.DATABASE, entry.status)


def as_mermaid(arrows: list[Arrow]) -> str:
    """Return the arrows as a Mermaid sequence diagram."""
    lines = [
        "sequenceDiagram",
        "    autonumber",
        "    participant C as Client",
        "    participant S as Serviceman",
        "    participant K as KtorServer",
        "    participant D as Database",
    ]
    for arrow in arrows:
        status = f" ({arrow.status.name}, {arrow.status:d})" if arrow.status else ""
        lines.append(f"    {arrow.source} ->> {arrow.target} : {arrow.text}{status}")
    return "\n".join(lines) + "\n"
