"""The load generator: pairs of users who play one order after another, as cheaply as Python can.

It shares a machine with the relay that it measures, so it does no more than it must: hand-made WebSocket
frames on `asyncio.Protocol`, JSON from templates, and each incoming frame only searched for what it must
contain. What it does not do is trust: a frame that is not the one expected ends the run.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import ssl
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, cast
from urllib.parse import urlencode, urlsplit

__all__ = ["ORDER", "Link", "Pair", "Tally", "connect_idle", "connect_pairs", "new_names"]

# What each side sends in turn: an order from its first status to its last.
ORDER: Final = (
    ("PLACED", 1001, "client"),
    ("ACCEPTED", 1004, "serviceman"),
    ("STARTED", 1005, "client"),
    ("ORDER_CHANGED", 1006, "serviceman"),
    ("EXTENDED", 1007, "client"),
    ("PAYMENT", 1010, "client"),
    ("PAYMENT_VERIFICATION", 1011, "serviceman"),
    ("ORDER_COMPLETE", 1009, "client"),
)
_ORDER_ID: Final = b"@" * 24
"""Placeholder of the order's id in the templates; every id has this length."""
_TEXT: Final = 0x81
_PING: Final = 0x89


@dataclass(slots=True)
class Tally:
    """What a run has done so far; all pairs share one.

    `received` counts the statuses that came to either side, `latencies` has, for each that came to the other
    side, the seconds since it was sent. Once `stopping` is set, no pair begins another order.
    """

    sent: int = 0
    received: int = 0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    stopping: bool = False


