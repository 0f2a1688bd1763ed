"""The settings of the apps: the command line, then the environment, then what is remembered, then a default.

The one thing that is remembered is the theme that was chosen last, in a small file of the user's.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from socket_bloc import Socket
from socket_bloc.link import check_uri
from socket_bloc.order_status import check_user_id

__all__ = ["AppSettings", "SettingsError", "Theme", "read_settings", "read_theme"]

DEFAULT_THEME: Final = "textual-dark"


class SettingsError(ValueError):
    """A setting that cannot be; one line names it."""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """Who is connected, to which relay, and in which theme it is shown."""

    user: str
    uri: str
    theme: str


class _Remembered(BaseModel):
    theme: str


class Theme:
    """The theme that was chosen last, in `socket-bloc/settings.json` below XDG_CONFIG_HOME or ~/.config."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        base = environ.get("XDG_CONFIG_HOME", "")
        # The XDG specification has relative paths ignored.
        folder = Path(base) if os.path.isabs(base) else Path(environ.get("HOME") or Path.home()) / ".config"
        self.path = folder / "socket-bloc" / "settings.json"

    def read(self) -> str | None:
        """The theme; None where none is remembered, or the file cannot be read."""
        with suppress(OSError, ValueError):
            return _Remembered.model_validate_json(self.path.read_bytes()).theme
        return None

    def write(self, theme: str) -> None:
        """Remember a theme. Raises `OSError`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        new.write_text(_Remembered(theme=theme).model_dump_json() + "\n", encoding="utf-8")
        new.replace(self.path)


def read_settings(
    user: str | None, uri: str | None, theme: str | None, environ: Mapping[str, str], themes: Collection[str]
) -> AppSettings:
    """The settings, given what the command line says; `themes` are all there are. Raises `SettingsError`."""
    user = user or environ.get("SOCKET_BLOC_USER")
    if not user:
        raise SettingsError("--user (SOCKET_BLOC_USER): say who is connected, as in --user c-17")
    try:
        check_user_id(user)
    except ValueError as error:
        raise SettingsError(f"--user (SOCKET_BLOC_USER): {error}") from None
    try:
        uri = check_uri(uri or environ.get("SOCKET_BLOC_URI") or Socket.WEBSOCKET_URI)
    except ValueError as error:
        raise SettingsError(f"--uri (SOCKET_BLOC_URI): {str(error).removeprefix('uri: ')}") from None
    return AppSettings(user, uri, read_theme(theme, environ, themes))


def read_theme(theme: str | None, environ: Mapping[str, str], themes: Collection[str]) -> str:
    """The theme, given what the command line says; `themes` are all there are. Raises `SettingsError`."""
    theme = theme or environ.get("SOCKET_BLOC_THEME")
    if theme and theme not in themes:
        names = ", ".join(themes)
        raise SettingsError(f"--theme (SOCKET_BLOC_THEME): there is no {theme!r}; there are {names}")
    theme = theme or Theme(environ).read()
    return theme if theme and theme in themes else DEFAULT_THEME
