"""Who is this connection? The one room that answers it.

There is no key yet: the relay believes the query, and so it listens on loopback only (`settings`).
"""

from __future__ import annotations

from collections.abc import Mapping

from server_stub.records import User
from socket_bloc.order_status import ClientType, check_user_id

__all__ = ["IdentityError", "identify"]


class IdentityError(ValueError):
    """The query does not say who connects; one line says what is wrong with it."""


def identify(query: Mapping[str, str]) -> User:
    """The user that a handshake's query names. Raises `IdentityError`."""
    user_id = query.get("userId", "")
    try:
        check_user_id(user_id)
    except ValueError as error:
        raise IdentityError(f"userId: {error}") from None
    try:
        role = ClientType(query.get("type", ""))
    except ValueError:
        raise IdentityError(f"type must be {' or '.join(ClientType)}") from None
    return User(user_id, role)
