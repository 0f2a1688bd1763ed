"""What the apps are started with, and the theme that was chosen last.

The settings are read and checked in `commands`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import user_state_path
from pydantic import BaseModel
from textual.theme import BUILTIN_THEMES

__all__ = ["DEFAULT_THEME", "AppSettings", "LastTheme", "theme_or_remembered"]

DEFAULT_THEME: Final = "textual-dark"


@dataclass(frozen=True, slots=True)
class AppSettings:
    """Which user connects, to which relay, and the theme of the app."""

    user: str
    uri: str
    theme: str


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
