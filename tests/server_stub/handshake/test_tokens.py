from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_stub.handshake.keys import load_keys
from server_stub.handshake.tokens import TokenError, TokenVerifier
from tests.server_stub.handshake.signing import OTHER_SECRET, SECRET, signed, token, written

NOW = 1_800_000_000.25
KEYS = load_keys((), (), SECRET)
MARK = "c-mark-of-this-token"


def _verifier(audience: str | None = None) -> TokenVerifier:
    return TokenVerifier(KEYS, lambda: NOW, audience)


def _refusal(*authorization: str, audience: str | None = None) -> str:
    with pytest.raises(TokenError) as caught:
        _verifier(audience).verify(authorization)
    return str(caught.value)


def _refused_claims(**claims: Any) -> str:
    return _refusal(f"Bearer {token(**claims)}")


def _refused_payload(payload: bytes) -> str:
    return _refusal(f"Bearer {signed(payload)}")


def test_a_token_says_whose_it_is_and_until_when() -> None:
    valid = token(exp=NOW + 60, nbf=NOW, iat=NOW, jti="x", iss="somebody")
    for authorization in (f"Bearer {valid}", f"bearer {valid}", f"BEARER   {valid}"):
        assert _verifier().verify([authorization]) == ("c-1", "client", NOW + 60)


def test_any_of_the_keys_may_have_signed_it(tmp_path: Any) -> None:
    keys = load_keys((written(tmp_path / "new", OTHER_SECRET),), (), SECRET)
    verifier = TokenVerifier(keys, lambda: NOW)
    assert verifier.verify([f"Bearer {token(SECRET)}"]) == verifier.verify([f"Bearer {token(OTHER_SECRET)}"])


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer{token()}",
        token(),
        f"Token {token()}",
        f"Basic {token()}",
        f"Bearer {token()} {token()}",
        f"Bearer {token()},",
        f"Bearer\t{token()}",
        "Bearer \u00fc",
        "Bearer \u212a.\u212a.\u212a",
    ],
)
def test_an_invalid_header_is_refused(authorization: str) -> None:
    assert _refusal(authorization) == "invalid Authorization header; send Bearer and one token"


def test_no_header_and_two_headers_are_refused() -> None:
    assert _refusal() == "a token is required; send Authorization: Bearer <JWT>"
    assert _refusal(f"Bearer {token()}", f"Bearer {token()}").startswith("invalid Authorization header")


@pytest.mark.parametrize("text", ["rubbish", "a.b.c", token(OTHER_SECRET), token() + "x", "a" * 100_000])
def test_a_token_without_a_valid_signature_is_refused(text: str) -> None:
    assert _refusal(f"Bearer {text}") == "the token is not signed with a key of this relay and its algorithm"


def test_a_huge_token_is_refused_before_it_is_read() -> None:
    huge = token(x="x" * 8192)
    assert "not signed" in _refusal(f"Bearer {huge}")


@pytest.mark.parametrize(
    "exp",
    [
        *(None, True, False, "", "10000000000", "never", [10_000_000_000], {}),
        *(-1, -1e300, 1_800_000_000_000, 10**20, 1e20, 10**400, float("inf"), float("nan")),
    ],
)
def test_an_exp_must_be_a_number_of_seconds(exp: Any) -> None:
    reasons = (
        "the token needs an exp in seconds since 1970",
        "the claims of the token must be a JSON object with unique names",  # Infinity, NaN
    )
    assert _refused_claims(exp=exp) in reasons


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1" * 5000])
def test_no_number_without_a_value_is_taken_for_an_exp(number: bytes) -> None:
    assert _refused_payload(b'{"sub": "c-1", "type": "client", "exp": ' + number + b"}")


def test_an_exp_is_required() -> None:
    assert _refused_payload(b'{"sub": "c-1", "type": "client"}').startswith("the token needs an exp")


@pytest.mark.parametrize("exp", [0, 1, NOW - 1, NOW])
def test_a_token_is_refused_from_its_exp_on(exp: float) -> None:
    assert _refused_claims(exp=exp) == "the token has expired"


