from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_stub.frames.strict_json import (
    MAX_DEPTH,
    MAX_VALUES,
    JsonError,
    find_message_id,
    is_message_id,
    read_object,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(_TEXT, _JSON, max_size=5), st.booleans())
def test_reads_whatever_json_can_say_without_ambiguity(value: dict[str, object], ensure_ascii: bool) -> None:
    assert read_object(json.dumps(value, ensure_ascii=ensure_ascii)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid JSON"),
        ("{", "invalid JSON"),
        ('{"a":1} {}', "invalid JSON"),
        ("\ufeff{}", "invalid JSON"),
        ("{'a':1}", "invalid JSON"),
        ('{"a":"\n"}', "invalid JSON"),
        ('{"a":"\0"}', "invalid JSON"),
        ("5", "must be one JSON object"),
        ("null", "must be one JSON object"),
        ('[{"a":1}]', "must be one JSON object"),
        ('{"a":1,"a":1}', "duplicate key"),
        ('{"a":1,"\\u0061":1}', "duplicate key"),
        ('{"x":[{"a":1,"a":2}]}', "duplicate key"),
        ('{"a":NaN}', "NaN or Infinity"),
        ('{"x":[{"a":-Infinity}]}', "NaN or Infinity"),
        ('{"a":1e400}', "too large"),
        ('{"x":[{"a":-1e400}]}', "too large"),
        ('{"a":"\\u0000"}', "NUL or a lone surrogate"),
        ('{"a\\u0000":1}', "NUL or a lone surrogate"),
        ('{"x":[{"a":["\\ud800"]}]}', "NUL or a lone surrogate"),
        ('{"x":[{"\\udc00":1}]}', "NUL or a lone surrogate"),
        pytest.param('{"a":' + "9" * 5000 + "}", "too many digits", id="digits"),
        pytest.param('{"a":' * 100_000, "nested too deeply", id="objects"),
        pytest.param('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply", id="lists"),
    ],
)
def test_invalid_json_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(JsonError, match=reason):
        read_object(text)


def test_an_escaped_pair_of_surrogates_is_one_character() -> None:
    assert read_object('{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


def test_an_escaped_backslash_before_a_u_is_not_an_escaped_nul() -> None:
    assert read_object('{"a":"\\\\u0000"}') == {"a": "\\u0000"}


def test_a_number_as_large_as_a_float_can_be_is_read() -> None:
    assert read_object('{"a":1e308,"b":-1e-400}') == {"a": 1e308, "b": -0.0}


@pytest.mark.parametrize(
    "text",
    [
        '{"messageId":"m-1","a":1,"a":2}',
        '{"messageId":"m-1","a":NaN}',
        '{"messageId":"m-1","a":1e400}',
        '{"messageId":"m-1","a":"\\u0000"}',
        pytest.param('{"messageId":"m-1","a":' + "9" * 5000 + "}", id="digits"),
    ],
)
def test_salvages_the_message_id_of_a_frame_with_another_fault(text: str) -> None:
    with pytest.raises(JsonError):
        read_object(text)
    assert find_message_id(text) == "m-1"


@pytest.mark.parametrize(
    "text",
    [
        '[{"messageId":"m-1"}]',
        '{"messageId":"m-1","messageId":"m-1"}',
        '{"messageId":"m\\u00001"}',
        '{"messageId":"m\\ud800"}',
        '{"messageId":7}',
        '{"messageId":""}',
        '{"messageId":"' + "m" * 65 + '"}',
        '{"a":{"messageId":"m-1"},"b":NaN}',
        '{"a":{},"b":[{"messageId":"m-1"}]}',
        '{"messageId":"m\\x"}',
        '{"messageId":"m-1","a":{"messageId":"m-2"}}',
        pytest.param('{"messageId":"m-1","a":' * 100_000, id="nested"),
    ],
)
def test_salvages_only_an_unambiguous_message_id(text: str) -> None:
    assert find_message_id(text) is None


@given(st.text())
def test_every_other_text_is_a_json_error(text: str) -> None:
    find_message_id(text)
    with contextlib.suppress(JsonError):
        assert isinstance(read_object(text), dict)


@pytest.mark.parametrize(
    ("value", "expected"), [("m" * 64, True), ("m" * 65, False), ("", False), (None, False)]
)
def test_a_message_id_has_1_to_64_characters(value: object, expected: bool) -> None:
    assert is_message_id(value) is expected


def _nested(depth: int) -> str:
    return '{"a":' * (depth - 1) + '{"b":"[[["}' + "}" * (depth - 1)


def _wide(values: int) -> str:
    """As many values, in a frame with a string that looks like more."""
    return '{"a":"\\",[{,,,","b":[' + ",".join(["1"] * (values - 3)) + "]}"


def test_a_frame_may_be_as_deep_and_have_as_many_values_as_documented() -> None:
    read_object(_nested(MAX_DEPTH))
    read_object(_wide(MAX_VALUES))


@pytest.mark.parametrize(
    ("text", "reason"),
    [(_nested(MAX_DEPTH + 1), "nested too deeply"), (_wide(MAX_VALUES + 1), "too many values")],
    ids=["deep", "wide"],
)
def test_a_frame_beyond_that_is_rejected(text: str, reason: str) -> None:
    with pytest.raises(JsonError, match=reason):
        read_object(text)


def test_commas_and_brackets_in_a_message_are_no_structure() -> None:
    assert read_object('{"a":"' + ",{[" * 1000 + '"}')


def test_an_unterminated_string_is_read_once() -> None:
    with pytest.raises(JsonError):
        read_object('{"a":' + "[" * 30 + '"{[,' + '\\"' * 100_000)
