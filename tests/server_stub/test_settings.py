from __future__ import annotations

import pytest

from server_stub.settings import Settings, SettingsError, read_settings


def test_the_defaults_are_those_of_the_manual() -> None:
    assert read_settings([], {}) == Settings(
        host="127.0.0.1",
        port=8765,
        database="sqlite:///orders.db",
        rate_limit=100,
        rate_burst=200,
        max_connections=10_000,
        allowed_origins=(),
        insecure=False,
    )


_OPTIONS = [
    ("host", "::1", "::1"),
    ("port", "0", 0),
    ("database", "sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ("rate_limit", "0.5", 0.5),
    ("rate_burst", "7", 7),
    ("max_connections", "3", 3),
    ("allowed_origins", "https://a.example, https://b.example", ("https://a.example", "https://b.example")),
]


@pytest.mark.parametrize(("name", "text", "value"), _OPTIONS)
def test_each_option_is_an_environment_variable_too_and_the_command_line_wins(
    name: str, text: str, value: object
) -> None:
    option, variable = f"--{name.replace('_', '-')}", f"RELAY_{name.upper()}"
    assert getattr(read_settings([option, text], {}), name) == value
    assert getattr(read_settings([f"{option}={text}"], {}), name) == value
    assert getattr(read_settings([], {variable: text}), name) == value
    assert getattr(read_settings([option, text], {variable: "nonsense"}), name) == value


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("no", False)])
def test_insecure_is_a_flag(text: str, value: bool) -> None:
    assert read_settings(["--insecure"], {}).insecure
    assert read_settings([], {"RELAY_INSECURE": text}).insecure is value
    assert read_settings(["--insecure"], {"RELAY_INSECURE": "0"}).insecure


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--port", "70000"], "--port (RELAY_PORT)"),
        (["--port", "-1"], "--port (RELAY_PORT)"),
        (["--port", "http"], "--port (RELAY_PORT)"),
        (["--port", "1.5"], "--port (RELAY_PORT)"),
        (["--port", ""], "--port (RELAY_PORT)"),
        (["--port"], "--port"),
        (["--host", ""], "--host (RELAY_HOST)"),
        (["--database", "orders.db"], "--database (RELAY_DATABASE)"),
        (["--database", "sqlite:///"], "--database (RELAY_DATABASE)"),
        (["--database", "postgresql://localhost/orders"], "--database (RELAY_DATABASE)"),
        (["--rate-limit", "-1"], "--rate-limit (RELAY_RATE_LIMIT)"),
        (["--rate-limit", "nan"], "--rate-limit (RELAY_RATE_LIMIT)"),
        (["--rate-limit", "inf"], "--rate-limit (RELAY_RATE_LIMIT)"),
        (["--rate-burst", "1.5"], "--rate-burst (RELAY_RATE_BURST)"),
        (["--max-connections", "many"], "--max-connections (RELAY_MAX_CONNECTIONS)"),
        (["--por", "1"], "--por"),
        (["--nonsense"], "--nonsense"),
        (["extra"], "extra"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_it(argv: list[str], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(argv, {})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_variable_is_refused_as_well() -> None:
    with pytest.raises(SettingsError, match="RELAY_INSECURE"):
        read_settings([], {"RELAY_INSECURE": "perhaps"})


def test_help_names_every_option_with_its_variable_and_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--help"], {})
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert f"RELAY_{name.upper()}" in text
        if field.default not in ((), False):
            assert f"default {field.default}" in text


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="prot"):
        Settings.model_validate({"prot": 1})
