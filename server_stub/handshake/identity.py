"""Who is this connection? The one room that answers it.

There is no key yet: the relay believes the query, and so it listens on loopback only (`settings`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

from server_stub.records import User
from socket_bloc.order_status import ClientType

__all__ = ["IdentityError", "identify"]

_MAX_USER_ID: Final = 128


class IdentityError(ValueError):
    """The query does not say who connects; one line says what is wrong with it."""


def identify(query: Mapping[str, str]) -> User:
    """The user that a handshake's query names. Raises `IdentityError`."""
    user_id = query.get("userId", "")
    if not 1 <= len(user_id) <= _MAX_USER_ID:
        raise IdentityError(f"userId must have 1 to {_MAX_USER_ID} characters")
    if any(unicodedata.category(character) == "Cc" for character in user_id):
        raise IdentityError("userId must have no control characters")
    try:
        role = ClientType(query.get("type", ""))
    except ValueError:
        raise IdentityError(f"type must be {' or '.join(ClientType)}") from None
    return User(user_id, role)
