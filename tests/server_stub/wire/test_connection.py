from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from server_stub.wire.connection import (
    CLOSE_TIMEOUT,
    HANDSHAKE_TIMEOUT,
    MAX_WRITE_BUFFER,
    PING_INTERVAL,
    PONG_TIMEOUT,
    STALL_TIMEOUT,
    Connection,
)
from server_stub.wire.deadlines import SLOT, TimerWheel
from server_stub.wire.http import plain_response, unavailable
from server_stub.wire.protocol import MAX_REQUEST
from server_stub.wire.work import WorkQueue
from tests.server_stub.support import Clock, FakeTransport, ManualLoop, client_frame, handshake_request

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Side:
    """Owner and handler of one connection, the transport under it, and the client at its other end."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.timers = TimerWheel(self.clock)
        self.loop = ManualLoop()
        self.work = WorkQueue(cast(Any, self.loop), self.clock)
        self.others = 0
        self.requests: list[Request] = []
        self.events: list[Any] = []
        self.answers_at_once = True
        self.connection = Connection(self)
        self.transport = FakeTransport()
        self.client = ClientProtocol(parse_uri("ws://relay/order"), state=OPEN)
        self.connection.connection_made(self.transport)

    # The owner.

    def connected(self, connection: Connection) -> None:
        self.events.append("connected")

    def requested(self, connection: Connection, request: Request) -> None:
        self.requests.append(request)
        if self.answers_at_once:
            connection.accept(connection.handshake(request), self)

    def disconnected(self, connection: Connection) -> None:
        self.events.append("disconnected")

    # The handler.

    def opened(self) -> None:
        self.events.append("opened")
        self.connection.send(b"welcome")

    def received(self, text: str) -> None:
        self.events.append(text)

    def received_other(self) -> None:
        self.others += 1

    def drained(self) -> None:
        self.events.append("drained")

    def lost(self, close_code: int) -> None:
        self.events.append(close_code)

    # The test.

    def receive(self, *frames: bytes) -> None:
        self.connection.data_received(b"".join(frames))
        self.loop.run()

    def open(self, behind: bytes = b"") -> Side:
        self.connection.data_received(handshake_request() + behind)
        answer, _, frames = self.transport.take().partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 ")
        self.transport.written += frames
        assert self.written() == [(Opcode.TEXT, b"welcome")]
        return self

    def written(self) -> list[tuple[Opcode, bytes]]:
        """The frames that were written since the last time."""
        self.client.receive_data(self.transport.take())
        frames = self.client.events_received()
        assert all(isinstance(frame, Frame) for frame in frames)
        return [(frame.opcode, bytes(frame.data)) for frame in frames if isinstance(frame, Frame)]

    def close_code(self) -> int:
        """The close code that was written, in the last frame."""
        opcode, data = self.written()[-1]
        assert opcode is Opcode.CLOSE
        return int.from_bytes(data[:2], "big")

    def wait(self, seconds: float) -> None:
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            self.clock.seconds = min(self.clock.seconds + SLOT, until)
            self.timers.advance()

    def wait_for_ping(self) -> None:
        while not (frames := self.written()):
            self.wait(SLOT)
        assert frames == [(Opcode.PING, b"")]

    def fill(self, size: int = 200_000) -> None:
        """Fill the write buffer so far that the transport pauses."""
        self.transport.waiting = size
        self.connection.pause_writing()

    def drain(self) -> None:
        self.transport.waiting = 0
        self.connection.resume_writing()
        self.loop.run()


class Filling(Side):
    """Each text fills the write buffer."""

    def received(self, text: str) -> None:
        super().received(text)
        self.fill()


@pytest.fixture
def side(caplog: pytest.LogCaptureFixture) -> Iterator[Side]:
    yield Side()
    assert caplog.text == ""  # an exception of a deadline is only logged


# The request.


def test_an_accepted_request_opens_the_connection(side: Side) -> None:
    side.open()
    assert side.requests[0].path == "/order?userId=c-1&type=client"
    assert side.events == ["connected", "opened"]
    assert side.connection.is_writable


def test_frames_that_arrive_with_the_request_are_handled_after_the_response(side: Side) -> None:
    side.open(client_frame(TEXT, b"early"))
    assert side.events == ["connected", "opened", "early"]


def test_a_plain_http_response_ends_the_connection(side: Side) -> None:
    side.answers_at_once = False
    side.connection.data_received(handshake_request())
    side.connection.respond(unavailable("soon").response)
    assert side.transport.take().startswith(b"HTTP/1.1 503 ")
    assert side.transport.has_written_eof
    side.wait(CLOSE_TIMEOUT + SLOT)
    assert side.transport.is_aborted


def test_nothing_is_read_until_the_request_is_answered(side: Side) -> None:
    side.answers_at_once = False
    side.connection.data_received(handshake_request())
    assert not side.transport.is_reading_now
    side.connection.respond(plain_response(unavailable("").status, "later"))
    assert side.transport.is_reading_now


def test_a_response_that_comes_too_late_is_dropped(side: Side) -> None:
    side.answers_at_once = False
    side.connection.data_received(handshake_request())
    side.connection.connection_lost(None)
    side.connection.respond(unavailable("soon").response)
    side.connection.accept(side.connection.handshake(side.requests[0]), side)
    assert side.transport.take() == b""
    assert side.events == ["connected", "disconnected"]


def test_what_is_received_after_a_plain_http_response_is_ignored(side: Side) -> None:
    side.answers_at_once = False
    side.connection.data_received(handshake_request())
    side.connection.respond(unavailable("soon").response)
    side.transport.take()
    side.receive(client_frame(TEXT, b"hello"), client_frame(PING, b""))
    side.connection.eof_received()
    side.connection.connection_lost(None)
    assert side.transport.take() == b""
    assert side.events == ["connected", "disconnected"]


def test_a_malformed_request_is_answered(side: Side) -> None:
    side.connection.data_received(b"hello\r\n")
    assert side.transport.take().startswith(b"HTTP/1.1 400 ")
    assert side.transport.has_written_eof
    side.connection.data_received(b"more\r\n\r\n")
    side.wait(CLOSE_TIMEOUT + SLOT)
    assert side.transport.is_aborted


def test_a_request_that_is_too_large_is_answered(side: Side) -> None:
    line = b"X: " + b"y" * 4091 + b"\r\n"
    side.connection.data_received(b"GET /order HTTP/1.1\r\n" + line * (MAX_REQUEST // len(line)))
    assert side.transport.take().startswith(b"HTTP/1.1 431 ")
    assert side.transport.has_written_eof
    assert side.events == ["connected"]


def test_a_request_that_is_too_large_is_answered_even_if_it_arrives_at_once(side: Side) -> None:
    lines = 10 * (b"X: " + b"y" * 4091 + b"\r\n")
    side.connection.data_received(handshake_request().removesuffix(b"\r\n") + lines + b"\r\n")
    assert side.transport.take().startswith(b"HTTP/1.1 431 ")
    assert side.events == ["connected"]


def test_a_request_must_be_complete_in_time_even_if_it_trickles(side: Side) -> None:
    for byte in handshake_request()[:30]:
        side.connection.data_received(bytes([byte]))
        side.wait(HANDSHAKE_TIMEOUT / 30)
    side.wait(SLOT)
    assert side.transport.is_aborted


# Messages.


def test_messages_reach_the_handler_in_order_fragmented_or_not(side: Side) -> None:
    side.open()
    side.receive(client_frame(TEXT, b"a"), client_frame(TEXT, b"b", fin=False))
    side.receive(client_frame(PING, b"x"), client_frame(0x0, b"c"), client_frame(TEXT, b"d"))
    assert side.events[2:] == ["a", "bc", "d"]
    assert side.written() == [(Opcode.PONG, b"x")]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (client_frame(BINARY, b"{}"), 1003),
        (client_frame(TEXT, b"\xff"), 1007),
        pytest.param(client_frame(TEXT, b"x" * 65_537), 1009, id="too large"),
        pytest.param(
            client_frame(TEXT, b"", fin=False) + client_frame(0x0, b"", fin=False) * 64,
            1009,
            id="fragments",
        ),
        (client_frame(0x0, b"x"), 1002),
        (client_frame(0x3, b"x"), 1002),
        (b"\x81\x01x", 1002),
    ],
)
def test_a_violation_closes_the_connection_and_what_follows_is_ignored(
    side: Side, frame: bytes, code: int
) -> None:
    side.open()
    side.receive(frame)
    side.receive(client_frame(TEXT, b"ignored"))
    assert side.close_code() == code
    assert side.transport.has_written_eof
    assert not side.connection.is_writable
    side.wait(CLOSE_TIMEOUT + SLOT)
    assert side.transport.is_aborted
    side.connection.connection_lost(None)
    assert side.events[2:] == [code, "disconnected"]


def test_what_follows_a_violation_in_the_same_packet_is_also_ignored(side: Side) -> None:
    side.open()
    side.receive(client_frame(TEXT, b"a"), client_frame(BINARY, b"{}"), client_frame(TEXT, b"ignored"))
    assert side.events[2:] == ["a"]
    assert side.close_code() == 1003


def test_frames_before_the_close_frame_of_the_client_are_handled(side: Side) -> None:
    side.open()
    side.receive(client_frame(TEXT, b"last"), client_frame(CLOSE, struct.pack("!H", 1000)))
    assert side.events[2:] == ["last"]
    assert side.close_code() == 1000
    assert side.transport.has_written_eof
    side.connection.eof_received()
    side.connection.connection_lost(None)
    assert side.events[3:] == [1000, "disconnected"]


def test_what_is_sent_to_a_closed_connection_is_dropped(side: Side) -> None:
    side.open()
    side.connection.fail(1008, "enough")
    side.transport.take()
    side.connection.send(b"too late")
    side.connection.close(1000, "again")
    side.connection.fail(1011, "again")
    assert side.transport.take() == b""


def test_closing_waits_for_the_client_and_then_aborts(side: Side) -> None:
    side.open()
    side.connection.close(1001, "the relay shuts down")
    assert side.close_code() == 1001
    assert not side.transport.has_written_eof
    for _ in range(4):  # a client that continues as if nothing had happened
        side.wait(CLOSE_TIMEOUT / 5)
        side.receive(client_frame(PING, b"x"), client_frame(TEXT, b"ignored"))
    assert not side.transport.is_aborted
    side.wait(CLOSE_TIMEOUT / 5 + SLOT)
    assert side.transport.is_aborted
    side.connection.connection_lost(None)
    assert side.events[2:] == [1001, "disconnected"]


def test_a_connection_that_ends_without_a_close_frame_has_code_1006(side: Side) -> None:
    side.open()
    side.connection.eof_received()
    side.connection.connection_lost(ConnectionResetError())
    assert side.events[2:] == [1006, "disconnected"]


@pytest.mark.parametrize("waiting", [0, 200_000])
def test_a_client_that_leaves_without_a_close_frame_is_dropped_in_time_whatever_is_buffered(
    side: Side, waiting: int
) -> None:
    side.open()
    if waiting:
        side.fill(waiting)
    side.connection.eof_received()
    assert not side.connection.is_writable
    side.wait(CLOSE_TIMEOUT + SLOT)
    assert side.transport.is_aborted
    side.wait(PING_INTERVAL + PONG_TIMEOUT)
    assert side.transport.take() == b""


# Deadlines.


def test_a_connection_is_pinged_again_and_again_as_long_as_it_answers(side: Side) -> None:
    side.open()
    pings = 0
    for _ in range(10):
        side.wait(PING_INTERVAL + SLOT)
        for opcode, data in side.written():
            assert opcode is Opcode.PING
            side.receive(client_frame(PONG, data))
            pings += 1
    assert 9 <= pings <= 11
    assert not side.transport.is_aborted


def test_a_client_that_does_not_answer_a_ping_is_disconnected(side: Side) -> None:
    side.open()
    side.wait(PING_INTERVAL + SLOT)
    assert side.written() == [(Opcode.PING, b"")]
    side.receive(client_frame(TEXT, b"still talking"))
    side.wait(PONG_TIMEOUT + SLOT)
    assert side.close_code() == 1011
    side.wait(CLOSE_TIMEOUT + SLOT)
    assert side.transport.is_aborted


def test_a_client_that_does_not_read_is_not_read_from_and_received_frames_wait(side: Side) -> None:
    side.open()
    side.fill()
    assert not side.transport.is_reading_now
    assert not side.connection.is_writable
    side.receive(client_frame(TEXT, b"a"), client_frame(TEXT, b"b"))
    assert side.events[2:] == []
    side.drain()
    assert side.transport.is_reading_now
    assert side.events[2:] == ["drained", "a", "b"]


def test_a_pause_between_received_frames_keeps_the_rest_in_order() -> None:
    side = Filling()
    side.open()
    side.receive(*[client_frame(TEXT, letter) for letter in (b"a", b"b", b"c")])
    assert side.events[2:] == ["a"]
    side.drain()
    assert side.events[2:] == ["a", "b"]
    side.drain()
    assert side.events[2:] == ["a", "b", "c"]


def test_a_held_connection_is_not_read_until_it_is_released(side: Side) -> None:
    side.open()
    side.connection.hold()
    assert not side.transport.is_reading_now
    side.receive(client_frame(TEXT, b"a"), client_frame(TEXT, b"b"))  # the transport had read them already
    assert side.events[2:] == []
    side.connection.release()
    side.loop.run()
    assert side.transport.is_reading_now
    assert side.events[2:] == ["a", "b"]


def test_a_handler_that_holds_its_connection_gets_the_rest_of_a_packet_later() -> None:
    class Holding(Side):
        def received(self, text: str) -> None:
            super().received(text)
            self.connection.hold()

    side = Holding()
    side.open()
    side.receive(*[client_frame(TEXT, letter) for letter in (b"a", b"b")])
    assert side.events[2:] == ["a"]
    side.connection.release()
    side.loop.run()
    assert side.events[2:] == ["a", "b"]


def test_a_full_buffer_and_a_hold_each_stop_reading_until_both_are_over(side: Side) -> None:
    side.open()
    side.connection.hold()
    side.fill()
    side.connection.release()
    side.loop.run()
    assert not side.transport.is_reading_now
    side.drain()
    assert side.transport.is_reading_now


def test_a_connection_that_is_held_while_it_waits_for_its_share_stays_in_order(
    side: Side,
) -> None:
    letters = [bytes([letter]) for letter in range(ord("a"), ord("z") + 1)] * 4
    side.open()
    side.connection.data_received(b"".join(client_frame(TEXT, letter) for letter in letters))
    side.connection.hold()
    side.connection.release()
    side.loop.run()
    assert side.events[2:] == [letter.decode() for letter in letters]


def test_the_deadline_of_a_pong_that_was_held_back_starts_at_the_release(side: Side) -> None:
    side.open()
    side.wait_for_ping()
    side.connection.hold()
    side.wait(PONG_TIMEOUT - 2 * SLOT)
    side.connection.release()
    side.loop.run()
    side.wait(PONG_TIMEOUT - 2 * SLOT)
    side.receive(client_frame(PONG, b""))
    side.wait(PONG_TIMEOUT)
    assert side.written() == []


def test_the_reading_of_a_transport_that_closes_is_left_alone(side: Side) -> None:
    side.open()
    side.connection.abort()
    side.connection.hold()
    assert side.transport.is_reading_now


def test_one_large_packet_is_handled_in_shares_over_several_iterations(side: Side) -> None:
    side.open()
    side.connection.data_received(200 * client_frame(TEXT, b"a"))
    handled = [len(side.events)]
    assert not side.transport.is_reading_now
    while side.loop.iterate():
        handled.append(len(side.events))
    assert len(handled) > 3
    assert max(after - before for before, after in pairwise(handled)) <= 100
    assert side.events[2:] == 200 * ["a"]
    assert side.transport.is_reading_now


def test_what_waits_for_its_share_is_dropped_when_the_connection_ends(side: Side) -> None:
    side.open()
    side.connection.data_received(200 * client_frame(TEXT, b"a"))
    side.connection.connection_lost(None)
    handled = len(side.events)
    side.loop.run()
    assert len(side.events) == handled


def test_what_waits_for_its_share_is_dropped_when_the_client_ends_tls_behind_it(side: Side) -> None:
    side.open()
    side.connection.data_received(200 * client_frame(TEXT, b"a"))
    side.connection.eof_received()
    handled = len(side.events)
    side.loop.run()
    assert len(side.events) == handled
    assert side.transport.has_written_eof


def test_a_pong_that_is_handled_late_does_not_put_off_the_end_of_a_connection() -> None:
    side = Filling()
    side.open()
    side.wait_for_ping()
    side.receive(client_frame(TEXT, b"a"), client_frame(PONG, b""))
    side.connection.eof_received()
    side.drain()
    side.wait(CLOSE_TIMEOUT + SLOT)
    assert side.transport.is_aborted


def test_a_connection_whose_full_buffer_does_not_drain_is_closed(side: Side) -> None:
    side.open()
    side.fill()
    side.wait(STALL_TIMEOUT + SLOT)
    assert side.close_code() == 4000
    side.wait(CLOSE_TIMEOUT + SLOT)
    assert side.transport.is_aborted
    side.connection.connection_lost(None)
    assert 4000 in side.events


def test_a_connection_whose_full_buffer_drains_slowly_stays_open(side: Side) -> None:
    side.open()
    side.fill(200_000)
    for _ in range(20):
        side.transport.waiting -= 1
        side.wait(STALL_TIMEOUT)
    assert side.transport.take() == b""
    side.drain()
    assert side.connection.is_writable


def test_a_ping_queued_behind_slowly_read_data_gets_more_time(side: Side) -> None:
    side.open()
    side.transport.waiting = 100_000  # not so much that the transport would pause
    side.wait(PING_INTERVAL + SLOT)
    assert side.written() == [(Opcode.PING, b"")]
    for waiting in (50_000, 0):
        side.transport.waiting = waiting
        side.wait(PONG_TIMEOUT)
    assert side.connection.is_writable
    side.wait(PONG_TIMEOUT + 2 * SLOT)
    assert side.close_code() == 1011


def test_a_connection_whose_full_buffer_stops_draining_is_closed(side: Side) -> None:
    side.open()
    side.fill(200_000)
    side.transport.waiting -= 1000
    side.wait(STALL_TIMEOUT + SLOT)
    assert side.transport.take() == b""
    side.wait(STALL_TIMEOUT + SLOT)
    assert side.close_code() == 4000


def test_the_deadline_of_a_ping_behind_a_full_buffer_starts_when_that_has_drained(side: Side) -> None:
    side.open()
    side.wait(PING_INTERVAL + SLOT)
    assert side.written() == [(Opcode.PING, b"")]
    side.fill()
    for _ in range(5):
        side.transport.waiting -= 1
        side.wait(STALL_TIMEOUT - SLOT)
    side.drain()
    side.wait(PONG_TIMEOUT - SLOT)
    assert side.connection.is_writable
    side.receive(client_frame(PONG, b""))
    side.wait(SLOT)
    assert side.connection.is_writable


def test_a_connection_over_the_write_buffer_limit_is_closed_at_once(side: Side) -> None:
    side.open()
    side.fill(MAX_WRITE_BUFFER)
    side.connection.send(b"x")
    assert side.written() == [(Opcode.TEXT, b"x")]
    side.transport.waiting += 1
    side.connection.send(b"y")
    assert side.close_code() == 4000


def test_a_closed_connection_has_no_deadline(side: Side) -> None:
    side.open()
    side.connection.connection_lost(None)
    assert side.connection.slot is None
    side.wait(100)
    assert side.transport.take() == b""
