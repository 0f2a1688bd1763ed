"""The commands of `socket-bloc`: where their settings come from, and what is said about invalid ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence as SequenceOf
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from server_stub.ledger.sqlite.store import SqliteStore
from socket_bloc import ClientType, Socket
from tests.certificates import AUTHORITY
from tui.__main__ import main
from tui.app import RoleApp
from tui.client import ClientApp
from tui.sequence import Party, Sequence
from tui.serviceman import ServicemanApp
from tui.settings import AppSettings, LastTheme, default_outbox

URI = "ws://127.0.0.1:8765/order"


class Start:
    """Runs a command whose app is replaced: returns the app's class and its settings."""

    def __init__(self) -> None:
        self.started: list[tuple[type[RoleApp], AppSettings]] = []

    def run_role_app(self, kind: type[RoleApp], settings: AppSettings) -> int:
        self.started.append((kind, settings))
        return 7

    def __call__(self, *argv: str) -> tuple[type[RoleApp], AppSettings]:
        assert main(argv) == 7  # the exit status of the app
        return self.started.pop()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    start = Start()
    monkeypatch.setattr("tui.app.run_role_app", start.run_role_app)
    monkeypatch.setenv("TEXTUAL_DRIVER", "some.other:Driver")  # no terminal is needed
    return start


class Refused:
    """Runs a command that ends with 2; returns the one line that it writes to stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *argv: str) -> str:
        assert main(argv) == 2
        output = self._capsys.readouterr()
        assert output.out == ""
        assert output.err.count("\n") == 1
        return output.err.removesuffix("\n")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    return Refused(capsys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The settings file that is read without `--config`."""
    path = tmp_path / "config" / "socket-bloc" / "settings.toml"
    path.parent.mkdir(parents=True)
    return path


def settings(user: str, *uris: str, theme: str = "textual-dark", **others: Any) -> AppSettings:
    """The settings of a client with an outbox in the state directory."""
    return AppSettings(user, uris, theme, default_outbox(user, ClientType.CLIENT, uris), **others)