@pytest.mark.parametrize("exp", [NOW + 0.25, 253_402_300_799, 10_000_000_000.5])
def test_a_token_is_accepted_until_its_exp(exp: float) -> None:
    assert _verifier().verify([f"Bearer {token(exp=exp)}"]).exp == exp


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused_and_5_seconds_are_not_counted_as_such(claim: str) -> None:
    assert _refused_claims(**{claim: NOW + 5.1}) == "the token is not valid yet"
    assert _verifier().verify([f"Bearer {token(**{claim: NOW + 5})}"]).sub == "c-1"


@pytest.mark.parametrize("value", [None, True, "0", "now", [], -1, 1e20])
@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_nbf_and_iat_must_be_numbers_of_seconds(claim: str, value: Any) -> None:
    assert _refused_claims(**{claim: value}) == f"the token needs an {claim} in seconds since 1970"


@pytest.mark.parametrize("sub", [None, 17, 1.5, True, ["c-1"], {"id": "c-1"}])
def test_a_sub_must_be_a_string(sub: Any) -> None:
    assert _refused_claims(sub=sub) == "the token needs a sub that is a string"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"c-1"',
        b"{",
        b'{"sub": "c-1", "exp": 10000000000, "sub": "c-2"}',
        b'{"sub": "c-1", "exp": 10000000000, "x": {"y": 1, "y": 2}}',
        b'{"sub": "c-1", "exp": 10000000000, "x": NaN}',
        b'{"sub": "\xff", "exp": 10000000000}',
        '{"sub": "c-1", "exp": 10000000000}'.encode("utf-16"),
        b"[" * 4000,
    ],
)
def test_claims_that_can_be_read_in_two_ways_or_not_at_all_are_refused(payload: bytes) -> None:
    assert _refused_payload(payload) == "the claims of the token must be a JSON object with unique names"


@pytest.mark.parametrize(
    ("audience", "claim"), [("relay", "relay"), ("relay", ["other", "relay"]), (None, None)]
)
def test_a_token_for_this_audience_is_accepted(audience: str | None, claim: Any) -> None:
    claims = {} if claim is None else {"aud": claim}
    assert _verifier(audience).verify([f"Bearer {token(**claims)}"]).sub == "c-1"


@pytest.mark.parametrize(
    ("audience", "claims"),
    [
        ("relay", {}),
        ("relay", {"aud": "other"}),
        ("relay", {"aud": []}),
        ("relay", {"aud": {"relay": 1}}),
        (None, {"aud": "other"}),
        (None, {"aud": ["other"]}),
        (None, {"aud": []}),
    ],
)
def test_a_token_for_another_audience_is_refused(audience: str | None, claims: dict[str, Any]) -> None:
    assert _refusal(f"Bearer {token(**claims)}", audience=audience) == "the token is for another audience"


@pytest.mark.parametrize(
    "claims",
    [{"exp": 1}, {"exp": MARK}, {"nbf": 9e9}, {"iat": MARK}, {"sub": [MARK]}, {"aud": MARK}],
)
def test_nothing_of_a_token_is_repeated(claims: dict[str, Any]) -> None:
    refused = token(**{"sub": MARK, "kid": MARK} | claims)
    reason = _refusal(f"Bearer {refused}")
    assert MARK not in reason
    assert not any(part in reason for part in refused.split("."))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_NAMES = st.sampled_from(["sub", "type", "exp", "nbf", "iat", "aud"]) | st.text()


@given(st.dictionaries(_NAMES, _JSON))
def test_claims_of_any_kind_are_accepted_or_refused_and_nothing_else(claims: dict[str, Any]) -> None:
    authorization = f"Bearer {signed(json.dumps(claims).encode())}"
    with suppress(TokenError):
        read = _verifier().verify([authorization])
        assert read == (claims["sub"], claims.get("type"), claims["exp"])
        assert read.exp > NOW


@given(st.text())
def test_headers_of_any_kind_are_refused(authorization: str) -> None:
    _refusal(f"Bearer {authorization}")
