"""`socket-bloc backup`: copies the database of a relay, which may be running."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from server_stub import command_line
from server_stub.command_line import new_app

__all__ = ["backup", "run"]

# So that `--database` is also the relay's RELAY_DATABASE.
backup = new_app(
    "backup",
    "Copy the database of a relay, which may be running, to one file.",
    variables="RELAY_",
)
backup.usage = "Usage: socket-bloc backup [OPTIONS] FILE"


def run(argv: Sequence[str]) -> int:
    """Make a backup, and return the exit status: 1 after an error of the database or of a file."""
    return command_line.run(backup, argv)


def _check_database(_type: object, url: str) -> None:
    from server_stub.ledger.backends import check_url

    check_url(url)


@backup.default
def _back_up(
    file: Annotated[Path, Parameter(help="file to create")],
    /,
    *,
    database: Annotated[
        str,
        Parameter(
            validator=_check_database, help="database to copy: sqlite:///FILE, sqlite:////ABSOLUTE/FILE"
        ),
    ] = "sqlite:///orders.db",
    force: Annotated[bool, Parameter(help="replace FILE if it exists")] = False,
) -> int:
    from server_stub.ledger.backends import back_up
    from server_stub.ledger.store import LedgerError

    try:
        back_up(database, str(file), replace=force)
    except LedgerError as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    return 0