def test_only_the_user_is_required(start: Start) -> None:
    assert URI == Socket.WEBSOCKET_URI
    assert start("client", "--user", "c-17") == (ClientApp, settings("c-17", URI))
    outbox = default_outbox("s-4", ClientType.SERVICEMAN, [URI])
    expected = AppSettings("s-4", (URI,), "textual-dark", outbox)
    assert start("serviceman", "--user", "s-4") == (ServicemanApp, expected)


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_theme_chosen_last(
    start: Start, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LastTheme().write("nord")
    assert start("client", "--user", "c-17")[1].theme == "nord"
    file.write_text('[client]\nuser = "c-1"\nuri = "ws://file/order"\ntheme = "monokai"\n[demo]\n')
    assert start("client")[1] == settings("c-1", "ws://file/order", theme="monokai")
    monkeypatch.setenv("SOCKET_BLOC_USER", "c-2")
    monkeypatch.setenv("SOCKET_BLOC_URI", "ws://variable/order")
    monkeypatch.setenv("SOCKET_BLOC_THEME", "gruvbox")
    assert start("client")[1] == settings("c-2", "ws://variable/order", theme="gruvbox")
    given = start("client", "--user", "c-3", "--uri", "wss://option/order", "--theme", "dracula")
    assert given[1] == settings("c-3", "wss://option/order", theme="dracula")


def test_another_file_is_read_instead_of_the_default_one(start: Start, file: Path, tmp_path: Path) -> None:
    file.write_text("not = valid\n")
    other = tmp_path / "other.toml"
    other.write_text('[client]\nuser = "c-1"\n[serviceman]\nuser = "s-4"\n')
    assert start("client", "--config", str(other))[1].user == "c-1"
    assert start("serviceman", "--config", str(other))[1].user == "s-4"


def test_an_empty_variable_counts_as_unset(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCKET_BLOC_URI", "")
    for name in ("THEME", "OUTBOX", "TOKEN_FILE", "CA_FILE"):
        monkeypatch.setenv(f"SOCKET_BLOC_{name}", "")
    assert start("client", "--user", "c-17")[1] == settings("c-17", URI)


def test_several_addresses_are_separated_by_commas(start: Start) -> None:
    given = start("client", "--user", "c-17", "--uri", "wss://a/order, wss://b/order")
    assert given[1] == settings("c-17", "wss://a/order", "wss://b/order")


def test_the_outbox_is_in_memory_or_in_another_file_on_request(start: Start, file: Path) -> None:
    assert start("client", "--user", "c-17", "--outbox", "memory")[1].outbox is None
    file.write_text('[client]\nuser = "c-1"\noutbox = "~/c-1.db"\n')
    assert start("client")[1].outbox == Path.home() / "c-1.db"


def test_the_files_of_the_token_and_of_the_trusted_certificates_are_settings_too(
    start: Start, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_file, token_file = tmp_path / "ca.pem", tmp_path / "token"
    AUTHORITY.cert_pem.write_to_path(ca_file)
    file.write_text(f'[client]\nuser = "c-17"\nuri = "wss://a/order"\nca-file = "{ca_file}"\n')
    monkeypatch.setenv("SOCKET_BLOC_TOKEN_FILE", str(token_file))  # which need not exist yet
    expected = settings("c-17", "wss://a/order", token_file=token_file, ca_file=ca_file)
    assert start("client")[1] == expected


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["client"], "--user (SOCKET_BLOC_USER): missing user id; for example --user c-17"),
        (["client", "--user"], "--user (SOCKET_BLOC_USER): missing value"),
        (["client", "--user", "c" * 129], "--user (SOCKET_BLOC_USER): it must have 1 to 128"),
        (["client", "--user", "a\nb"], "--user (SOCKET_BLOC_USER): it must have no control"),
        (["client", "--user", "c", "--uri", "http://r"], "--uri (SOCKET_BLOC_URI): it must be like ws://"),
        (["client", "--user", "c", "--uri", "ws://a/o,"], "--uri (SOCKET_BLOC_URI): address 2 of 2 (''): "),
        (
            ["client", "--user", "c", "--ca-file", "/absent"],
            "--ca-file (SOCKET_BLOC_CA_FILE): /absent cannot be read: No such file or directory",
        ),
        (
            ["client", "--user", "c", "--uri", "wss://a/o", "--ca-file", __file__],
            f"--ca-file (SOCKET_BLOC_CA_FILE): {__file__} has no certificate in PEM",
        ),
        (["client", "--user", "c", "--theme", "pink"], "--theme (SOCKET_BLOC_THEME): unknown theme 'pink'; "),
        (["demo", "--theme", "pink"], "--theme (SOCKET_BLOC_THEME): unknown theme 'pink'; choose one of "),
        (["completion"], "SHELL (SOCKET_BLOC_SHELL): missing name of the shell: bash, zsh or fish"),
        ([], "missing command; socket-bloc --help lists them"),
        (["clint"], 'Unknown command "clint". Did you mean "client"?'),
        (["client", "--user", "c", "--them", "x"], "Unknown option: --them. Did you mean --theme?"),
    ],
)
def test_an_invalid_command_line_is_refused_in_one_line(
    argv: SequenceOf[str], line: str, refused: Refused
) -> None:
    assert refused(*argv).startswith(line)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('[client]\nuser = "c-1"\nuri = "http://relay"', "uri: it must be like ws://"),
        ('[client]\nusers = "c-1"', "unknown key users"),
        ('user = "c-1"', "unknown table user; use [client], [serviceman], [demo]"),
        ("[clint]", "unknown table clint; use [client], [serviceman], [demo]"),
    ],
)
def test_an_invalid_file_is_refused_in_one_line_that_names_it_and_the_key(
    content: str, line: str, file: Path, refused: Refused
) -> None:
    file.write_text(content)
    assert refused("client").startswith(f"{file}: {line}")


def test_certificates_to_trust_need_an_address_with_tls(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTUAL_DRIVER", "some.other:Driver")
    ca_file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca_file)
    line = refused("client", "--user", "c-17", "--uri", "wss://a/o,ws://b/o", "--ca-file", str(ca_file))
    assert line == "--ca-file (SOCKET_BLOC_CA_FILE): it needs a --uri that begins with wss://"


def test_without_textual_the_apps_say_what_to_install(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "textual", None)
    line = "the apps need Textual: pip install 'socket-bloc[tui]'"
    assert refused("client", "--user", "c-17", "--theme", "nord") == line


