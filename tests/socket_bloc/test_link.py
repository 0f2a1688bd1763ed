"""The URI of a relay, the token, and what each exception of a connection means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidMessage, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from socket_bloc.link import Token, ask_token, check_uri, classify
from socket_bloc.session.disconnect import Closed, Disconnect, HttpRefused, Unreachable

# The URI


@pytest.mark.parametrize(
    "uri",
    ["ws://127.0.0.1:8765/order", "wss://relay.example/order", "ws://[::1]:8765", "WSS://relay.example"],
)
def test_a_valid_uri_is_returned(uri: str) -> None:
    assert check_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "relay.example/order",
        "http://relay.example/order",
        "ws:///order",
        "ws://relay.example/order#top",
        "ws://relay.example/order?userId=c-18",
        "ws://relay.example/order?",
        "ws://user:password@relay.example/order",
        "ws://user@relay.example/order",
        "ws://relay.example:port/order",
        "ws://relay.example:99999/order",
        "ws://[::1/order",
        "ws://relay.example/my order",
    ],
)
def test_an_invalid_uri_is_an_error_that_names_it(uri: str) -> None:
    with pytest.raises(ValueError, match=r"^uri: "):
        check_uri(uri)


def test_the_error_of_an_invalid_uri_does_not_quote_its_password() -> None:
    with pytest.raises(ValueError, match="uri") as caught:
        check_uri("https://user:password@relay.example/order")
    assert "password" not in str(caught.value)


# The token


async def fetch_token() -> str:
    return "abc.def"


@pytest.mark.parametrize(
    "token", ["abc.def", lambda: "abc.def", fetch_token], ids=["string", "function", "async"]
)
async def test_a_token_is_a_string_or_comes_from_a_function(token: Token) -> None:
    assert await ask_token(token) == "abc.def"


async def test_the_token_is_optional() -> None:
    assert await ask_token(None) is None


async def test_a_token_function_is_called_each_time() -> None:
    tokens = iter(["first", "second"])
    assert [await ask_token(lambda: next(tokens)) for _ in range(2)] == ["first", "second"]


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: b", "a\n", "a\0", "caf\xe9", "\u2028", " a"])
async def test_a_token_that_would_break_a_header_is_an_error_that_does_not_quote_it(token: str) -> None:
    for source in (token, lambda: token):
        with pytest.raises(ValueError, match=r"^token: it must be printable ASCII text without spaces$"):
            await ask_token(source)


@pytest.mark.parametrize("token", [b"abc", 5])
async def test_a_token_must_be_a_string(token: object) -> None:
    with pytest.raises(ValueError, match=r"^token: "):
        await ask_token(lambda: token)  # type: ignore[arg-type, return-value]


async def test_an_exception_of_the_token_function_is_raised() -> None:
    async def fails() -> str:
        raise LookupError("no keys")

    with pytest.raises(LookupError, match="no keys"):
        await ask_token(fails)


# What an exception means


def refusal(status: int, body: bytes = b"", phrase: str = "", **headers: str) -> InvalidStatus:
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return InvalidStatus(Response(status, phrase, fields, body))


@pytest.mark.parametrize(
    ("error", "disconnect"),
    [
        (ConnectionClosedOK(Close(1000, ""), Close(1000, ""), True), Closed(1000)),
        (ConnectionClosedError(Close(4500, "no such user"), None), Closed(4500, "no such user")),
        (ConnectionClosedError(Close(4001, "a\x1b[31m\r\nb"), None), Closed(4001, "a [31m  b")),
        (ConnectionClosedError(None, None), Closed(1006, "no close frame received")),
        (ConnectionClosedError(None, Close(1011, "ping timeout")), Closed(1006, "no close frame received")),
        (refusal(403, b"not you\nnor your friends\n", "Forbidden"), HttpRefused(403, "not you")),
        (refusal(403, b"", "Forbidden"), HttpRefused(403, "Forbidden")),
        (refusal(400, b"\xff\x07" + b"x" * 500, "Bad"), HttpRefused(400, "\ufffd " + "x" * 198)),
        (refusal(503, b"full", Retry_After="7"), HttpRefused(503, "full", 7.0)),
        (TimeoutError("timed out during opening handshake"), Unreachable("no answer within 10 s")),
        (ConnectionRefusedError(111, "Connect call failed"), Unreachable("[Errno 111] Connect call failed")),
        (InvalidMessage("did not receive a valid HTTP response"),
         Unreachable("did not receive a valid HTTP response")),
        (EOFError(), Unreachable("EOFError")),
        (OSError("a\r\nb"), Unreachable("a  b")),
    ],
)  # fmt: skip
def test_each_exception_is_classified(error: Exception, disconnect: Disconnect) -> None:
    assert classify(error) == disconnect


def retry_after(value: str) -> float:
    disconnect = classify(refusal(503, b"full", Retry_After=value))
    assert isinstance(disconnect, HttpRefused)
    return disconnect.retry_after


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0), ("120", 120), ("", 0), ("soon", 0), ("-5", 0), ("1.5", 0)]
)
def test_retry_after_is_in_seconds(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    assert 3590 < retry_after(format_datetime(soon, usegmt=True)) <= 3600
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert retry_after("Sun, 06 Nov 2094 08:49:37 -0000") == 0  # without a time zone


@pytest.mark.parametrize(
    "value", ["9" * 20, "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["20 nines", "400 nines", "date"]
)
def test_a_retry_after_beyond_what_datetime_can_hold_is_capped(value: str) -> None:
    assert datetime.now(UTC) + timedelta(seconds=retry_after(value) + 30) > datetime.now(UTC)
