"""A strict JSON reader: rejects what two parsers could read differently.

Beyond the rules of the standard these are duplicate keys, numbers out of range (NaN, Infinity, 1e400), and
text that cannot be passed on (lone surrogates, NUL), each at any depth.
"""

from __future__ import annotations

import json
import math
from typing import Final, NoReturn, TypeGuard, cast

from socket_bloc.order_status import MAX_MESSAGE_ID

__all__ = ["JsonError", "JsonObject", "is_message_id", "read_object", "salvage_message_id"]

JsonObject = dict[str, object]


class JsonError(ValueError):
    """The text is rejected; the reason repeats none of its content."""


def read_object(text: str) -> JsonObject:
    """Read one JSON object. Raises `JsonError`."""
    try:
        value: object = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise JsonError(f"invalid JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise JsonError("the frame is nested too deeply") from None
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


def salvage_message_id(text: str) -> str | None:
    """Return the message id of an object that `read_object` rejected, if it occurs once and is valid."""
    try:
        pairs: object = _LENIENT.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs):
        return None
    named = [value for key, value in pairs if key == "messageId"]
    return named[0] if len(named) == 1 and is_message_id(named[0]) else None


def is_message_id(value: object) -> TypeGuard[str]:
    """Return whether a decoded value is a valid message id."""
    return isinstance(value, str) and 1 <= len(value) <= MAX_MESSAGE_ID and _is_sound(value)


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


class _Pairs(list[tuple[str, object]]):
    """An object with its duplicate keys."""


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
_LENIENT: Final = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=len, parse_float=len)
