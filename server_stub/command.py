"""The relay's command and its settings; it is `python -m server_stub` and `socket-bloc relay`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import Parameter

from server_stub.command_line import ConfigFile, new_app, run
from server_stub.settings import Settings

__all__ = ["read_settings", "relay"]

relay = new_app(
    "relay",
    "Run the relay: commit order statuses, and pass them to both sides of their order.",
    variables="RELAY_",
)
relay.usage = "Usage: socket-bloc relay [OPTIONS], or python -m server_stub [OPTIONS]"

_DEFAULTS: Final = Settings()
_NOT_A_SECRET: Final = re.compile(r"^(?!jwt_secret$)")
"""The fields that are options."""


@relay.default
def _settings(
    *,
    settings: Annotated[Settings, Parameter(name="*", parse=_NOT_A_SECRET)] = _DEFAULTS,
    config: ConfigFile = None,
) -> Settings:
    return settings


def read_settings(argv: Sequence[str]) -> Settings | int:
    """Return the settings of the command line, the environment and a file; otherwise the exit status.

    That is 0 if `argv` asks for help or the version, and 2 for an invalid setting.
    """
    return run(relay, argv)
