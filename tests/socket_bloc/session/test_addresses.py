"""Several addresses: which one the next attempt goes to, and when all of them have refused."""

from __future__ import annotations

import pytest

from socket_bloc.session.disconnect import (
    Closed,
    Disconnect,
    HttpRefused,
    InvalidCertificate,
    NoToken,
    NotTls,
    Unreachable,
)
from socket_bloc.session.effects import Open, Reconnecting
from socket_bloc.session.state import Refused
from tests.socket_bloc.driver import CUT, Driver, status, welcome
from tests.socket_bloc.simulation import placed

A, B, C = "ws://a/order", "ws://b/order", "ws://c/order"
DOWN = Unreachable("connection refused")
UNAUTHORISED = HttpRefused(401, "expired")
NOT_FOUND = HttpRefused(404, "not found")


def connecting_to(*uris: str) -> Driver:
    driver = Driver(uris=uris)
    driver.connect()
    driver.opened()
    return driver


def welcomed_by(*uris: str) -> Driver:
    driver = connecting_to(*uris)
    driver.receive(welcome())
    return driver


def next_uri(driver: Driver) -> str:
    """Connect at once, and return the address of that attempt."""
    driver.connect()
    return opened_uri(driver)


def opened_uri(driver: Driver) -> str:
    (opened,) = [effect for effect in driver.effects if isinstance(effect, Open)]
    return opened.uri


def uris_after(driver: Driver, *disconnects: Disconnect) -> list[str]:
    """Fail one attempt after the other; return the address of each that follows."""
    uris: list[str] = []
    for disconnect in disconnects:
        driver.lose(disconnect)
        uris.append(next_uri(driver))
    return uris


# A failed attempt


def test_each_failed_attempt_is_followed_by_one_to_the_next_address() -> None:
    driver = Driver(uris=[A, B, C])
    assert next_uri(driver) == A
    disconnects = [DOWN, HttpRefused(503), CUT, Closed(1001), HttpRefused(429)]
    assert uris_after(driver, *disconnects) == [B, C, A, B, C]


def test_the_back_off_grows_over_all_addresses() -> None:
    driver = connecting_to(A, B)
    for delay in ("0.5", "1", "2"):
        assert driver.lose(DOWN) == [f"reconnecting in {delay}"]
        driver.connect()


def test_the_reason_names_the_address_that_failed() -> None:
    driver = connecting_to(A, B)
    driver.lose(DOWN)
    assert driver.effects == [Reconnecting(1, 0.5, f"{A}: connection refused")]


def test_a_relay_that_is_silent_before_its_welcome_is_left_for_the_next_address() -> None:
    driver = connecting_to(A, B)
    assert driver.wait(10) == ["close", "reconnecting in 0.5"]
    assert driver.effects[1] == Reconnecting(1, 0.5, f"{A}: the relay is silent")
    assert next_uri(driver) == B


def test_a_relay_that_violates_the_protocol_is_left_for_the_next_address() -> None:
    driver = connecting_to(A, B)
    driver.receive(welcome(user_id="c-18"))
    assert next_uri(driver) == B


# A connection that was welcomed


@pytest.mark.parametrize("code", [1001, 1012, 1005, 1011, 1008, 4000, 4001])
def test_a_relay_that_closes_with_a_close_frame_is_tried_again_first(code: int) -> None:
    assert uris_after(welcomed_by(A, B), Closed(code), DOWN) == [A, B]


def test_a_connection_that_is_lost_without_a_close_frame_leads_to_the_next_address() -> None:
    assert uris_after(welcomed_by(A, B), CUT) == [B]


def test_a_relay_that_does_not_answer_is_left_for_the_next_address() -> None:
    driver = welcomed_by(A, B)
    driver.send(placed("o-1", "m-1"))
    assert driver.wait(20)[-2:] == ["close", "reconnecting in 0.5"]
    assert next_uri(driver) == B


def test_a_gap_is_requested_from_the_same_relay() -> None:
    driver = welcomed_by(A, B)
    driver.receive(status(2))
    assert next_uri(driver) == A


def test_a_connection_stays_at_the_address_that_worked() -> None:
    driver = connecting_to(A, B, C)
    driver.lose(DOWN)
    driver.reconnect(welcome())
    driver.lose(Closed(1012))
    assert next_uri(driver) == B


@pytest.mark.parametrize("lost", [Closed(1000), Closed(4500), HttpRefused(403)])
def test_a_connect_after_the_end_begins_with_the_first_address(lost: Disconnect) -> None:
    driver = connecting_to(A, B)
    driver.lose(HttpRefused(503, retry_after=100))
    driver.reconnect(welcome())
    driver.lose(lost)
    assert next_uri(driver) == A


