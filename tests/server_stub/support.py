"""Shared by the tests of the relay: submissions, a ledger, a transport and a clock without I/O, a client."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from server_stub.ledger.ledger import Ledger
from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.records import Entry, Outcome, Submission, User
from server_stub.server import Server
from socket_bloc.order_flow import ORDER_FLOW
from socket_bloc.order_status import ClientType, OrderStatus, StatusCode

CLIENT = User("c-1", ClientType.CLIENT)
SERVICEMAN = User("s-1", ClientType.SERVICEMAN)
WHOLE_ORDER = (
    (CLIENT, StatusCode.PLACED),
    (SERVICEMAN, StatusCode.ACCEPTED),
    (CLIENT, StatusCode.STARTED),
    (SERVICEMAN, StatusCode.ORDER_CHANGED),
    (CLIENT, StatusCode.EXTENDED),
    (CLIENT, StatusCode.PAYMENT),
    (SERVICEMAN, StatusCode.PAYMENT_VERIFICATION),
    (CLIENT, StatusCode.ORDER_COMPLETE),
)


def submission(
    sender: User,
    message_id: str,
    status: StatusCode = StatusCode.PLACED,
    order_id: str = "o-1",
    receiver: User | None = None,
    message: str = "",
) -> Submission:
    """A submission, checked as a session does. PLACED goes to `SERVICEMAN` unless a receiver is given."""
    if receiver is None and status is StatusCode.PLACED:
        receiver = SERVICEMAN
    receiver_id = receiver.user_id if receiver else None
    order_status = OrderStatus.of(status, order_id=order_id, message=message, receiver_id=receiver_id)
    refusal = ORDER_FLOW.check(order_status, sender.user_id, sender.role)
    return Submission(sender, message_id, order_status, order_id, refusal)


def send_frame(
    message_id: str = "m-1",
    status: StatusCode = StatusCode.PLACED,
    *,
    order_id: str = "o-1",
    receiver_id: str | None = None,
    message: str = "",
) -> str:
    """The text of a `send`. PLACED goes to `SERVICEMAN` unless a receiver is given."""
    if receiver_id is None and status is StatusCode.PLACED:
        receiver_id = SERVICEMAN.user_id
    order_status = OrderStatus.of(status, order_id=order_id, message=message, receiver_id=receiver_id)
    return json.dumps(
        {"type": "send", "messageId": message_id, "orderStatus": json.loads(order_status.model_dump_json())}
    )


def client_frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A frame as a client sends it; its mask is all zeros, which changes nothing."""
    first = (0x80 if fin else 0) | opcode
    length = len(payload)
    if length < 126:
        header = bytes((first, 0x80 | length))
    elif length < 65536:
        header = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        header = struct.pack("!BBQ", first, 0x80 | 127, length)
    return header + bytes(4) + payload


def handshake_request(target: str = "/order?userId=c-1&type=client", **headers: str) -> bytes:
    """The bytes of a WebSocket handshake; an empty string removes a header."""
    fields = {
        "Host": "relay",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode()


class LedgerHarness:
    """A ledger on a SQLite file, whose transactions a test ends by hand."""

    def __init__(self, path: Path, at: int = 1_795_341_672_345_678) -> None:
        """Every entry is committed `at` this moment, in microseconds since 1970."""
        self.store = SqliteStore(str(path))
        self.feeds = self.store.feeds
        self._rules = Ledger(self.store, ORDER_FLOW, lambda: at)
        self.open_feed = self._rules.open_feed

    def stage(self, *submissions: Submission) -> list[Outcome]:
        """Begin a transaction of these."""
        return self._rules.stage(submissions)

    def commit(self, *submissions: Submission) -> list[Outcome]:
        """Stage and commit these."""
        outcomes = self.stage(*submissions)
        self.store.commit()
        self.store.after_commit()
        return outcomes

    def compact(self) -> None:
        """Sort all entries into the per-user tables, or end a compaction that is under way."""
        self.compact_a_slice()
        while self.store.compaction.is_under_way:
            self.compact_a_slice()

    def compact_a_slice(self) -> None:
        """Take the next step of a compaction, or begin one."""
        step = self.store.compaction.step()
        step.work()
        step.after()

    def feed(self, user: User, after: int = 0, limit: int = 10_000) -> list[Entry]:
        """The entries of a user's feed."""
        return self.feeds.page(user, after, limit)


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class ManualLoop:
    """An event loop whose iterations a test runs."""

    def __init__(self) -> None:
        self.next: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.next.append(callback)

    def iterate(self) -> bool:
        """Run one iteration, and return whether there was anything to do."""
        due, self.next = self.next, []
        for callback in due:
            callback()
        return bool(due)

    def run(self) -> None:
        """Run until there is nothing left to do."""
        while self.iterate():
            pass


class FakeTransport(asyncio.Transport):
    """Collects what is written; `waiting` is the size of its write buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.waiting = 0
        self.is_aborted = False
        self.is_closed = False
        self.has_written_eof = False
        self.is_reading_now = True

    def write(self, data: Any) -> None:
        assert not self.has_written_eof, "written after the end"
        self.written += data

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self.written)
        self.written.clear()
        return taken

    def write_eof(self) -> None:
        self.has_written_eof = True

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_aborted or self.is_closed

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True


class Peer:
    """One user's connection to a relay, over the network."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome: dict[str, Any] = {}

    async def send(self, *args: Any, **kwargs: Any) -> None:
        """Send a status; the arguments are those of `send_frame`."""
        await self.connection.send(send_frame(*args, **kwargs))

    async def receive(self) -> dict[str, Any]:
        """Read the next frame."""
        async with asyncio.timeout(10):
            return json.loads(await self.connection.recv())

    async def statuses(self, count: int) -> list[dict[str, Any]]:
        """Read the next frames, which must be statuses."""
        frames = [await self.receive() for _ in range(count)]
        assert [frame["type"] for frame in frames] == ["status"] * count, frames
        return frames


@asynccontextmanager
async def joined(
    server: Server, user: User = CLIENT, query: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """Connect a user, and read the welcome."""
    uri = f"{server.uri}?userId={user.user_id}&type={user.role}{query}"
    async with connect(uri, compression=None, proxy=None, ssl=tls) as connection:
        peer = Peer(connection)
        peer.welcome = await peer.receive()
        assert peer.welcome["type"] == "welcome"
        yield peer
