"""Disconnects: how often each kind is retried, and how long the session waits before that."""

from __future__ import annotations

import pytest

from socket_bloc.session.disconnect import (
    Closed,
    Disconnect,
    HttpRefused,
    InvalidCertificate,
    NotTls,
    RetryPolicy,
    Unreachable,
    retry_policy,
)
from socket_bloc.session.effects import Reconnecting
from socket_bloc.session.state import BackingOff, Live, Offline, Refused
from socket_bloc.states import SocketRefusedState
from tests.socket_bloc.driver import (
    Build,
    Driver,
    backing_off,
    connecting,
    linked,
    live,
    own,
    rejected,
    status,
    welcome,
)
from tests.socket_bloc.simulation import cancelled, placed

NEVER, ONCE, TWICE, ALWAYS = RetryPolicy

UNAUTHORISED = HttpRefused(401, "expired")


# The tables of the protocol


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([1001, 1012], ALWAYS),
        ([1002, 1003, 1007, 1008, 1009], TWICE),
        ([1005, 1006, 1011, 1013, 3000, 3999], ALWAYS),
        ([4000, 4001, 4002, 4499], ALWAYS),
        ([4500, 4501, 4999], NEVER),
    ],
)
def test_a_close_code_is_retried_as_the_protocol_says(codes: list[int], expected: RetryPolicy) -> None:
    assert {code: retry_policy(Closed(code, "why")) for code in codes} == dict.fromkeys(codes, expected)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([300, 301, 302, 303, 307, 308, 399], NEVER),
        ([400, 402, 403, 404, 405, 426, 499], NEVER),
        ([401], ONCE),
        ([408, 429], ALWAYS),
        ([500, 502, 503, 504, 599], ALWAYS),
        ([200, 299], ALWAYS),
    ],
)
def test_an_http_status_is_retried_as_the_protocol_says(statuses: list[int], expected: RetryPolicy) -> None:
    assert {code: retry_policy(HttpRefused(code)) for code in statuses} == dict.fromkeys(statuses, expected)


def test_an_unreachable_relay_is_retried_and_one_without_the_right_tls_is_not() -> None:
    assert retry_policy(Unreachable("connection refused")) is ALWAYS
    assert retry_policy(InvalidCertificate("self-signed")) is NEVER
    assert retry_policy(NotTls()) is NEVER


@pytest.mark.parametrize(
    ("disconnect", "text"),
    [
        (Closed(1006), "closed with 1006"),
        (Closed(4500, "no such user"), "closed with 4500: no such user"),
        (HttpRefused(503), "refused with HTTP 503"),
        (HttpRefused(403, "not you", 9.0), "refused with HTTP 403: not you"),
        (Unreachable("connection refused"), "connection refused"),
        (InvalidCertificate("certificate has expired"), "invalid certificate: certificate has expired"),
        (
            NotTls(),
            "the relay does not speak TLS at this address; give it a certificate, or use a ws:// URI",
        ),
    ],
)
def test_a_disconnect_is_described(disconnect: Disconnect, text: str) -> None:
    assert str(disconnect) == text


# The rows of the session's table


@linked
def test_linked_lost_retry_allowed(build: Build) -> None:
    driver = build()
    assert driver.lose() == ["reconnecting in 0.5"]
    assert driver.effects == [Reconnecting(1, 0.5, "closed with 1006: no close frame received")]
    assert driver.session.state == BackingOff(driver.now + 0.5)


def test_linked_lost_announces_that_what_was_in_flight_is_queued_again() -> None:
    driver = live(placed("o-1", "m-1"), placed("o-2", "m-2"), cancelled("o-2", "m-3"))
    assert driver.lose() == ["queued m-1", "queued m-2", "reconnecting in 0.5"]
    assert driver.reconnect(welcome()) == ["connected", "transmit m-1", "transmit m-2"]


@linked
def test_linked_lost_retry_not_allowed(build: Build) -> None:
    driver = build()
    assert driver.lose(Closed(4500, "no such user")) == ["refused"]
    assert driver.session.state == Refused("closed with 4500: no such user")


@linked
def test_linked_closed_by_the_relay_with_1000(build: Build) -> None:
    driver = build()
    assert driver.lose(Closed(1000)) == ["disconnected"]
    assert driver.state is Offline


def test_live_30_s_have_passed() -> None:
    driver = backing_off()
    driver.reconnect(welcome())
    assert driver.wait(30) == []
    assert driver.state is Live
    assert driver.lose() == ["reconnecting in 0.5"]


# How long the session waits


def lose_again(driver: Driver) -> list[str]:
    """Connect, up to the welcome, and lose the connection."""
    driver.reconnect(welcome())
    return driver.lose()


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_the_back_off_doubles_up_to_30_s_however_often_the_handshake_succeeds(jitter: float) -> None:
    driver = Driver(jitter=jitter)
    waits = [lose_again(driver) for _ in range(8)]
    delays = (0.5, 1, 2, 4, 8, 16, 30, 30)
    assert waits == [[f"reconnecting in {jitter * delay:g}"] for delay in delays]


def test_each_try_has_its_number_and_the_reason_of_the_disconnect() -> None:
    driver = connecting()
    for tries, delay in ((1, 0.5), (2, 1.0), (3, 2.0)):
        driver.lose(Unreachable("connection refused"))
        assert driver.effects == [Reconnecting(tries, delay, "connection refused")]
        driver.connect()


def test_a_commit_resets_the_back_off() -> None:
    driver = live(placed("o-1", "m-1"))
    driver.lose()
    driver.lose()
    driver.reconnect(welcome())
    driver.receive(own(1, "m-1"))
    assert driver.lose() == ["reconnecting in 0.5"]


