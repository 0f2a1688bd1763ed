from __future__ import annotations

from typing import Any

import pytest
from websockets.http11 import Request

from server_stub.handshake.admission import Admission, admit
from server_stub.handshake.keys import load_keys
from server_stub.handshake.tokens import TokenVerifier
from server_stub.records import User
from server_stub.wire.http import HttpError
from server_stub.wire.protocol import RelayProtocol, RequestReader
from socket_bloc.order_status import ClientType
from tests.server_stub.handshake.signing import OTHER_SECRET, SECRET, token
from tests.server_stub.support import handshake_request

TOKENS = TokenVerifier(load_keys((), (), SECRET), lambda: 1_800_000_000.0)


def _admit(
    query: str = "userId=c-1&type=client",
    *,
    closed: str | None = None,
    origins: frozenset[str] = frozenset(),
    tokens: TokenVerifier | None = None,
    **headers: Any,
) -> Admission:
    protocol = RelayProtocol()
    request = RequestReader(protocol).read(handshake_request(f"/order?{query}", **headers))
    assert isinstance(request, Request)
    return admit(request, protocol.accept, closed=closed, allowed_origins=origins, tokens=tokens)


def _refusal(*args: Any, **kwargs: Any) -> HttpError:
    with pytest.raises(HttpError) as caught:
        _admit(*args, **kwargs)
    return caught.value


def test_admits_a_user_with_what_they_have_of_their_feed() -> None:
    admission = _admit("userId=c+1%2F%C3%BC&type=client&since=0017&epoch=5f0c&other=1")
    assert admission.user == User("c 1/ü", ClientType.CLIENT)
    assert (admission.since, admission.epoch) == (17, "5f0c")
    assert admission.response.status_code == 101


def test_since_and_epoch_are_optional() -> None:
    admission = _admit()
    assert (admission.since, admission.epoch) == (None, None)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("userId=%ff&type=client", "must be UTF-8"),
        ("userId=%ed%a0%80&type=client", "must be UTF-8"),
        ("userId=c&userId=c&type=client", "names a parameter twice"),
        ("userId=c&type=client&x=1&x=2", "names a parameter twice"),
        ("userId=c&type=client&token=", "tokens are not accepted in the query"),
        ("userId=c&type=client&token=secret", "tokens are not accepted in the query"),
        ("userId=c&type=client&" + "&".join(f"x{i}=1" for i in range(40)), "too many parameters"),
        ("type=client", "userId"),
        ("userId=%0a&type=client", "userId"),
        ("userId=c&type=boss", "type"),
        ("userId=c&type=client&since=", "since"),
        ("userId=c&type=client&since=-1", "since"),
        ("userId=c&type=client&since=1.0", "since"),
        ("userId=c&type=client&since=%D9%A1", "since"),
        ("userId=c&type=client&since=" + "1" * 20, "since"),
    ],
)
def test_an_invalid_query_is_400_with_a_reason(query: str, reason: str) -> None:
    refusal = _refusal(query)
    assert refusal.status == 400
    assert reason in refusal.reason
    assert "secret" not in refusal.reason


def test_since_may_have_19_digits() -> None:
    assert _admit(f"userId=c&type=client&since={'9' * 19}").since == 10**19 - 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": ""}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": ""}, 426),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Version": "8"}, 400),
    ],
)
def test_an_invalid_handshake_is_rejected_before_anything_else(headers: dict[str, str], status: int) -> None:
    refusal = _refusal("nothing=1", closed="the relay shuts down", Origin="https://evil.example", **headers)
    assert refusal.status == status
    assert ("Upgrade" in refusal.headers) == (status == 426)


def test_a_closed_relay_rejects_before_it_checks_the_origin_or_the_query() -> None:
    refusal = _refusal("nothing=1", closed="the relay shuts down", Origin="https://evil.example")
    assert (refusal.status, refusal.reason) == (503, "the relay shuts down")
    assert refusal.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example", 101),
        ("https://app.example:443", 403),
        ("https://app.example.evil.example", 403),
        ("HTTPS://APP.EXAMPLE", 403),
        ("null", 403),
    ],
)
def test_an_origin_must_be_exactly_one_that_is_allowed(origin: str, status: int) -> None:
    origins = frozenset({"https://app.example"})
    if status == 101:
        assert _admit(origins=origins, Origin=origin).response.status_code == 101
    else:
        assert _refusal("nothing=1", origins=origins, Origin=origin).status == 403


def test_by_default_an_origin_is_rejected_and_a_request_without_one_passes() -> None:
    assert _refusal(Origin="https://app.example").status == 403
    assert _admit().response.status_code == 101


def test_two_origins_are_an_invalid_handshake() -> None:
    origin = "https://a.example"
    refusal = _refusal(origins=frozenset({origin}), Origin=f"{origin}\r\nOrigin: {origin}")
    assert refusal.status == 400


def test_another_subprotocol_is_rejected_after_the_query() -> None:
    assert "userId" in _refusal("type=client", Sec_WebSocket_Protocol="chat").reason
    assert "order-status.v1" in _refusal(Sec_WebSocket_Protocol="chat, order-status.v2").reason


# With a key.


def test_a_user_with_a_token_is_admitted_until_it_expires() -> None:
    bearer = f"Bearer {token(exp=1_800_000_060)}"
    assert _admit(tokens=TOKENS, Authorization=bearer).expires == 1_800_000_060


def test_without_a_key_a_token_is_not_looked_at() -> None:
    assert _admit(Authorization="Bearer rubbish").expires is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer rubbish"},
        {"Authorization": f"Bearer {token(OTHER_SECRET)}"},
        {"Authorization": f"Bearer {token(exp=1_799_999_999)}"},
        {"Authorization": f"Bearer {token()}\r\nAuthorization: Bearer {token()}"},
    ],
)
def test_a_user_without_a_valid_token_is_401_and_told_what_to_send(headers: dict[str, str]) -> None:
    refusal = _refusal(tokens=TOKENS, **headers)
    assert refusal.status == 401
    assert refusal.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"sub": "c-2"}, "another user"),
        ({"sub": ""}, "another user"),
        ({"sub": "c-1 "}, "another user"),
        ({"sub": "C-1"}, "another user"),
        ({"type": "serviceman"}, "another role"),
        ({"type": "Client"}, "another role"),
        ({"type": None}, "another role"),
        ({"type": 1}, "another role"),
        ({"type": ["client"]}, "another role"),
    ],
)
def test_a_valid_token_of_somebody_else_is_403(claims: dict[str, Any], reason: str) -> None:
    refusal = _refusal(tokens=TOKENS, Authorization=f"Bearer {token(**claims)}")
    assert (refusal.status, refusal.headers) == (403, {})
    assert reason in refusal.reason


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("userId=c-1&type=boss", {}),
        ("userId=c-1&type=client&since=x", {}),
        ("userId=c-1&type=client", {"Sec_WebSocket_Protocol": "chat"}),
    ],
)
def test_the_token_is_checked_last(query: str, headers: dict[str, str]) -> None:
    assert _refusal(query, tokens=TOKENS, **headers).status == 400
    assert _refusal(query, tokens=TOKENS, closed="the relay shuts down", **headers).status == 503
