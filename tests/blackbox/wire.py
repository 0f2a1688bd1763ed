"""A WebSocket from the first byte on: HTTP requests and RFC 6455 frames, right or wrong, on a plain socket.

Deliberately not a library: the tests must be able to send half a frame, a frame without a mask, or nothing
at all, and to stop reading. What the frames mean is in `client`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import socket
import struct
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "SUBPROTOCOL",
    "TEXT",
    "TIMEOUT",
    "Address",
    "ClosedByRelayError",
    "Frame",
    "HandshakeRefusedError",
    "Headers",
    "Line",
    "Response",
    "WebSocket",
    "encode",
    "handshake_headers",
    "http",
]

SUBPROTOCOL = "order-status.v1"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_KEY = bytes.fromhex("37fa213d")
"""Masks every frame. A browser must use random keys; here a failure must be reproducible."""

TIMEOUT = 15.0
"""Seconds that a test waits for expected bytes; only a failing test waits that long."""

Headers = Iterable[tuple[str, str]]


class Address(NamedTuple):
    """The address of a relay."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Address:
        """Parse `ws://HOST:PORT/order`."""
        parts = urlsplit(url)
        if parts.scheme != "ws" or parts.hostname is None:
            raise ValueError(f"a ws:// URL with a host is needed, not {url!r}")
        return cls(parts.hostname, parts.port or 80)


class Response(NamedTuple):
    """An HTTP response; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: str


class Frame(NamedTuple):
    """One WebSocket frame from the relay."""

    opcode: int
    payload: bytes
    fin: bool = True


class HandshakeRefusedError(Exception):
    """The relay answered a handshake with a status other than 101."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"HTTP {response.status}: {response.body.strip()}")
        self.response = response


class ClosedByRelayError(Exception):
    """A close frame arrived instead of a message. `code` is None if it is empty."""

    def __init__(self, payload: bytes) -> None:
        self.code: int | None = struct.unpack("!H", payload[:2])[0] if payload else None
        super().__init__(f"{self.code} {payload[2:].decode()}")


