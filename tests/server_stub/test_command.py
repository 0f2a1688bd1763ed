"""The relay's command line: which settings it reads from where, and what it says about invalid ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server_stub.command import read_settings
from server_stub.settings import Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RELAY_")]:
        monkeypatch.delenv(name)


class Refused:
    """Runs the command with invalid settings; returns the one line that it writes to stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *argv: str) -> str:
        assert read_settings(argv) == 2
        output = self._capsys.readouterr()
        assert output.out == ""
        assert output.err.count("\n") == 1
        assert "Value error" not in output.err  # pydantic's prefix
        return output.err.removesuffix("\n")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    return Refused(capsys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "relay.toml"


def test_the_defaults_are_those_of_the_manual() -> None:
    assert read_settings([]) == Settings(
        host="127.0.0.1",
        port=8765,
        database="sqlite:///orders.db",
        rate_limit=100,
        rate_burst=200,
        max_connections=10_000,
        max_connections_per_user=32,
        max_handshakes=1024,
        allowed_origins=(),
        jwt_secret_file=(),
        jwt_public_key_file=(),
        jwt_audience=None,
        tls_cert=None,
        tls_key=None,
        insecure=False,
    )


_ORIGINS = ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "text", "toml", "value"),
    [
        ("host", "::1", '"::1"', "::1"),
        ("port", "0", "0", 0),
        ("database", "sqlite:////tmp/x.db", '"sqlite:////tmp/x.db"', "sqlite:////tmp/x.db"),
        ("rate_limit", "0.5", "0.5", 0.5),
        ("rate_burst", "7", "7", 7),
        ("max_connections", "3", "3", 3),
        ("max_connections_per_user", "3", "3", 3),
        ("max_handshakes", "3", "3", 3),
        ("allowed_origins", ", ".join(_ORIGINS), str(list(_ORIGINS)), _ORIGINS),
        ("jwt_secret_file", "/a secret", '"/a secret"', (Path("/a secret"),)),
        ("jwt_public_key_file", "key.pem", '["key.pem"]', (Path("key.pem"),)),
        ("jwt_audience", "relay", '"relay"', "relay"),
    ],
)
def test_the_command_line_wins_over_the_environment_over_the_file(
    name: str, text: str, toml: str, value: object, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*argv: str) -> object:
        return getattr(read_settings(argv), name)

    option, variable = f"--{name.replace('_', '-')}", f"RELAY_{name.upper()}"
    assert read(option, text) == read(f"{option}={text}") == value
    file.write_text(f"{name} = {toml}\n")
    assert read("--config", str(file)) == value
    monkeypatch.setenv(variable, text)
    assert read() == value
    file.write_text(f'{name} = "invalid"\n')
    assert read("--config", str(file)) == value
    monkeypatch.setenv(variable, "invalid")
    assert read(option, text) == value


def test_an_option_may_be_repeated_and_the_last_one_wins() -> None:
    assert read_settings(["--port", "1", "--port", "2"]) == Settings(port=2)


def test_origins_may_also_be_given_by_one_option_each() -> None:
    assert read_settings(["--allowed-origins", "https://a", "--allowed-origins", "https://b"]) == Settings(
        allowed_origins=("https://a", "https://b")
    )


def test_two_keys_are_two_options_or_separated_by_a_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Settings(jwt_secret_file=(Path("/new"), Path("/old")))
    assert read_settings(["--jwt-secret-file", "/new", "--jwt-secret-file", "/old"]) == both
    monkeypatch.setenv("RELAY_JWT_SECRET_FILE", "/new:/old")
    assert read_settings([]) == both


