from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretBytes

from server_stub.settings import Settings


def test_an_unknown_setting_is_rejected() -> None:
    with pytest.raises(ValueError, match="prot"):
        Settings.model_validate({"prot": 1})


@pytest.mark.parametrize(
    "origins", [" https://a, https://b", ["https://a", "https://b"], ("https://a,https://b",)]
)
def test_origins_are_split_at_commas_and_spaces(origins: object) -> None:
    settings = Settings.model_validate({"allowed_origins": origins})
    assert settings.allowed_origins == ("https://a", "https://b")


@pytest.mark.parametrize("files", ["key", Path("key"), ["key"], (Path("key"),)])
def test_one_file_or_several_may_hold_keys(files: object) -> None:
    settings = Settings.model_validate({"jwt_secret_file": files, "jwt_public_key_file": files})
    assert settings.jwt_secret_file == settings.jwt_public_key_file == (Path("key"),)


@pytest.mark.parametrize(
    ("values", "has_key"),
    [
        ({}, False),
        ({"jwt_audience": "relay"}, False),
        ({"jwt_secret_file": "key"}, True),
        ({"jwt_public_key_file": "key"}, True),
        ({"jwt_secret": b"key"}, True),
        ({"jwt_secret": b""}, True),  # which the relay refuses: an empty variable is a mistake
    ],
)
def test_a_file_or_a_secret_is_a_key(values: dict[str, Any], has_key: bool) -> None:
    assert Settings.model_validate(values).has_key is has_key


def test_a_secret_is_in_no_text_and_no_dump_of_the_settings() -> None:
    settings = Settings(jwt_secret=SecretBytes(b"hunter2"))
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.get_secret_value() == b"hunter2"
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "hunter2" not in text
    with pytest.raises(ValueError, match="prot") as caught:
        Settings.model_validate({"jwt_secret": b"hunter2", "prot": 1})
    assert "hunter2" not in str(caught.value)
