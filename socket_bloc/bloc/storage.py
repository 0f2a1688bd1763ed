"""Where hydrated blocs store their states: the protocol, and a directory with one file for each key."""

from __future__ import annotations

import os
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

__all__ = ["FileStorage", "Storage"]


class Storage(Protocol):
    """Stores texts by key; `read` returns None if there is none, `delete` ignores that. (Dart: `Storage`)"""

    def read(self, key: str) -> str | None: ...

    def write(self, key: str, text: str) -> None: ...

    def delete(self, key: str) -> None: ...


class FileStorage:
    """Stores each key in a file of its own, readable only by its owner. (Dart: `HydratedStorage`)

    `write` creates the directory, and returns when the text is on the disk. Whenever the process or the
    machine crashes, a file has its old text or its new one.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)

    def read(self, key: str) -> str | None:
        try:
            return self._path(key).read_bytes().decode()
        except FileNotFoundError:
            return None

    def write(self, key: str, text: str) -> None:
        path = self._path(key)
        new = path.with_suffix(f".{os.urandom(8).hex()}")
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with open(new, "xb", opener=partial(os.open, mode=0o600)) as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        name = quote(key, safe="", errors="surrogatepass")
        if len(name) > 200:  # file systems allow 255 bytes, with the suffix
            name = sha256(name.encode()).hexdigest()
        return self._directory / f"{name}.json"
