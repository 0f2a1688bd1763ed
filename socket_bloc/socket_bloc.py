"""The `SocketBloc` of the class diagram: socket events in, socket states out.

It forwards what the socket reports, and gives each `submit` its outcome. Reconnecting and resuming are
in `session`; the orders themselves are in `orders`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final, Self

from socket_bloc.bloc import Bloc, BlocClosedError, Emitter
from socket_bloc.connection_info import ConnectionInfo
from socket_bloc.diagram_names import DiagramNames
from socket_bloc.errors import ConnectionRefused, InvalidOrderStatusError, NoSocketError, OrderRejected
from socket_bloc.events import (
    SocketConnectEvent,
    SocketDisconnectEvent,
    SocketEvent,
    SocketReceiveDataEvent,
    SocketSendDataEvent,
)
from socket_bloc.ids import new_id
from socket_bloc.order_flow import ORDER_FLOW, OrderFlow
from socket_bloc.order_status import ClientType, OrderStatus, check_user_id
from socket_bloc.outbox import MemoryOutbox, Outbox
from socket_bloc.socket import Socket
from socket_bloc.states import (
    SocketDataRejectedState,
    SocketDataSentState,
    SocketDisconnectState,
    SocketNullState,
    SocketReceiveDataState,
    SocketRefusedState,
    SocketState,
)
from socket_bloc.token_source import Token

__all__ = ["SocketBloc"]

SETTLE_TIMEOUT: Final = 1.0
"""Seconds that `close` waits for what is unsettled."""


_Outcome = SocketDataSentState | SocketDataRejectedState


@dataclass(frozen=True, eq=False)
class _SocketReportEvent(SocketEvent):
    """The socket reports something other than a status."""

    report: SocketState | Exception


class SocketBloc(DiagramNames, Bloc[SocketEvent, SocketState]):
    """One user's order statuses, as a stream of states.

        async with SocketBloc("c-17", ClientType.CLIENT) as bloc:
            order_id = await bloc.place_order("s-4", "Kitchen tap drips")

    Args:
        user_id: 1 to 128 characters; together with `type` it identifies the user.
        type: The role of the user.
        uri: Where the relay is, `ws://` or `wss://`, without a query; or several addresses of it, in order
            of preference. The next one is tried when an attempt has failed.
        token: The bearer token, or a function (possibly async) that returns it, called for each attempt. If
            it fails or takes 10 s, `on_error` is told, and the attempt counts as failed.
        outbox: Keeps what is unsettled; in memory by default. It is closed with the bloc.
        flow: The statuses and who may send which after which; the relay must use the same.
        full_history: Request the feed from its first status, not only the orders that are still open.
        ssl: For a `wss://` relay: what to trust, and how; by default what this machine trusts.

    Raises:
        ValueError: An argument is invalid; the message names it.
    """

    def __init__(
        self,
        user_id: str,
        type: ClientType,
        *,
        uri: str | Sequence[str] = Socket.WEBSOCKET_URI,
        token: Token = None,
        outbox: Outbox | None = None,
        flow: OrderFlow = ORDER_FLOW,
        full_history: bool = False,
        ssl: SSLContext | None = None,
    ) -> None:
        try:
            check_user_id(user_id)
        except ValueError as error:
            raise ValueError(f"user_id: {error}") from None
        if type not in tuple(ClientType):
            raise ValueError(f"type: {type!r} is neither ClientType.CLIENT nor ClientType.SERVICEMAN")
        super().__init__(SocketDisconnectState())
        self.user_id = user_id
        self.type = ClientType(type)
        self.flow = flow
        self._outbox: Outbox = MemoryOutbox() if outbox is None else outbox
        self._submits: dict[str, set[asyncio.Future[SocketDataSentState]]] = {}
        self._socket = Socket(
            user_id,
            self.type,
            uri=uri,
            token=token,
            outbox=self._outbox,
            full_history=full_history,
            ssl=ssl,
            auto_settle=False,
        )
        self.on(SocketConnectEvent, self._on_connect)
        self.on(SocketDisconnectEvent, self._on_disconnect)
        self.on(SocketSendDataEvent, self._on_send)
        self.on(SocketReceiveDataEvent, self._on_receive)
        self.on(_SocketReportEvent, self._on_report)
        self._socket_receive_data_subscription = self._socket.get_order_status_stream().subscribe(
            self._forward
        )
        self._socket.get_report_stream().subscribe(lambda report: self._forward(_SocketReportEvent(report)))

    @property
    def is_connected(self) -> bool:
        """Whether the relay has welcomed this user on the current connection."""
        return self._socket.is_connected

    @property
    def connection(self) -> ConnectionInfo:
        """The connection as it is now: its state, why it is not live, and what is queued.

        A snapshot, put together when it is read; paste `str(bloc.connection)` into a bug report.
        """
        return self._socket.connection

    def send_order_status(self, order_status: OrderStatus, *, message_id: str | None = None) -> None:
        """Send a status, under a new `message_id` unless one is given; its outcome is emitted as a state.

        Raises `InvalidOrderStatusError`, `OutboxError`, `BlocClosedError`; then nothing was sent or queued.
        """
        self._send(order_status, new_id() if message_id is None else message_id)

    async def submit(
        self, order_status: OrderStatus, *, message_id: str | None = None
    ) -> SocketDataSentState:
        """Send a status, and wait until it is committed.

        Cancelling this withdraws nothing. A retry of your own must repeat the `message_id` (1 to 64
        characters): then the status is committed once, however often it is sent.

        Raises:
            InvalidOrderStatusError: This user may not send it, or a field is missing.
            OutboxError: The outbox is full or cannot store it; nothing was sent.
            OrderRejected: The relay rejected it, finally.
            NoSocketError: There is no socket; nothing was queued. Or the relay, or a proxy, closed the
                connection with 1000, and the status stays queued until the next connect: a retry of your own
                must repeat its `message_id`.
            ConnectionRefused: The relay refused the connection.
            BlocClosedError: The bloc is closed, or was closed before the outcome was known.
        """
        message_id = new_id() if message_id is None else message_id
        outcome: asyncio.Future[SocketDataSentState] = asyncio.get_running_loop().create_future()
        waiting = self._submits.setdefault(message_id, set())
        waiting.add(outcome)
        try:
            self._send(order_status, message_id)
            return await outcome
        finally:
            waiting.discard(outcome)
            if not waiting:
                self._submits.pop(message_id, None)

    async def place_order(self, receiver_id: str, message: str) -> str:
        """Place an order with the user `receiver_id` and return its new id. Raises what `submit` raises."""
        steps = [step for step in self.flow.steps if step.begins_order and step.sent_by is self.type]
        if not steps:
            raise InvalidOrderStatusError("type", f"a {self.type} may not place orders")
        order_id = new_id()
        await self.submit(
            OrderStatus.of(steps[0].status, order_id=order_id, receiver_id=receiver_id, message=message)
        )
        return order_id

    def states(self) -> AsyncIterator[SocketState]:
        """Iterate over the states from now on, until the bloc is closed; a slow reader misses none."""
        arrived: asyncio.Queue[SocketState | None] = asyncio.Queue()
        subscription = self.stream.subscribe(
            arrived.put_nowait, on_completed=lambda: arrived.put_nowait(None)
        )

        async def take() -> AsyncIterator[SocketState]:
            try:
                while (state := await arrived.get()) is not None:
                    yield state
            finally:
                subscription.dispose()

        return take()

    async def __aenter__(self) -> Self:
        """Add the connect event. It does not wait for the connection."""
        self.add(SocketConnectEvent())
        return self

    # Sending

    def _send(self, order_status: OrderStatus, message_id: str) -> None:
        self._check(order_status)
        if self.is_closed:
            raise BlocClosedError("this bloc is closed and cannot send; create a new one")
        # In the outbox before this returns, so that a durable one loses nothing from here on.
        is_new = message_id not in self._outbox
        self._socket.enqueue(order_status, message_id)
        try:
            self.add(SocketSendDataEvent(order_status, message_id))
        except Exception:  # of a hook that rejects the event
            if is_new:
                self._socket.withdraw(message_id)
            raise

    def _check(self, order_status: OrderStatus) -> None:
        if order_status.order_id is None:
            raise InvalidOrderStatusError("order_id", "it is missing; a status must name its order")
        rejection = self.flow.check(order_status, self.user_id, self.type)
        if rejection is not None:
            raise InvalidOrderStatusError(rejection.field, rejection.reason)

    # Events

    def _on_connect(self, event: SocketConnectEvent, emit: Emitter[SocketState]) -> None:
        self._socket.open_connection()

    def _on_disconnect(self, event: SocketDisconnectEvent, emit: Emitter[SocketState]) -> None:
        try:
            self._socket.close_connection()
        except NoSocketError:
            emit(SocketNullState(event))

    def _on_send(self, event: SocketSendDataEvent, emit: Emitter[SocketState]) -> None:
        self._check(event.order_status)
        try:
            self._socket.send_order_status(event.order_status, event.message_id)
        except NoSocketError as error:
            refusal = self._socket.refusal
            self._fail(event.message_id, ConnectionRefused(refusal) if refusal is not None else error)
            try:
                emit(SocketNullState(event))
            finally:
                if event.message_id is not None:
                    self._socket.withdraw(event.message_id)
        except Exception as error:
            self._fail(event.message_id, error)
            raise

    def _on_receive(self, event: SocketReceiveDataEvent, emit: Emitter[SocketState]) -> None:
        status = event.order_status
        if status.sender_id == self.user_id:
            self._announce(SocketDataSentState(status, event.message_id, event.seq, event.at), emit)
        else:
            emit(SocketReceiveDataState(status, event.message_id, event.seq, event.at))
            self.receive_order_status(status)

    def _on_report(self, event: _SocketReportEvent, emit: Emitter[SocketState]) -> None:
        match event.report:
            case Exception() as error:
                self.add_error(error)
            case SocketDataRejectedState() as rejected:
                self._announce(rejected, emit)
            case SocketRefusedState(reason) as refused:
                self._fail_all(ConnectionRefused(reason))
                emit(refused)
            case SocketDisconnectState() as ended if (reason := self._socket.farewell) is not None:
                problem = f"the relay ended the connection ({reason}), and what was sent stays queued"
                self._fail_all(NoSocketError(problem))
                emit(ended)
            case state:
                emit(state)

    # Outcomes

    def _announce(self, outcome: _Outcome, emit: Emitter[SocketState]) -> None:
        """Emit the outcome of a send, and only then settle it: a process killed before that gets it again."""
        self._resolve(outcome)
        try:
            emit(outcome)
        finally:  # also if a hook rejects the state: the next send of the order waits for this
            self._socket.settle(outcome.message_id)

    def _resolve(self, outcome: _Outcome) -> None:
        """Give the outcome to the `submit`s that wait for it."""
        if isinstance(outcome, SocketDataRejectedState):
            rejected = OrderRejected(outcome.code, outcome.reason, outcome.current_status)
            self._fail(outcome.message_id, rejected)
        else:
            for submit in self._waiting(outcome.message_id):
                submit.set_result(outcome)

    def _waiting(self, message_id: str | None) -> list[asyncio.Future[SocketDataSentState]]:
        submits = self._submits.get(message_id, ()) if message_id is not None else ()
        return [outcome for outcome in submits if not outcome.done()]

    def _fail(self, message_id: str | None, error: Exception) -> None:
        for outcome in self._waiting(message_id):
            outcome.set_exception(error)

    def _fail_all(self, error: Exception) -> None:
        for message_id in self._submits:
            self._fail(message_id, error)

    def _forward(self, event: SocketReceiveDataEvent | _SocketReportEvent) -> None:
        try:
            self._add(event, while_closing=True)
        except Exception:  # of a hook that rejects the event
            outcome = self._outcome_in(event)
            if outcome is not None:
                self._resolve(outcome)
                self._socket.settle(outcome.message_id)
            raise

    def _outcome_in(self, event: SocketReceiveDataEvent | _SocketReportEvent) -> _Outcome | None:
        match event:
            case SocketReceiveDataEvent(status, message_id, seq, at) if status.sender_id == self.user_id:
                return SocketDataSentState(status, message_id, seq, at)
            case _SocketReportEvent(SocketDataRejectedState() as rejected):
                return rejected
            case _:
                return None

    async def _close(self) -> None:
        with closing(self._outbox):  # after the last event, which may still settle a send
            try:
                async with asyncio.timeout(SETTLE_TIMEOUT):
                    await self.wait_until_idle()
                    await self._socket.settled()
            except TimeoutError:
                pass  # what is left stays in the outbox
            await self._socket.aclose()
            self._fail_all(BlocClosedError("the bloc was closed before the outcome was known"))
            await super()._close()
