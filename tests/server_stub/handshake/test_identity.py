from __future__ import annotations

import pytest

from server_stub.handshake.identity import IdentityError, identify
from server_stub.records import User
from socket_bloc.order_status import ClientType


@pytest.mark.parametrize("user_id", ["c-17", "c" * 128, "😀", "a b", "ü\u202e"])
@pytest.mark.parametrize("role", list(ClientType))
def test_a_user_is_an_id_and_a_role(user_id: str, role: ClientType) -> None:
    assert identify({"userId": user_id, "type": role.value}) == User(user_id, role)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"type": "client"}, "userId: it must have 1 to 128 characters"),
        ({"userId": "", "type": "client"}, "userId: it must have 1 to 128 characters"),
        ({"userId": "c" * 129, "type": "client"}, "userId: it must have 1 to 128 characters"),
        ({"userId": "c\n", "type": "client"}, "userId: it must have no control characters"),
        ({"userId": "\0", "type": "client"}, "userId: it must have no control characters"),
        ({"userId": "\x85", "type": "client"}, "userId: it must have no control characters"),
        ({"userId": "c"}, "type must be client or serviceman"),
        ({"userId": "c", "type": "Client"}, "type must be client or serviceman"),
        ({"userId": "c", "type": ""}, "type must be client or serviceman"),
    ],
)
def test_a_query_without_a_valid_user_is_rejected(query: dict[str, str], reason: str) -> None:
    with pytest.raises(IdentityError, match=reason):
        identify(query)


def test_a_user_is_shown_with_deceptive_characters_escaped() -> None:
    assert str(User("a\u202eb", ClientType.CLIENT)) == r"client 'a\u202eb'"
    assert str(User(128 * "x", ClientType.CLIENT)) == f"client '{39 * 'x'}…'"
