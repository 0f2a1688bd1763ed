"""Reading the transcript that the plain demo prints, and that the README shows."""

from __future__ import annotations

import re

__all__ = ["read"]

_LINE = re.compile(r" ?(\d+)  ([CSKD]) -> ([CSKD])  (?:([A-Z_]+ \d{4})  )?(.+)  (\d+\.\d) ms")


def read(output: str) -> list[tuple[str, str, str | None, str]]:
    """Return the arrows of a transcript as source, target, status, text; they must be numbered from 1 on."""
    matches = [_LINE.fullmatch(text) for text in output.splitlines()]
    assert all(matches), output
    found = [match.groups() for match in matches if match]
    assert [int(number) for number, *_ in found] == list(range(1, len(found) + 1))
    return [(source, target, status, text) for _, source, target, status, text, _ in found]
