"""What the bloc of an app is made with: the token, the trusted certificates, the outbox.

The settings themselves are in `settings`.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from socket_bloc import (
    ClientType,
    MemoryOutbox,
    Outbox,
    OutboxError,
    SocketBloc,
    SocketConnectState,
    SocketState,
    SqliteOutbox,
)
from socket_bloc.bloc import Change, Cubit

if TYPE_CHECKING:  # it needs Textual, and `trust` does not
    from tui.settings import AppSettings

__all__ = ["AppBloc", "TokenFile", "TokenFileError", "open_bloc", "open_outbox", "trust"]

_MAX_TOKEN: Final = 65536


class AppBloc(SocketBloc):
    """A bloc whose errors an app can show: `problem` is the last one, and empty once it is connected."""

    def __init__(self, user_id: str, type: ClientType, **options: Any) -> None:
        """Takes the arguments of `SocketBloc`."""
        super().__init__(user_id, type, **options)
        self.problem = Cubit("")

    def on_error(self, error: Exception) -> None:
        self.problem.emit(str(error) or type(error).__name__)

    def on_change(self, change: Change[SocketState]) -> None:
        if isinstance(change.next_state, SocketConnectState):
            self.problem.emit("")


class TokenFileError(Exception):
    """The file of the token cannot be read, or has no token in it."""


class TokenFile:
    """Returns the token in a file, which is read again at each call: the token may be renewed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> str:
        """Raises `TokenFileError`, which repeats nothing of the file."""
        try:
            if not self._path.is_file():  # reading a pipe could wait for ever
                reason = "it is not a regular file" if self._path.exists() else "there is no such file"
                raise self._error(reason)
            with self._path.open(encoding="ascii") as file:
                token = file.read(_MAX_TOKEN).removesuffix("\n")
        except OSError as error:
            raise self._error(error.strerror) from None
        except UnicodeError:
            raise self._error("it is not ASCII text") from None
        if not token:
            raise self._error("it is empty")
        return token

    def _error(self, reason: str | None) -> TokenFileError:
        return TokenFileError(f"--token-file: {self._path}: {reason}; it is read again at the next attempt")


def trust(ca_file: Path) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a PEM file, and no others. Raises `ValueError`."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise ValueError(f"{ca_file} has no certificate in PEM") from None
    except OSError as error:
        raise ValueError(f"{ca_file} cannot be read: {error.strerror}") from None


def open_outbox(path: Path | None) -> Outbox:
    """Open the outbox in a file, in a directory that is created if it is missing. Raises `OutboxError`."""
    if path is None:
        return MemoryOutbox()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutboxError(f"cannot create {path.parent} for the outbox: {error.strerror}") from None
    return SqliteOutbox(path)


def open_bloc(settings: AppSettings, role: ClientType) -> AppBloc:
    """Return the bloc of an app. Raises `OutboxError`; `ValueError` if the outbox is another user's."""
    outbox = open_outbox(settings.outbox)
    try:
        return AppBloc(
            settings.user,
            role,
            uri=settings.uris,
            token=settings.token_file and TokenFile(settings.token_file),
            outbox=outbox,
            full_history=True,
            ssl=settings.ca_file and trust(settings.ca_file),
        )
    except ValueError:
        outbox.close()
        raise
