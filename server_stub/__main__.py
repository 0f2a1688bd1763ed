"""`python -m server_stub`: reads the relay's settings, and runs it; also `socket-bloc relay`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

from pydantic import SecretBytes

from server_stub.settings import Settings

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a relay; `argv` is the command line without its first word. Returns the exit status.

    0 after a shutdown, 1 if the relay cannot start, 2 for an invalid setting. A child process reads the
    settings: otherwise the relay would keep what is imported for that (2.7 MiB of 51) for as long as it runs.
    """
    _open_standard_streams()
    if find_spec("cyclopts") is None:
        sys.stderr.write("the relay's command line needs cyclopts: pip install 'socket-bloc[server]'\n")
        return 2
    arguments = sys.argv[1:] if argv is None else argv
    receiving, sending = os.pipe()
    child = os.fork() or _send_settings(arguments, sending)  # which ends the child
    os.close(sending)
    from server_stub.process import run  # takes as long as the child needs

    with open(receiving, "rb") as pipe:
        settings = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return run(_with_secret(Settings.model_validate_json(settings))) if settings else status


def _open_standard_streams() -> None:
    """Open those that were closed, before another file gets their number: the log would be written to it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.__stdout__ is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.__stderr__ is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _send_settings(argv: Sequence[str], sending: int) -> NoReturn:
    """Read the settings, write them to a file descriptor, and exit; without them, with the exit status."""
    from server_stub.command import read_settings

    settings = read_settings(argv)
    if isinstance(settings, int):
        os._exit(settings)
    with open(sending, "wb") as pipe:
        pipe.write(settings.model_dump_json().encode())
    os._exit(0)


def _with_secret(settings: Settings) -> Settings:
    """Add the secret of the environment, which is in no option, no file and no pipe."""
    secret = os.environb.get(b"RELAY_JWT_SECRET")
    return settings if secret is None else settings.model_copy(update={"jwt_secret": SecretBytes(secret)})


if __name__ == "__main__":
    sys.exit(main())