@pytest.mark.parametrize(
    "text", [status(1), own(1, "m-9"), rejected("m-1"), rejected("m-1", "unavailable"), '{"type":"rumour"}']
)
def test_no_other_frame_resets_the_back_off(text: str) -> None:
    driver = live(placed("o-1", "m-1"))
    driver.lose()
    driver.reconnect(welcome())
    driver.receive(text)
    assert driver.lose()[-1] == "reconnecting in 1"


def test_less_than_30_s_do_not_reset_the_back_off() -> None:
    driver = backing_off()
    driver.reconnect(welcome())
    driver.wait(29.9)
    assert driver.lose() == ["reconnecting in 1"]


def test_30_s_of_a_replay_do_not_reset_the_back_off() -> None:
    driver = backing_off()
    driver.reconnect(welcome(0, 99))
    for seq in range(1, 7):
        driver.wait(8)
        driver.receive(status(seq))
    assert driver.lose() == ["reconnecting in 1"]


def test_a_connection_that_the_session_closes_counts_for_the_back_off_too() -> None:
    driver = connecting()
    assert driver.wait(10)[-1] == "reconnecting in 0.5"
    driver.connect()
    driver.opened()
    assert driver.wait(10)[-1] == "reconnecting in 1"


def test_the_next_try_is_not_before_the_retry_after_of_the_relay() -> None:
    driver = connecting()
    assert driver.lose(HttpRefused(503, "full", retry_after=7.0)) == ["reconnecting in 7.5"]
    assert driver.wait(7.4) == []
    assert driver.wait(0.1) == ["open"]
    assert driver.lose(HttpRefused(503, "full")) == ["reconnecting in 1"]


# How often the session retries


def lose_in_turn(driver: Driver, *disconnects: Disconnect) -> list[str]:
    """Lose one connection after the other, each after a welcome; return the last effect of each."""
    last: list[str] = []
    for disconnect in disconnects:
        driver.reconnect(welcome(driver.session.cursor.seq or 0))
        last.append(driver.lose(disconnect)[-1].split()[0])
    return last


def test_a_401_is_retried_once() -> None:
    driver = connecting()
    assert driver.lose(UNAUTHORISED) == ["reconnecting in 0.5"]
    driver.connect()
    assert driver.lose(UNAUTHORISED) == ["refused"]
    assert driver.session.state == Refused("refused with HTTP 401: expired")


def test_a_401_is_retried_again_after_another_kind_of_disconnect() -> None:
    driver = connecting()
    for disconnect in (
        UNAUTHORISED,
        Unreachable("connection refused"),
        UNAUTHORISED,
        HttpRefused(503),
        UNAUTHORISED,
    ):
        assert driver.lose(disconnect)[0].startswith("reconnecting")
        driver.connect()


def test_a_401_is_retried_again_after_a_connection_that_the_session_has_closed() -> None:
    driver = connecting()
    driver.lose(UNAUTHORISED)
    driver.reconnect(welcome())
    driver.wait(3600)
    driver.send(placed("o-1", "m-1"))
    assert driver.wait(20)[1] == "close"
    driver.connect()
    assert driver.lose(UNAUTHORISED)[0].startswith("reconnecting")


@pytest.mark.parametrize("codes", [(1002, 1002, 1002), (1003, 1007, 1009), (1008, 1008, 1002)])
def test_the_third_violation_in_a_row_is_not_retried(codes: tuple[int, ...]) -> None:
    driver = Driver()
    assert lose_in_turn(driver, *map(Closed, codes)) == ["reconnecting", "reconnecting", "refused"]
    assert driver.session.state == Refused(f"closed with {codes[-1]}")


def test_violations_are_counted_from_zero_after_a_commit() -> None:
    driver = Driver(placed("o-1", "m-1"))
    lose_in_turn(driver, Closed(1008), Closed(1008))
    driver.reconnect(welcome())
    driver.receive(own(1, "m-1"))
    assert driver.lose(Closed(1008)) == ["reconnecting in 0.5"]
    assert lose_in_turn(driver, Closed(1008), Closed(1008)) == ["reconnecting", "refused"]


def test_violations_are_counted_from_zero_after_another_kind_of_disconnect() -> None:
    disconnects = [Closed(1008), Closed(1008), Closed(1006), Closed(1008), Closed(1008)]
    assert lose_in_turn(Driver(), *disconnects) == ["reconnecting"] * 5


@pytest.mark.parametrize(
    "disconnect",
    [
        HttpRefused(302),
        HttpRefused(400),
        HttpRefused(404),
        InvalidCertificate("certificate has expired"),
        NotTls(),
        Closed(4999),
    ],
)
def test_what_would_happen_again_is_not_retried(disconnect: Disconnect) -> None:
    driver = connecting()
    assert driver.lose(disconnect) == ["refused"]
    assert driver.session.state == Refused(str(disconnect))
    (effect,) = driver.effects
    assert isinstance(effect, SocketRefusedState)
    assert effect.reason == str(disconnect)


def test_after_a_close_with_1000_only_a_connect_opens_a_new_connection() -> None:
    driver = live()
    driver.lose(Closed(1000))
    assert driver.wait(3600) == []
    assert driver.connect() == ["open from 0 of e1"]


def test_after_a_refusal_a_connect_starts_with_all_counters_at_zero() -> None:
    driver = connecting()
    driver.lose(Unreachable("connection refused"))
    driver.connect()
    driver.lose(UNAUTHORISED)
    driver.connect()
    assert driver.lose(UNAUTHORISED) == ["refused"]
    assert driver.wait(3600) == []
    assert driver.connect() == ["open"]
    assert driver.lose(UNAUTHORISED) == ["reconnecting in 0.5"]
