"""What the apps are started with, where they keep what is queued, and the theme that was chosen last.

The settings are read and checked in `commands`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from platformdirs import user_state_path
from pydantic import BaseModel
from textual.theme import BUILTIN_THEMES

from socket_bloc import ClientType

__all__ = ["DEFAULT_THEME", "AppSettings", "LastTheme", "default_outbox", "theme_or_remembered"]

DEFAULT_THEME: Final = "textual-dark"


@dataclass(frozen=True, slots=True)
class AppSettings:
    """Which user connects, to which relay, and how; and the theme of the app."""

    user: str
    uris: tuple[str, ...]
    theme: str
    outbox: Path | None = None
    """The file of what is queued; None keeps it in memory."""
    token_file: Path | None = None
    ca_file: Path | None = None


def default_outbox(user: str, role: ClientType, uris: Collection[str]) -> Path:
    """Return the outbox of a user in a role, at the relay with these addresses, in whatever order.

    A user's id may be anything, so the name of the file has a digest of it, and what is readable of it.
    """
    digest = sha256("\0".join([user, *sorted(set(uris))]).encode()).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9-]+", "_", user)[:24]
    return user_state_path("socket-bloc") / "outbox" / f"{role}-{readable}-{digest[:16]}.db"


class _Remembered(BaseModel):
    theme: str


class LastTheme:
    """The theme that was chosen last, in a small file where the user's programs keep their state."""

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or user_state_path("socket-bloc")) / "theme.json"

    def read(self) -> str | None:
        """Return the theme; None if none is remembered, or the file cannot be read."""
        with suppress(OSError, ValueError):
            return _Remembered.model_validate_json(self.path.read_bytes()).theme
        return None

    def write(self, theme: str) -> None:
        """Remember a theme. Raises `OSError`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        new.write_text(_Remembered(theme=theme).model_dump_json() + "\n", encoding="utf-8")
        new.replace(self.path)


def theme_or_remembered(theme: str | None) -> str:
    """Return `theme`, otherwise the one chosen last if it still exists, otherwise the default."""
    theme = theme or LastTheme().read()
    return theme if theme in BUILTIN_THEMES else DEFAULT_THEME