# Refusals


@pytest.mark.parametrize(
    "disconnect", [HttpRefused(400, "no"), HttpRefused(403, "not you"), Closed(4500, "no such user")]
)
def test_a_refusal_of_the_user_by_one_counts_for_all(disconnect: Disconnect) -> None:
    driver = connecting_to(A, B)
    assert driver.lose(disconnect) == ["refused"]
    assert driver.session.state == Refused(f"{A}: {disconnect}")


def test_a_401_gets_another_token_at_the_same_address_and_then_counts_for_all() -> None:
    driver = connecting_to(A, B)
    assert uris_after(driver, UNAUTHORISED) == [A]
    assert driver.lose(UNAUTHORISED) == ["refused"]


def test_without_a_token_the_address_is_not_to_blame() -> None:
    driver = connecting_to(A, B)
    assert uris_after(driver, NoToken("LookupError")) == [A]
    driver.lose(NoToken("LookupError"))
    assert driver.effects == [Reconnecting(2, 1.0, "could not get the token: LookupError")]


@pytest.mark.parametrize(
    "disconnect",
    [
        NOT_FOUND,
        HttpRefused(302),
        HttpRefused(405),
        HttpRefused(426),
        InvalidCertificate("expired"),
        NotTls(),
    ],
)
def test_an_address_that_is_wrong_is_passed_over_until_all_of_them_are(disconnect: Disconnect) -> None:
    driver = connecting_to(A, B, C)
    assert uris_after(driver, disconnect, DOWN, disconnect, disconnect) == [B, C, A, B]
    assert driver.lose(disconnect) == ["refused"]
    assert driver.session.state == Refused(f"{B}: {disconnect}")


def test_an_address_that_was_wrong_and_is_down_may_be_right_again() -> None:
    driver = connecting_to(A, B)
    assert uris_after(driver, NOT_FOUND, DOWN, DOWN, NOT_FOUND) == [B, A, B, A]
    assert driver.lose(NOT_FOUND) == ["refused"]


def test_a_welcome_ends_the_row_of_addresses_that_are_wrong() -> None:
    driver = connecting_to(A, B)
    driver.lose(NOT_FOUND)
    driver.reconnect(welcome())
    assert uris_after(driver, Closed(1012)) == [B]
    assert driver.lose(NOT_FOUND)[0].startswith("reconnecting")


def test_a_connect_after_a_refusal_gives_each_address_another_chance() -> None:
    driver = connecting_to(A, B)
    assert uris_after(driver, DOWN, NOT_FOUND) == [B, A]
    assert driver.lose(HttpRefused(403)) == ["refused"]
    driver.connect()
    assert driver.lose(NOT_FOUND)[0].startswith("reconnecting")


# Retry-After


def test_a_retry_after_holds_back_its_own_address_alone() -> None:
    driver = connecting_to(A, B)
    assert driver.lose(HttpRefused(503, "full", retry_after=7.0)) == ["reconnecting in 0.5"]
    assert driver.wait(0.5) == ["open"]
    assert driver.lose(DOWN) == ["reconnecting in 1"]
    assert next_uri(driver) == B


def test_if_all_addresses_are_held_back_the_first_to_be_free_is_awaited() -> None:
    driver = connecting_to(A, B, C)
    for seconds in (9.0, 5.0):
        driver.lose(HttpRefused(503, "full", retry_after=seconds))
        driver.connect()
    assert driver.lose(HttpRefused(503, "full", retry_after=7.0)) == ["reconnecting in 7"]
    assert driver.wait(7) == ["open"]
    assert opened_uri(driver) == B


def test_an_address_is_tried_again_once_its_retry_after_is_over() -> None:
    driver = connecting_to(A, B)
    driver.lose(HttpRefused(503, "full", retry_after=7.0))
    driver.wait(0.5)
    driver.wait(7)
    assert driver.lose(DOWN) == ["reconnecting in 1"]
    assert next_uri(driver) == A


def test_an_address_that_is_tried_before_its_retry_after_is_over_is_held_back_no_longer() -> None:
    driver = connecting_to(A)
    assert driver.lose(HttpRefused(503, "full", retry_after=7.0)) == ["reconnecting in 7.5"]
    driver.connect()
    assert driver.lose(DOWN) == ["reconnecting in 1"]


def test_a_connect_after_a_refusal_forgets_each_retry_after() -> None:
    driver = connecting_to(A, B)
    assert uris_after(driver, DOWN, HttpRefused(503, "full", retry_after=100.0)) == [B, A]
    assert driver.lose(HttpRefused(403)) == ["refused"]
    driver.connect()
    assert uris_after(driver, DOWN) == [B]
