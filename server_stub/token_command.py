"""`socket-bloc token`: makes a token for development, signed with the secret of a relay.

In production, tokens come from whoever knows the users, such as the login of an app.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from server_stub import command_line
from server_stub.command_line import new_app
from socket_bloc.order_status import check_user_id

__all__ = ["run", "token"]

_CENTURY: Final = 100 * 366 * 24 * 3600

# So that `--secret-file` is also the relay's RELAY_JWT_SECRET_FILE, and `--audience` its RELAY_JWT_AUDIENCE.
token = new_app(
    "token",
    "Print a token for one user of a relay with that secret, for development.",
    variables="RELAY_JWT_",
)
token.usage = "Usage: socket-bloc token --user ID --type ROLE [OPTIONS]"


def run(argv: Sequence[str]) -> int:
    """Print a token, and return the exit status; an error is one line on stderr, and nothing is printed."""
    return command_line.run(token, argv)


def _check_user(_type: object, user: str) -> None:
    check_user_id(user)


def _check_ttl(_type: object, ttl: int) -> None:
    if not 1 <= ttl <= _CENTURY:
        raise ValueError(f"it must be 1 to {_CENTURY} seconds")


@token.default
def _print_token(
    *,
    user: Annotated[str, Parameter(validator=_check_user, help="user id; for example --user c-17")],
    type: Annotated[Literal["client", "serviceman"], Parameter(help="role of the user")],
    ttl: Annotated[int, Parameter(validator=_check_ttl, help="seconds until the token expires")] = 3600,
    secret_file: Annotated[
        tuple[Path, ...],
        Parameter(help="file with the secret, the first if there are several; by default RELAY_JWT_SECRET"),
    ] = (),
    audience: Annotated[str | None, Parameter(help="audience of the token, if the relay has one")] = None,
) -> int:
    from server_stub.handshake.keys import SECRET, InvalidKeyError, check_secret, read_secret, sign

    try:
        if secret_file:
            source = f"--secret-file (RELAY_JWT_SECRET_FILE): {secret_file[0]}"
            secret = read_secret(secret_file[0], source)
        elif SECRET in os.environ:
            secret = check_secret(os.fsencode(os.environ[SECRET]), SECRET)
        else:
            hint = f"name the file, or set {SECRET} to the secret itself"
            raise InvalidKeyError(
                f"--secret-file (RELAY_JWT_SECRET_FILE): missing secret of the relay; {hint}"
            )
    except InvalidKeyError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    now = int(time.time())
    claims: dict[str, object] = {"sub": user, "type": type, "iat": now, "exp": now + ttl}
    if audience is not None:
        claims["aud"] = audience
    sys.stdout.write(f"{sign(json.dumps(claims, separators=(',', ':')).encode(), secret)}\n")
    return 0