class Link(asyncio.Protocol):
    """One user's connection. `lost` says that the relay has ended it."""

    def __init__(self, url: str, user_id: str, role: str) -> None:
        self.lost = False
        self._url = urlsplit(url)
        self._query = urlencode({"userId": user_id, "type": role})
        self._welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_open = False
        self._unread = b""

    async def connect(self, *, local: str | None = None) -> None:
        """Open the connection, from the address `local` where one is given, and wait for the welcome."""
        loop = asyncio.get_running_loop()
        host, port = self._url.hostname or "", self._url.port or 80
        tls = _trusting_anything() if self._url.scheme == "wss" else None
        local_address = (local, 0) if local else None
        await loop.create_connection(lambda: self, host, port, ssl=tls, local_addr=local_address)
        await self._welcomed

    def send(self, frame: bytes) -> None:
        """Send one whole frame."""
        self._transport.write(frame)

    def hang_up(self) -> None:
        """End the connection without a closing handshake."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are that in all but name
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._url.path}?{self._query} HTTP/1.1\r\nHost: {self._url.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: order-status.v1\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        data = self._unread + data if self._unread else data
        try:
            at = 0 if self._is_open else self._read_head(data)
            self._unread = data[self._read_frames(data, at) :]
        except Exception as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._fail(exc or ConnectionResetError("the relay hung up"))

    def on_text(self, payload: bytes) -> None:
        """A text frame that is not the welcome."""
        raise RuntimeError(f"unexpected: {payload[:200]!r}")

    def on_failure(self, error: Exception) -> None:
        """The connection can no longer be used."""

    def _fail(self, error: Exception) -> None:
        if not self._welcomed.done():
            self._welcomed.set_exception(error)
        self.on_failure(error)

    def _read_head(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101 "):
            raise ConnectionRefusedError(data.decode("latin-1"))
        self._is_open = True
        return end + 4

    def _read_frames(self, data: bytes, at: int) -> int:
        """Handle each whole frame from `at` on; return where the first incomplete one begins."""
        while self._is_open and len(data) - at >= 2:
            size, body = data[at + 1], at + 2
            if size == 126:
                size, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            end = body + size
            if size == 127 or end > len(data):
                break  # the relay has nothing to say to this load that would take 64 KiB
            opcode = data[at]
            if opcode == _TEXT:
                if self._welcomed.done():
                    self.on_text(data[body:end])
                else:
                    self._welcomed.set_result(None)
            elif opcode == _PING:
                self._transport.write(b"\x8a" + bytes([0x80 | size]) + bytes(4) + data[body:end])
            else:
                raise ConnectionResetError(f"the relay sent {data[at:end]!r}")
            at = end
        return at


class _Side(Link):
    """One side of a pair. It gets every status of the order, and notifies the pair."""

    def __init__(self, url: str, user_id: str, role: str, pair: Pair) -> None:
        super().__init__(url, user_id, role)
        self._pair = pair
        self._step = 0
        self._own = [sent_by == role for _, _, sent_by in ORDER]

    def on_text(self, payload: bytes) -> None:
        pair, step = self._pair, self._step
        if pair.expected[step] not in payload or pair.order_id not in payload:
            raise RuntimeError(f"expected {ORDER[step][0]} of {pair.order_id!r}, not {payload[:400]!r}")
        pair.tally.received += 1
        self._step = (step + 1) % len(ORDER)
        pair.received(step, is_own=self._own[step])

    def on_failure(self, error: Exception) -> None:
        if not self._pair.done.done():
            self._pair.done.set_exception(error)


class Pair:
    """A client and a serviceman with one order at a time: the next status goes out when the last has arrived.

    `done` is done once the tally says stop and both sides have received the last status of their order.
    """

    expected: Final = [b'"orderStatusAsInt":%d' % number for _, number, _ in ORDER]

    def __init__(self, url: str, name: str, tally: Tally) -> None:
        client_id, serviceman_id = f"c-{name}", f"s-{name}"
        self.tally = tally
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.order_id = b""
        self.client = _Side(url, client_id, "client", self)
        self.serviceman = _Side(url, serviceman_id, "serviceman", self)
        self._templates = [_template(*row, receiver_id=serviceman_id) for row in ORDER]
        self._senders = [self.client if sent_by == "client" else self.serviceman for _, _, sent_by in ORDER]
        self._outstanding = 0  # frames that the two sides have yet to receive
        self._sent_at = 0.0

    def begin_order(self) -> None:
        """Place a new order."""
        self.order_id = secrets.token_hex(12).encode()
        self._send(0)

    def hang_up(self) -> None:
        """End both connections."""
        self.client.hang_up()
        self.serviceman.hang_up()

    def received(self, step: int, *, is_own: bool) -> None:
        """One side has received the status of this step."""
        self._outstanding -= 1
        if not is_own:
            self.tally.latencies.append(time.perf_counter() - self._sent_at)
        if step < len(ORDER) - 1:
            if not is_own:
                self._send(step + 1)
        elif self._outstanding == 0:
            if self.tally.stopping:
                self.done.set_result(None)
            else:
                self.begin_order()

    def _send(self, step: int) -> None:
        self._outstanding += 2
        self.tally.sent += 1
        self._sent_at = time.perf_counter()
        self._senders[step].send(self._templates[step].replace(_ORDER_ID, self.order_id))


@cache
def _trusting_anything() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _template(name: str, number: int, sent_by: str, *, receiver_id: str) -> bytes:
    """A whole frame but for the order's id. Its masking key is zero, which leaves the payload as it is."""
    receiver = f'"receiverId":"{receiver_id}",' if name == "PLACED" else ""
    order_id = _ORDER_ID.decode()
    payload = (
        f'{{"type":"send","messageId":"{order_id}-{number}","orderStatus":{{"orderStatusAsString":"{name}",'
        f'"orderStatusAsInt":{number},"message":"The {sent_by} says so",{receiver}"orderId":"{order_id}"}}}}'
    ).encode()
    assert 126 <= len(payload) < 65536
    return bytes([_TEXT, 0x80 | 126]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def new_names(count: int) -> list[str]:
    """Names of so many pairs whom the relay has never seen."""
    run = secrets.token_hex(4)
    return [f"{run}-{number}" for number in range(count)]


async def connect_pairs(url: str, names: Sequence[str], tally: Tally) -> list[Pair]:
    """Connect a pair of users for each name; those whom the relay knows must have no open order."""
    pairs = [Pair(url, name, tally) for name in names]
    for pair in pairs:
        await pair.client.connect()
        await pair.serviceman.connect()
    return pairs


async def connect_idle(url: str, count: int) -> list[Link]:
    """Connect so many users who say nothing."""
    links = [Link(url, f"c-{name}", "client") for name in new_names(count)]
    for start in range(0, count, 50):
        # One address has about 28,000 ports; loopback has more addresses.
        local = f"127.0.0.{start // 20_000 + 1}" if start >= 20_000 else None
        await asyncio.gather(*(link.connect(local=local) for link in links[start : start + 50]))
    return links
