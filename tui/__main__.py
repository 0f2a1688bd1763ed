"""The `socket-bloc` command, also `python -m tui`; the commands themselves are in `commands`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; `argv` is the command line without its first word. Returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    command = argv[0] if argv else None
    if command == "relay":
        # Not with the others: a relay would keep in memory what is imported for them.
        from server_stub.__main__ import main as relay

        return relay(argv[1:])
    if command == "token":
        if any(find_spec(name) is None for name in ("cyclopts", "cryptography", "jwt")):
            sys.stderr.write("tokens need cyclopts and PyJWT: pip install 'socket-bloc[server]'\n")
            return 2
        from server_stub.token_command import run as token

        return token(argv[1:])
    if command == "backup":
        if find_spec("cyclopts") is None:
            sys.stderr.write("backups need cyclopts: pip install 'socket-bloc[server]'\n")
            return 2
        from server_stub.backup_command import run as backup

        return backup(argv[1:])
    if find_spec("cyclopts") is None or find_spec("platformdirs") is None:
        sys.stderr.write("the commands need cyclopts and platformdirs: pip install 'socket-bloc[tui]'\n")
        return 2
    from tui.commands import run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
