"""The `Socket` of the class diagram: the I/O of a `Session`, over `websockets`.

It applies the session's effects and decides nothing: which state follows which, and what a disconnect
leads to, is in `session`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from ssl import SSLContext
from typing import ClassVar, Final, Never, assert_never

from reactivex import Observable
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import broadcast
from websockets.exceptions import ConnectionClosed

from socket_bloc.bloc import Broadcast
from socket_bloc.connection_info import ConnectionHistory, ConnectionInfo
from socket_bloc.errors import NoSocketError, ProtocolError
from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.ids import new_id
from socket_bloc.link import check_uris, classify, open_channel
from socket_bloc.order_status import ClientType, OrderStatus, check_message_id
from socket_bloc.outbox import MemoryOutbox, Outbox, Send
from socket_bloc.session.disconnect import Disconnect, NoToken
from socket_bloc.session.effects import (
    Close,
    Effect,
    Open,
    ProtocolViolation,
    Reconnecting,
    Settle,
    Transmit,
)
from socket_bloc.session.session import Session
from socket_bloc.session.state import Offline, Refused
from socket_bloc.states import (
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDisconnectState,
    SocketReconnectingState,
    SocketState,
)
from socket_bloc.tls import check_ssl
from socket_bloc.token_source import Token, TokenSource

__all__ = ["Socket"]

CLOSE_TIMEOUT: Final = 0.8
"""Seconds that closing a connection may take, whatever the peer does."""
READ_SLICE: Final = 0.004
"""Seconds of reading, after which the other tasks of the loop have their turn."""

logger = logging.getLogger("socket_bloc")


class Socket:
    """One user's connection to the relay, reopened until it is closed on purpose.

    To be used on the running event loop. The streams are hot and do not replay.
    """

    WEBSOCKET_URI: ClassVar[str] = "ws://127.0.0.1:8765/order"

    def __init__(
        self,
        serviceman_id: str,
        type: ClientType,
        *,
        uri: str | Sequence[str] | None = None,
        token: Token = None,
        outbox: Outbox | None = None,
        full_history: bool = False,
        ssl: SSLContext | None = None,
        auto_settle: bool = True,
    ) -> None:
        """Create a socket for a user of either type, to the relay at one address or any of several.

        With `auto_settle`, a send leaves the outbox once its outcome has been pushed to a stream; without,
        call `settle` for each outcome, when nothing that this process still has to do with it may be lost.

        Raises `ValueError` for an invalid URI, context or token, or an outbox of another user.
        """
        self.serviceman_id = serviceman_id
        self.type = type
        self.channel: ClientConnection | None = None
        uris = check_uris(self.WEBSOCKET_URI if uri is None else uri)
        self._ssl = check_ssl(ssl, uris)
        self._token = TokenSource(token)
        self._auto_settle = auto_settle
        self._outbox: Outbox = MemoryOutbox() if outbox is None else outbox
        self._outbox.bind(serviceman_id, type)
        self._session = Session(
            serviceman_id, type, self._outbox, uris=uris, jitter=random.random, full_history=full_history
        )
        self._statuses = Broadcast[SocketReceiveDataEvent]("the order status stream")
        self._reports = Broadcast[SocketState | Exception]("the report stream")
        self._attempt: asyncio.Task[None]  # the latest attempt, since the first Open
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()
        self._history = ConnectionHistory(serviceman_id, type)

    @property
    def is_connected(self) -> bool:
        """Whether the relay has welcomed this user on the current connection."""
        return self._session.is_connected

    @property
    def refusal(self) -> str | None:
        """Why the connection was refused; None unless that is the current state."""
        state = self._session.state
        return state.reason if isinstance(state, Refused) else None

    @property
    def farewell(self) -> str | None:
        """How the relay closed the connection on purpose; None unless that is the current state."""
        state = self._session.state
        return state.reason if isinstance(state, Offline) else None

    @property
    def connection(self) -> ConnectionInfo:
        """The connection as it is now: its state, why it is not live, and what is queued."""
        return self._history.info(self._session, self._outbox)

    def get_order_status_stream(self) -> Observable[SocketReceiveDataEvent]:
        """Return the statuses of the feed as they arrive, including those that this user sent."""
        return self._statuses.observable

    def get_report_stream(self) -> Observable[SocketState | Exception]:
        """Return everything else: states of the connection and of sends, and errors."""
        return self._reports.observable

    def open_connection(self) -> None:
        """Connect, and reconnect whenever the connection is lost."""
        self._apply(self._session.connect())

    def close_connection(self) -> None:
        """Disconnect and stay offline; what is unsettled is kept. Raises `NoSocketError`."""
        self._apply(self._session.disconnect())

    def enqueue(self, order_status: OrderStatus, message_id: str | None = None) -> Send:
        """Add a status to the outbox.

        Raises `ValueError` if the message id is invalid, or that of another status there, and `OutboxError`.
        """
        send = Send(new_id() if message_id is None else message_id, order_status)
        try:
            check_message_id(send.message_id)
        except ValueError as error:
            raise ValueError(f"message_id: {error}") from None
        self._outbox.add(send)
        return send

    def send_order_status(self, order_status: OrderStatus, message_id: str | None = None) -> None:
        """Send a status, now or as soon as there is a connection.

        Raises `NoSocketError`, and what `enqueue` raises; then this call has added nothing to the outbox.
        """
        if not self._session.has_socket:
            raise NoSocketError
        self._apply(self._session.send(self.enqueue(order_status, message_id), self._now()))

    def settle(self, message_id: str) -> None:
        """Remove a send from the outbox, if its outcome has arrived; the next of its order may follow."""
        effects = self._session.settle(message_id, self._now())
        if effects:
            self._apply(effects)

    def withdraw(self, message_id: str) -> None:
        """Remove from the outbox what was enqueued, unless it was also sent."""
        if not self._session.holds(message_id):
            self._apply([Settle(message_id, durably=True)])

    async def settled(self) -> None:
        """Wait until the outbox is empty, or there is no connection that could empty it."""
        while self._outbox and self._session.has_socket:
            self._settled.clear()
            await self._settled.wait()

    async def aclose(self) -> None:
        """Disconnect if necessary, await every task, and complete the streams."""
        if self._session.has_socket:
            self.close_connection()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._statuses.complete()
        self._reports.complete()

    # Effects of the session

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SocketReceiveDataEvent():
                    self._statuses.push(effect)
                    if self._auto_settle:
                        self.settle(effect.message_id)
                case Transmit(text):
                    # Unlike send(), broadcast() never waits. Little is in flight, and a peer that does
                    # not read is detected by the missing answer.
                    broadcast([self.channel] if self.channel else [], text)
                case Settle(message_id, durably):
                    self._settle(message_id, durably)
                case Open():
                    self._history.changed()
                    self._attempt = self._start(self._run(effect))
                case Close(code, reason):
                    self._close(code, reason)
                case Reconnecting(tries, delay, reason):
                    logger.info("reconnecting in %.1f s (try %d): %s", delay, tries, reason)
                    at = datetime.now(UTC) + timedelta(seconds=delay)
                    self._history.lost(reason, at)
                    self._reports.push(SocketReconnectingState(tries, at, reason))
                case ProtocolViolation(problem):
                    logger.warning("%s", problem)
                    self._reports.push(ProtocolError(problem))
                case SocketDataRejectedState():
                    self._reports.push(effect)
                    if self._auto_settle:
                        self.settle(effect.message_id)
                case SocketConnectState():
                    self._history.changed()
                    self._reports.push(effect)
                case SocketDisconnectState():
                    self._history.disconnected(self._session.state)
                    self._reports.push(effect)
                case SocketDataQueuedState():
                    self._reports.push(effect)
                case _:
                    assert_never(effect)
        if not self._outbox or not self._session.has_socket:
            self._settled.set()
        self._set_timer()

    def _settle(self, message_id: str, durably: bool) -> None:
        try:
            self._outbox.settle(message_id)
            if durably:
                self._outbox.sync()
        except Exception as error:  # nothing is lost: the next process sends it again
            logger.warning("could not remove a send from the outbox: %s", type(error).__name__)
            self._reports.push(error)

    def _set_timer(self) -> None:
        deadline = self._session.deadline
        if deadline is not None and self._timer is not None and self._timer.when() <= deadline:
            return  # it fires early and is then set again: cheaper than a new timer for each frame
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if deadline is None else loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._apply(self._session.tick(self._now()))

    # Connections

    async def _run(self, attempt: Open) -> None:
        """One attempt, from the token to the end of the connection."""
        try:
            token = await self._token.ask()
        except Exception as error:
            self._reports.push(error)
            disconnect: Disconnect = NoToken(type(error).__name__)
        else:
            disconnect = await self._connect(attempt, token)
        self._apply(self._session.lost(attempt.attempt, disconnect, self._now()))

    async def _connect(self, attempt: Open, token: str | None) -> Disconnect:
        query = {"userId": self.serviceman_id, "type": self.type.value}
        if attempt.since is not None:
            query["since"] = str(attempt.since)
        if attempt.epoch is not None:
            query["epoch"] = attempt.epoch
        try:
            channel = await open_channel(attempt.uri, query, token, self._ssl)
        except Exception as error:
            return classify(error, token)
        try:
            return await self._read(channel, attempt.attempt)
        except ConnectionClosed as error:
            return classify(error, token)

    async def _read(self, channel: ClientConnection, number: int) -> Never:
        self.channel = channel
        begun = self._now()
        self._apply(self._session.opened(number, begun))
        try:
            while True:
                # Does not wait for frames that have arrived: of a replay, hundreds at a time.
                data = await channel.recv()
                now = self._now()
                if now - begun > READ_SLICE:
                    await asyncio.sleep(0)
                    begun = now = self._now()
                self._apply(self._session.received(number, data, now))
        finally:
            if self.channel is channel:
                self.channel = None

    def _close(self, code: int, reason: str) -> None:
        channel, self.channel = self.channel, None
        if channel is not None:
            self._start(_close_channel(channel, code, reason))
        else:
            self._attempt.cancel()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _close_channel(channel: ClientConnection, code: int, reason: str) -> None:
    # close() waits for a peer that does not read, without a time limit.
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await channel.close(code, reason)
    except TimeoutError:
        channel.transport.abort()
