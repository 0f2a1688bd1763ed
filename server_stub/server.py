"""A running relay, in this process and this event loop, until it is closed or aborted.

For a test or a demo:

    async with serve(Settings(port=0, database="sqlite:////tmp/orders.db")) as server:
        ...  # clients connect to server.uri
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncGenerator, Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from websockets.http11 import Request, Response

from server_stub.credentials import Credentials
from server_stub.handshake.admission import admit
from server_stub.ledger.backends import open_store
from server_stub.ledger.store import LedgerError
from server_stub.metrics import Metrics
from server_stub.observer import Observers, RelayObserver
from server_stub.rate_limit import RateLimit
from server_stub.relay import Relay
from server_stub.settings import Settings
from server_stub.wire.connection import Connection
from server_stub.wire.deadlines import TimerWheel
from server_stub.wire.http import PATH, HttpError, check_target, plain_response, unavailable
from server_stub.wire.listening import BACKLOG, Protection, StartError, bind, capacity
from server_stub.wire.tls_transport import TlsTransport
from server_stub.wire.work import WorkQueue
from socket_bloc.frames import CloseCode
from socket_bloc.order_flow import ORDER_FLOW, OrderFlow

__all__ = ["Server", "serve"]

_log = logging.getLogger("server_stub")

DRAIN_TIMEOUT: Final = 3.0
"""Seconds for pending submissions to be committed and answered."""
CLOSE_TIMEOUT: Final = 4.0
"""Seconds for the connections to close: a little more than each takes until it aborts itself."""
_ABORT_TIMEOUT: Final = 0.5
_COMMIT_TIMEOUT: Final = 1.0


class _State(Enum):
    LISTENING = auto()
    FAILED = auto()
    CLOSING = auto()
    CLOSED = auto()


@contextlib.asynccontextmanager
async def serve(
    settings: Settings, *, flow: OrderFlow = ORDER_FLOW, observer: RelayObserver | None = None
) -> AsyncGenerator[Server]:
    """Run a relay, and close it on exit. Raises `StartError`."""
    server = Server(settings, flow, observer)
    try:
        await server.listen()
        yield server
    finally:
        await server.close()


class Server:
    """A running relay; see `serve`."""

    def __init__(self, settings: Settings, flow: OrderFlow, observer: RelayObserver | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._origins = frozenset(settings.allowed_origins)
        self._capacity = capacity(settings.max_connections)
        self._max_of_user = settings.max_connections_per_user or sys.maxsize
        self._max_handshakes = settings.max_handshakes or sys.maxsize
        self._credentials = Credentials(settings, time.time)
        self._protection = Protection(
            has_key=self._credentials.tokens is not None,
            has_tls=self._credentials.tls is not None,
            insecure=settings.insecure,
        )
        self._socket = bind(settings.host, settings.port, self._protection)
        try:
            store = open_store(settings.database, check=settings.check)
        except LedgerError as error:
            self._socket.close()
            raise StartError(str(error)) from None
        self._metrics = Metrics()
        observers = Observers(self._metrics, observer)
        rate_limit = RateLimit(settings.rate_limit, settings.rate_burst)
        self._expiries = TimerWheel(time.time)
        self._relay = Relay(store, flow, observers, rate_limit, self._expiries, self._loop)
        self._state = _State.LISTENING
        self._listener: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._handshakes: dict[Connection, None] = {}  # without a request yet, the oldest first
        self._connection_closed = asyncio.Event()
        self._closed = asyncio.Event()
        self.failed: Final = self._relay.writer.lost
        """Done when the database is lost: then all connections are closed, and so should be the relay."""
        self.failed.add_done_callback(self._fail)
        self.timers = TimerWheel(self._loop.time)
        self.work = WorkQueue(self._loop)

    async def listen(self) -> None:
        """Start to accept connections."""
        self._listener = await self._loop.create_server(
            self._new_connection, sock=self._socket, backlog=BACKLOG
        )
        self.timers.start(self._loop)
        if self._credentials.tokens is not None:
            self._expiries.start(self._loop)
        access = self._protection.describe(self._socket.getsockname()[0])
        if self._protection.insecure:
            _log.warning("--insecure is set: %s", access)
        else:
            _log.info("%s", access)

    @property
    def uri(self) -> str:
        """The URI for clients."""
        host, port = self._socket.getsockname()[:2]
        scheme = "wss" if self._protection.has_tls else "ws"
        return f"{scheme}://[{host}]:{port}{PATH}" if ":" in host else f"{scheme}://{host}:{port}{PATH}"

    def reload(self) -> None:
        """Read the certificate and the keys again, for new connections; if that fails, the old ones stay."""
        self._credentials.reload()

    async def close(self) -> None:
        """Shut down: answer handshakes with 503, finish pending commits, close connections with 1001.

        Takes less than 10 s, whatever the clients and the disk do. A second call waits for the first.
        """
        if self._state in (_State.CLOSING, _State.CLOSED):
            await self._closed.wait()
            return
        self._state = _State.CLOSING
        try:
            await self._finish()
        finally:
            self.abort()
        await self._wait_until(lambda: not self._connections, _ABORT_TIMEOUT)

    def abort(self) -> None:
        """Stop as if the process had been killed: nothing more is sent or committed.

        (A running COMMIT may still land, as it may if a process is killed.) Another relay can take the port
        and the database at once.
        """
        if self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        if self._listener is not None:
            self._listener.close()
        self._socket.close()
        for connection in self._connections:
            connection.abort()
        self.timers.stop()
        self._expiries.stop()
        if not self._relay.writer.stop(_COMMIT_TIMEOUT):
            _log.error("a COMMIT does not return; the database stays locked until it does")
        self._closed.set()

    def _new_connection(self) -> asyncio.Protocol:
        connection = Connection(self)
        tls = self._credentials.tls
        return connection if tls is None else TlsTransport(connection, tls)

    # The owner of the connections.

    def connected(self, connection: Connection) -> None:
        """Keep a new transport. Over a limit, the oldest without a request makes room for it."""
        self._connections.add(connection)
        self._handshakes[connection] = None
        if len(self._connections) > self._capacity.transports:
            _log.warning("dropped a connection: the file limit allows %d", self._capacity.transports)
            self._drop_oldest_handshake()
        elif len(self._handshakes) > self._max_handshakes:
            _log.warning("dropped a connection: %d others have sent no request", self._max_handshakes)
            self._drop_oldest_handshake()
        elif self._state is _State.CLOSED:
            connection.abort()

    def requested(self, connection: Connection, request: Request) -> None:
        """Respond to a request."""
        self._handshakes.pop(connection, None)
        try:
            path = check_target(request.method, request.path)
            if path == PATH:
                self._admit(connection, request)
            else:
                self._answer(connection, path)
        except HttpError as error:
            _log.info("refused %s: %d, %s", connection.peer, error.status, error.reason)
            connection.respond(error.response)

    def disconnected(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        self._handshakes.pop(connection, None)
        self._connection_closed.set()

    def _admit(self, connection: Connection, request: Request) -> None:
        closed = None
        if self._state is not _State.LISTENING:
            closed = "the relay shuts down"
        elif self._relay.session_count >= self._capacity.websockets:
            closed = "connection limit reached"
        admission = admit(
            request,
            connection.handshake,
            closed=closed,
            allowed_origins=self._origins,
            tokens=self._credentials.tokens,
        )
        # Only now, so that nobody but users themselves can take up their connections.
        if self._relay.connections_of(admission.user) >= self._max_of_user:
            raise unavailable(f"too many connections of this user; {self._max_of_user} are allowed")
        try:
            session = self._relay.session(connection, admission)
        except LedgerError as error:
            _log.error("failed to read a feed: %s", error)
            raise unavailable("the database is not available") from None
        connection.accept(admission.response, session)

    def _drop_oldest_handshake(self) -> None:
        oldest = next(iter(self._handshakes))
        del self._handshakes[oldest]
        oldest.abort()

    def _answer(self, connection: Connection, path: str) -> None:
        match path:
            case "/readyz":
                probe = self._relay.writer.probe()
                probe.add_done_callback(lambda probe: self._answer_ready(connection, probe.result()))
            case "/metrics":
                # In a thread, since the first import takes tens of milliseconds.
                loading = self._loop.run_in_executor(None, _load_exposition)
                loading.add_done_callback(lambda loaded: connection.respond(loaded.result()(self._metrics)))
            case _:
                connection.respond(plain_response(HTTPStatus.OK, "ok\n"))

    def _answer_ready(self, connection: Connection, is_ready: bool) -> None:
        if is_ready and self._state is _State.LISTENING:
            connection.respond(plain_response(HTTPStatus.OK, "ready\n"))
        else:
            connection.respond(unavailable("the database does not take a write").response)

    def _fail(self, _lost: object) -> None:
        if self._state is _State.LISTENING:
            self._state = _State.FAILED
            self._relay.close_sessions(CloseCode.GOING_AWAY, "the database is not available")

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT):
                await self._relay.writer.drain()
        except TimeoutError:
            _log.warning("the last commit has not returned; its clients will retry")
        self._relay.close_sessions(CloseCode.GOING_AWAY, "the relay shuts down")
        await self._wait_until(lambda: self._relay.session_count == 0, CLOSE_TIMEOUT)

    async def _wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._connection_closed.clear()
                    await self._connection_closed.wait()


def _load_exposition() -> Callable[[Metrics], Response]:
    try:
        from server_stub.exposition import metrics_response
    except ImportError:
        reason = "metrics need prometheus-client; run: pip install 'socket-bloc[server]'"
        return lambda metrics: HttpError(HTTPStatus.NOT_IMPLEMENTED, reason).response
    return metrics_response
