from __future__ import annotations

import pytest

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
