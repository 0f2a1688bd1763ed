"""The URIs of a relay, and what each exception of a connection means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
)
from websockets.frames import Close
from websockets.http11 import Response

from socket_bloc.link import check_uri, check_uris, classify
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


# Several URIs


def test_one_uri_or_several_are_returned_in_their_order() -> None:
    uris = ["wss://b.example/order", "ws://a.example/order", "wss://a.example/order"]
    assert check_uris(uris) == tuple(uris)
    assert check_uris("ws://a.example/order") == ("ws://a.example/order",)


@pytest.mark.parametrize(
    ("uris", "message"),
    [
        ([], "uri: the list is empty; it must have at least one address"),
        (
            ["ws://a/order", "http://b/order"],
            "uri: address 2 of 2 ('http://b/order'): it must be like ws://host:port/order or wss://host/order",
        ),
        (
            ["ws://a/order", "wss://b/order", "ws://A:80/order"],
            "uri: address 3 of 3 ('ws://A:80/order'): it is the same as address 1; remove one of them",
        ),
        ([5], "uri: address 1 of 1: it must be like ws://host:port/order or wss://host/order"),
    ],
)
def test_an_invalid_list_of_uris_is_an_error_that_names_the_one(uris: Any, message: str) -> None:
    with pytest.raises(ValueError, match="uri") as caught:
        check_uris(uris)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "uri", ["ws://user:secret@a/order", "ws://a/order?token=secret", "http://x:secret@a"]
)
def test_the_error_of_a_list_quotes_no_uri_that_may_contain_a_secret(uri: str) -> None:
    with pytest.raises(ValueError, match=r"^uri: address 2 of 2: it must ") as caught:
        check_uris(["ws://a/order", uri])
    assert "secret" not in str(caught.value)


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
        (InvalidProxy("http://user:password@proxy:x", "port is invalid"),
         Unreachable("the proxy in the environment is invalid; check HTTP_PROXY and HTTPS_PROXY")),
        (OSError("a\r\nb"), Unreachable("a  b")),
    ],
)  # fmt: skip
def test_each_exception_is_classified(error: Exception, disconnect: Disconnect) -> None:
    assert classify(error) == disconnect


@pytest.mark.parametrize(
    "error",
    [
        ConnectionClosedError(Close(4001, "the token abc.def has expired"), None),
        refusal(401, b"x" * 195 + b"abc.def"),
        refusal(401, b"", phrase="No abc.def"),
        OSError("abc.def"),
    ],
)
def test_a_relay_that_repeats_the_token_does_not_get_it_into_a_reason(error: Exception) -> None:
    assert "abc" in str(classify(error))
    assert "abc" not in str(classify(error, "abc.def"))
    assert "[tok" in str(classify(error, "abc.def"))


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
    "value", ["3601", "9" * 20, "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"], ids=lambda value: value[:12]
)
def test_a_retry_after_of_more_than_an_hour_is_an_hour(value: str) -> None:
    assert retry_after(value) == 3600
