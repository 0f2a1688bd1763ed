"""Reads the small files of keys and certificates, which an operator names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["KeyFileError", "read_key_file"]

MAX_SIZE: Final = 1024 * 1024
"""Bytes of a file; more is no key, and may have no end."""


class KeyFileError(Exception):
    """A file cannot be read; the text says why, and does not name it."""


def read_key_file(path: str | Path) -> bytes:
    """Return the content of a file. Raises `KeyFileError`."""
    path = Path(path)
    try:
        # A FIFO would be waited for, and nothing could end that.
        if path.exists() and not path.is_file():
            raise KeyFileError("cannot be read: not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise KeyFileError(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise KeyFileError("cannot be read: a NUL in its path") from None
    if len(content) > MAX_SIZE:
        raise KeyFileError(f"larger than a key can be ({MAX_SIZE} bytes)")
    return content