@pytest.mark.parametrize("library", ["cyclopts", "platformdirs"])
def test_without_what_the_commands_need_they_say_what_to_install(
    library: str, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    line = "the commands need cyclopts and platformdirs: pip install 'socket-bloc[tui]'"
    assert refused("client", "--user", "c-17") == line


class Demo:
    """Runs the demo as in a terminal, with both ways to play it replaced; records which one was taken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tui.demo.run_demo", self.on_a_screen)
        monkeypatch.setattr("tui.transcript.run", self.in_lines)
        self._monkeypatch = monkeypatch
        self.played: list[str] = []

    def __call__(self, *argv: str) -> int:
        self._monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        return main(["demo", *argv])

    def on_a_screen(self, sequence: Sequence, theme: str) -> int:
        self.played.append(theme)
        sequence.record(Party.CLIENT, Party.KTOR_SERVER)
        return 7

    def in_lines(self, sequence: Sequence) -> int:
        self.played.append("lines")
        sequence.record(Party.CLIENT, Party.KTOR_SERVER)
        raise KeyboardInterrupt


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Demo:
    return Demo(monkeypatch)


def test_the_demo_plays_on_a_screen_if_there_is_a_terminal(demo: Demo) -> None:
    assert demo("--theme", "nord") == 7
    assert demo.played == ["nord"]


def test_an_interrupted_demo_still_writes_the_mermaid_file(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "demo.mmd"
    assert demo("--plain", "--mermaid", str(file)) == 130
    assert demo.played == ["lines"]
    assert "C ->> K : connect to the Server" in file.read_text()


def test_without_textual_the_demo_prints_lines_and_says_what_to_install(
    demo: Demo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "textual", None)
    assert demo() == 130
    assert demo.played == ["lines"]
    assert capsys.readouterr().err.count("pip install 'socket-bloc[tui]'") == 1


def test_a_mermaid_file_that_cannot_be_written_is_named_before_anything_is_played(
    demo: Demo, refused: Refused, tmp_path: Path
) -> None:
    file = tmp_path / "absent" / "demo.mmd"
    assert refused("demo", "--mermaid", str(file)) == (
        f"--mermaid: {file} cannot be written: No such file or directory"
    )
    assert demo.played == []


def test_without_a_terminal_the_apps_say_so(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    assert refused("client", "--user", "c-17").startswith("the apps need a terminal;")


def test_the_relay_is_one_of_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui", "relay", "--port", "x"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("--port (RELAY_PORT): Input should be a valid integer")


def test_a_token_is_printed_by_one_of_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of at least thirty-two bytes")
    assert main(["token", "--user", "c-17", "--type", "client", "--secret-file", str(secret)]) == 0
    assert capsys.readouterr().out.count(".") == 2


@pytest.mark.parametrize("missing", ["cyclopts", "jwt", "cryptography"])
def test_without_what_a_token_needs_one_line_says_what_to_install(
    missing: str, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert refused("token") == "tokens need cyclopts and PyJWT: pip install 'socket-bloc[server]'"


def test_a_database_is_backed_up_by_one_of_the_commands(tmp_path: Path) -> None:
    SqliteStore(str(tmp_path / "orders.db")).close()
    database = f"sqlite:///{tmp_path}/orders.db"
    assert main(["backup", "--database", database, str(tmp_path / "backup.db")]) == 0
    assert (tmp_path / "backup.db").exists()


def test_without_what_a_backup_needs_one_line_says_what_to_install(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    assert refused("backup", "x.db") == "backups need cyclopts: pip install 'socket-bloc[server]'"


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("client", "serviceman", "demo", "relay", "backup", "token", "completion", "--version"):
        assert f"│ {command} " in text


def complete(script: str, words: str) -> list[str]:
    """Complete the last of the words as bash does."""
    command = f"""{script}
    COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _socket_bloc
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_completion_for_bash_knows_the_commands_and_their_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert complete(script, "socket-bloc se") == ["serviceman"]
    assert complete(script, "socket-bloc relay --rate") == ["--rate-limit", "--rate-burst"]
    assert complete(script, "socket-bloc client --u") == ["--user", "--uri"]
