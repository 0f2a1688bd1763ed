"""The claims of a token: whose it is, and until when. No I/O, no clock.

The signature is checked by the keys, see `keys`; only what that has shown to be genuine is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, cast

__all__ = ["Token", "TokenError", "TokenVerifier", "VerifyingKey"]

LEEWAY: Final = 5.0
"""Seconds that the issuer's clock may be ahead. For `exp` there is none: the client asks for a new token."""
MAX_TOKEN: Final = 8 * 1024
"""Characters of a token."""
_MAX_SECONDS: Final = 253_402_300_800  # the end of the year 9999; what is later is not in seconds
_BEARER: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")


class TokenError(ValueError):
    """A request is not authenticated; one line says why, and has nothing of its token."""


class VerifyingKey(Protocol):
    """A key that verifies tokens."""

    def payload(self, token: str) -> bytes | None:
        """Return the payload of a token that is signed with this key, otherwise None."""
        ...


class Token(NamedTuple):
    """What a valid token says. `type` is compared with a role, and may be anything."""

    sub: str
    type: object
    exp: float


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Verifies tokens by any of the keys; `clock` returns seconds since 1970."""

    keys: Sequence[VerifyingKey]
    clock: Callable[[], float]
    audience: str | None = None

    def verify(self, authorization: Sequence[str]) -> Token:
        """Return the token in the `Authorization` headers of a request. Raises `TokenError`."""
        if not authorization:
            raise TokenError("a token is required; send Authorization: Bearer <JWT>")
        bearer = _BEARER.fullmatch(authorization[0])
        if bearer is None or len(authorization) > 1:
            raise TokenError("invalid Authorization header; send Bearer and one token")
        return self._check(self._claims(bearer[1]))

    def _claims(self, token: str) -> dict[str, Any]:
        payloads = (key.payload(token) for key in self.keys if len(token) <= MAX_TOKEN)
        payload = next((payload for payload in payloads if payload is not None), None)
        if payload is None:
            raise TokenError("the token is not signed with a key of this relay and its algorithm")
        try:
            claims = json.loads(payload.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
        except (ValueError, RecursionError):
            claims = None
        if not isinstance(claims, dict):
            raise TokenError("the claims of the token must be a JSON object with unique names")
        return cast("dict[str, Any]", claims)

    def _check(self, claims: dict[str, Any]) -> Token:
        now = self.clock()
        exp = _seconds(claims, "exp")
        if exp <= now:
            raise TokenError("the token has expired")
        if any(name in claims and _seconds(claims, name) > now + LEEWAY for name in ("nbf", "iat")):
            raise TokenError("the token is not valid yet")
        sub = claims.get("sub")
        if not isinstance(sub, str):
            raise TokenError("the token needs a sub that is a string")
        audience = claims.get("aud")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenError("the token is for another audience")
        return Token(sub, claims.get("type"), exp)


def _seconds(claims: dict[str, Any], name: str) -> float:
    """Return a time, in seconds since 1970. Raises `TokenError` if the claim is missing or anything else."""
    value: object = claims.get(name)
    # (A bool is an int.)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < _MAX_SECONDS:
        raise TokenError(f"the token needs an {name} in seconds since 1970")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise ValueError("a name twice")
    return claims


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