def encode(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """Encode a frame; with the default arguments it is valid for a client."""
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    mask_bit = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 0x10000:
        head += struct.pack("!BH", mask_bit | 126, size)
    else:
        head += struct.pack("!BQ", mask_bit | 127, size)
    if not masked:
        return head + payload
    repeated = (_KEY * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
    return head + _KEY + body


class Line:
    """A TCP connection with a read timeout, and a receive buffer of `receive_buffer` bytes."""

    def __init__(self, address: Address, *, receive_buffer: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(TIMEOUT)
        self._socket.connect(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = bytearray()

    def set_timeout(self, seconds: float) -> None:
        """Make every operation that takes longer than this raise `TimeoutError`."""
        self._socket.settimeout(seconds)

    def write(self, data: bytes) -> None:
        """Send all bytes."""
        self._socket.sendall(data)

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes. Raises `EOFError` if the relay disconnects before."""
        while len(self._unread) < size:
            self._fill()
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data

    def read_until(self, mark: bytes) -> bytes:
        """Read up to and including `mark`."""
        while (end := self._unread.find(mark)) < 0:
            self._fill()
        return self.read(end + len(mark))

    def read_to_end(self) -> bytes:
        """Read until the relay disconnects, cleanly or not."""
        try:
            while True:
                self._fill()
        except (EOFError, ConnectionError):
            return self.read(len(self._unread))

    def hung_up(self, timeout: float) -> bool:
        """Return whether the relay disconnects within `timeout` seconds. Nothing is read in the meantime."""
        poll = select.poll()
        poll.register(self._socket, getattr(select, "POLLRDHUP", select.POLLHUP))
        return bool(poll.poll(timeout * 1000))

    def close(self, *, abruptly: bool = False) -> None:
        """Disconnect; `abruptly` sends a reset."""
        if abruptly:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _fill(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError("the relay hung up")
        self._unread += data


def handshake_headers(**changes: str | None) -> list[tuple[str, str]]:
    """The headers of a valid handshake. `changes` (`origin="x"`) replace them; None removes one."""
    headers: dict[str, str | None] = {
        "host": "relay.example",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
        "sec-websocket-protocol": SUBPROTOCOL,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return [(name, value) for name, value in headers.items() if value is not None]


def _head(method: str, target: str, headers: Headers, version: str) -> bytes:
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _read_response(line: Line) -> Response:
    start, *rest = line.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    status = int(start.split(" ")[1])
    fields = (field.partition(":") for field in rest if field)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    if status == 101:
        return Response(status, headers, "")
    if "content-length" in headers:
        return Response(status, headers, line.read(int(headers["content-length"])).decode())
    return Response(status, headers, line.read_to_end().decode())


def http(
    address: Address,
    method: str,
    target: str,
    headers: Headers = (("host", "relay.example"),),
    *,
    version: str = "HTTP/1.1",
) -> Response:
    """Send one HTTP request on its own connection."""
    line = Line(address)
    try:
        line.write(_head(method, target, headers, version))
        return _read_response(line)
    finally:
        line.close()


class WebSocket:
    """An open WebSocket. Raises `HandshakeRefusedError` unless the relay opens it.

    `early` is sent in the same write as the handshake, before its answer is known.
    """

    def __init__(
        self,
        address: Address,
        target: str,
        *,
        headers: Headers | None = None,
        early: bytes = b"",
        receive_buffer: int | None = None,
    ) -> None:
        self.line = Line(address, receive_buffer=receive_buffer)
        try:
            self.line.write(_head("GET", target, headers or handshake_headers(), "HTTP/1.1") + early)
            self.response = _read_response(self.line)
            if self.response.status != 101:
                raise HandshakeRefusedError(self.response)
        except BaseException:
            self.line.close()
            raise

    def send(self, opcode: int, payload: bytes = b"", **flags: Any) -> None:
        """Send one frame; `flags` are those of `encode`."""
        self.line.write(encode(opcode, payload, **flags))

    def send_text(self, text: str) -> None:
        """Send a text message in one frame."""
        self.send(TEXT, text.encode())

    def send_json(self, value: Any) -> None:
        """Send a value as JSON in one text frame."""
        self.send_text(json.dumps(value, ensure_ascii=False))

    def receive_frame(self) -> Frame:
        """Read the next frame of any kind. The relay may neither mask nor compress."""
        first, second = self.line.read(2)
        assert not first & 0x70, "the relay set a reserved bit"
        assert not second & 0x80, "the relay masked a frame"
        size = second
        if size == 126:
            (size,) = struct.unpack("!H", self.line.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.line.read(8))
        return Frame(first & 0x0F, self.line.read(size), bool(first & 0x80))

    def receive_text(self) -> str:
        """Read the next message. Answers pings, and raises `ClosedByRelayError` at a close frame."""
        while True:
            frame = self.receive_frame()
            match frame.opcode:
                case 0x1:
                    assert frame.fin, "the relay's messages are one frame each"
                    return frame.payload.decode()
                case 0x9:
                    self.send(PONG, frame.payload)
                case 0x8:
                    raise ClosedByRelayError(frame.payload)
                case _:
                    raise AssertionError(f"the relay sent a frame of kind {frame.opcode:#x}")

    def close_code(self) -> int | None:
        """Read up to the close frame and the end of the connection, and return the close code."""
        try:
            while True:
                self.receive_text()
        except ClosedByRelayError as closed:
            code = closed.code
        with contextlib.suppress(ConnectionError):  # after a violation it may disconnect at once
            self.send(CLOSE, struct.pack("!H", code) if code else b"")
        assert self.line.read_to_end() == b"", "bytes arrived after the close frame"
        self.close()
        return code

    def close(self, *, abruptly: bool = False) -> None:
        """Disconnect without a closing handshake."""
        self.line.close(abruptly=abruptly)
