"""A strict JSON reader: rejects what two parsers could read differently.

Beyond the rules of the standard these are duplicate keys, numbers out of range (NaN, Infinity, 1e400), and
text that cannot be passed on (lone surrogates, NUL), each at any depth.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final, NoReturn, TypeGuard, cast

from socket_bloc.order_status import MAX_MESSAGE_ID

__all__ = [
    "MAX_DEPTH",
    "MAX_VALUES",
    "JsonError",
    "JsonObject",
    "find_message_id",
    "is_message_id",
    "read_object",
]

JsonObject = dict[str, object]
MAX_DEPTH: Final = 32
"""Levels of objects and arrays, the frame itself included."""
MAX_VALUES: Final = 256
"""Values of a frame at all levels; an empty object or array counts for one more."""


class JsonError(ValueError):
    """The text is rejected; the reason repeats none of its content."""


def read_object(text: str) -> JsonObject:
    """Read one JSON object. Raises `JsonError`."""
    _check_structure(text)
    try:
        value: object = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise JsonError(f"invalid JSON: {error.msg} at character {error.pos}") from None
    except JsonError:
        raise
    except ValueError:  # Python's limit on the digits of an int
        raise JsonError("the frame holds a number with too many digits") from None
    if not isinstance(value, dict):
        raise JsonError("the frame must be one JSON object")
    # Only an escape can produce them: an unescaped NUL is invalid JSON, a surrogate invalid UTF-8.
    if "\\u" in text:
        _check_texts(cast(object, value))
    return cast(JsonObject, value)


def find_message_id(text: str) -> str | None:
    """Return the message id of an object without parsing it, if it occurs once, is valid and is not nested.

    For texts that are not worth parsing: some are valid, and still none is found.
    """
    if text.count('"messageId"') != 1:
        return None
    found = _MESSAGE_ID.search(text)
    if found is None:
        return None
    before = text[: found.start()]
    if before.count("{") - before.count("}") != 1 or before.count("[") != before.count("]"):
        return None
    try:
        value: object = json.loads(found[1])
    except ValueError:
        return None
    return value if is_message_id(value) else None


def is_message_id(value: object) -> TypeGuard[str]:
    """Return whether a decoded value is a valid message id."""
    return isinstance(value, str) and 1 <= len(value) <= MAX_MESSAGE_ID and _is_sound(value)


def _check_structure(text: str) -> None:
    """Raise `JsonError` if a text has too many values or nests them too deeply, before it is parsed."""
    if text.count("[") + text.count("{") <= MAX_DEPTH and text.count(",") <= MAX_VALUES - MAX_DEPTH:
        return  # as in nearly each
    depth, values = 0, 1
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                values += 1
            case "]" | "}":
                depth -= 1
            case ",":
                values += 1
            case _:
                continue
        if depth > MAX_DEPTH:
            raise JsonError(f"the frame is nested too deeply, in more than {MAX_DEPTH} levels")
        if values > MAX_VALUES:
            raise JsonError(f"the frame has too many values, more than {MAX_VALUES}")


def _check_texts(value: object) -> None:
    # An explicit stack: the decoder allows more depth than recursive Python functions would.
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            fields = cast("dict[object, object]", value)
            stack.extend(fields.keys())
            stack.extend(fields.values())
        elif isinstance(value, list):
            stack.extend(cast("list[object]", value))
        elif isinstance(value, str) and not _is_sound(value):
            raise JsonError("the frame holds a NUL or a lone surrogate, which cannot be passed on")


def _is_sound(text: str) -> bool:
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def _object(pairs: list[tuple[str, object]]) -> JsonObject:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise JsonError("the frame has a duplicate key")
    return fields


def _constant(_name: str) -> NoReturn:
    raise JsonError("invalid JSON: NaN or Infinity")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise JsonError("the frame holds a number that is too large")
    return value


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
_MESSAGE_ID: Final = re.compile(
    rf'"messageId"[ \t\r\n]*:[ \t\r\n]*("(?:[^"\\]|\\.){{1,{12 * MAX_MESSAGE_ID}}}")'
)
"""Each character of a message id may be a pair of escaped surrogates."""
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]|,', re.DOTALL)
"""A string, which may be unterminated so that none is read twice, or a character that makes structure."""