def test_a_secret_itself_is_neither_an_option_nor_a_key_of_a_file(file: Path, refused: Refused) -> None:
    for argv in (["--jwt-secret", "hunter2"], ["--jwt-secret=hunter2"]):
        assert refused(*argv) == "Unknown option: --jwt-secret. Did you mean --jwt-secret-file?"
    file.write_text('jwt_secret = "hunter2"')
    assert refused("--config", str(file)) == f"{file}: unknown key jwt_secret"


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("no", False)])
def test_insecure_is_a_flag(text: str, value: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(["--insecure"]) == Settings(insecure=True)
    monkeypatch.setenv("RELAY_INSECURE", text)
    assert read_settings([]) == Settings(insecure=value)
    assert read_settings(["--insecure"]) == Settings(insecure=True)


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--port", "70000"], "--port (RELAY_PORT): Input should be less than or equal to 65535"),
        (["--port", "-1"], "--port (RELAY_PORT): Input should be greater than or equal to 0"),
        (["--port", "http"], "--port (RELAY_PORT): Input should be a valid integer"),
        (["--port", "1.5"], "--port (RELAY_PORT): Input should be a valid integer"),
        (["--port", ""], "--port (RELAY_PORT): Input should be a valid integer"),
        (["--port"], "--port (RELAY_PORT): missing value"),
        (["--host", ""], "--host (RELAY_HOST): String should have at least 1 character"),
        (["--database", "orders.db"], "--database (RELAY_DATABASE): "),
        (["--jwt-secret-file", "\udcff"], "--jwt-secret-file (RELAY_JWT_SECRET_FILE): it must be UTF-8"),
        (["--database", "sqlite:///"], "--database (RELAY_DATABASE): "),
        (["--database", "postgresql://localhost/orders"], "--database (RELAY_DATABASE): "),
        (["--rate-limit", "-1"], "--rate-limit (RELAY_RATE_LIMIT): "),
        (["--rate-limit", "nan"], "--rate-limit (RELAY_RATE_LIMIT): "),
        (["--rate-limit", "inf"], "--rate-limit (RELAY_RATE_LIMIT): "),
        (["--rate-burst", "1.5"], "--rate-burst (RELAY_RATE_BURST): "),
        (["--max-connections", "many"], "--max-connections (RELAY_MAX_CONNECTIONS): "),
        (
            ["--max-connections-per-user", "-1"],
            "--max-connections-per-user (RELAY_MAX_CONNECTIONS_PER_USER): ",
        ),
        (["--max-handshakes", "-1"], "--max-handshakes (RELAY_MAX_HANDSHAKES): "),
        (
            ["--tls-cert", "a.pem"],
            "--tls-key (RELAY_TLS_KEY): --tls-cert and --tls-key must be given together",
        ),
        (
            ["--tls-key", "a.pem"],
            "--tls-key (RELAY_TLS_KEY): --tls-cert and --tls-key must be given together",
        ),
        (["--tls-cert", ""], "--tls-cert (RELAY_TLS_CERT): String should have at least 1 character"),
        (["--insecure=perhaps"], "--insecure (RELAY_INSECURE): invalid value; --help describes it"),
        (["--por", "1"], "Unknown option: --por. Did you mean --port?"),
        (["--nonsense"], "Unknown option: --nonsense."),
        (["extra"], "unexpected argument 'extra'; --help lists the options"),
    ],
)
def test_an_invalid_option_is_refused_in_one_line_that_names_it(
    argv: list[str], line: str, refused: Refused
) -> None:
    assert refused(*argv).startswith(line)


def test_an_invalid_variable_is_refused_in_the_same_way(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY_INSECURE", "perhaps")
    assert refused().startswith("--insecure (RELAY_INSECURE): Input should be a valid boolean")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('port = "http"', "port: Input should be a valid integer"),
        ("port = 70000", "port: Input should be less than or equal to 65535"),
        ("port = [1, 2]", "port: invalid value; --help describes it"),
        ('database = "orders.db"', "database: "),
        ("prot = 1", "unknown key prot"),
        ("port.number = 1", "unknown key port.number"),
        ("[relay]\nport = 1", "unknown key relay.port"),
        ("port = ", "invalid TOML: "),
        ("\udcff", "invalid TOML: "),
    ],
)
def test_an_invalid_file_is_refused_in_one_line_that_names_it_and_the_key(
    content: str, line: str, file: Path, refused: Refused
) -> None:
    file.write_bytes(content.encode(errors="surrogateescape"))
    assert refused("--config", str(file)).startswith(f"{file}: {line}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, refused: Refused) -> None:
    assert refused("--config", str(tmp_path)) == f"{tmp_path}: cannot be read: Is a directory"
    absent = tmp_path / "absent.toml"
    assert refused("--config", str(absent)) == f"{absent}: cannot be read: No such file or directory"


def test_the_file_may_be_named_in_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("port = 1\n")
    monkeypatch.setenv("RELAY_CONFIG", str(file))
    assert read_settings([]) == Settings(port=1)


def test_help_names_every_option_with_its_variable_and_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert read_settings(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, field in Settings.model_fields.items():
        if name == "jwt_secret":
            assert "RELAY_JWT_SECRET is the secret itself" in text
            continue
        assert f"--{name.replace('_', '-')} " in text
        assert f"[env var: RELAY_{name.upper()}]" in text
        if field.default not in ((), False, None):
            assert f"[default: {field.default}]" in text


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_settings(["--version"]) == 0
    assert capsys.readouterr().out.count(".") == 2
