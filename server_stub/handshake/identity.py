"""Which user a connection claims to be. Whether it is that user is shown by its token, see `tokens`."""

from __future__ import annotations

from collections.abc import Mapping

from server_stub.records import User
from socket_bloc.order_status import ClientType, check_user_id

__all__ = ["IdentityError", "identify"]


class IdentityError(ValueError):
    """The query does not identify a user; one line says what is wrong with it."""


def identify(query: Mapping[str, str]) -> User:
    """Return the user in the query of a handshake. Raises `IdentityError`."""
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
