"""The commands of `socket-bloc`: their options, and what they need to run.

What they show is in the other modules, which are imported when a command runs: so `--help` and an invalid
option are answered at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter
from platformdirs import user_config_path

from server_stub import command_line
from server_stub.command_line import ConfigFile, new_app

if TYPE_CHECKING:
    from tui import sequence

__all__ = ["app", "run"]

app = new_app(
    "socket-bloc",
    "Order statuses in real time: two apps, the relay, and a demo of two whole orders.",
    variables="SOCKET_BLOC_",
    default_file=lambda: user_config_path("socket-bloc") / "settings.toml",
    tables=("client", "serviceman", "demo"),
)
# For `--help` and the completion: `__main__` runs it.
app.command("server_stub.command:relay", name="relay", help="Run the relay.")
app.command("server_stub.backup_command:backup", name="backup", help="Copy the database of a relay.")
app.command("server_stub.token_command:token", name="token", help="Print a token, for development.")


def run(argv: Sequence[str]) -> int:
    """Run the command that `argv` names. Returns its exit status."""
    if not argv:
        sys.stderr.write("missing command; socket-bloc --help lists them\n")
        return 2
    return command_line.run(app, argv)


def _check_user(_type: object, user: str) -> None:
    from socket_bloc.order_status import check_user_id

    check_user_id(user)


def _check_uri(_type: object, uri: str) -> None:
    from socket_bloc.link import check_uri

    if not uri:
        return  # as if it was not set
    try:
        check_uri(uri)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("uri: ")) from None


def _check_theme(_type: object, theme: str) -> None:
    if not theme or find_spec("textual") is None:
        return  # as if it was not set, or because there is nothing to show
    from textual.theme import BUILTIN_THEMES

    if theme not in BUILTIN_THEMES:
        raise ValueError(f"unknown theme {theme!r}; choose one of {', '.join(BUILTIN_THEMES)}")


_User = Annotated[str, Parameter(validator=_check_user, help="user id; for example --user c-17")]
_Uri = Annotated[str, Parameter(validator=_check_uri, help="relay to connect to, as in wss://host/order")]
_Theme = Annotated[
    str | None, Parameter(validator=_check_theme, help="a theme of Textual; by default the one chosen last")
]
_URI: Final = "ws://127.0.0.1:8765/order"


@app.command
def client(*, user: _User, uri: _Uri = _URI, theme: _Theme = None, config: ConfigFile = None) -> int:
    """Place orders and follow them, in the terminal."""
    return _run_app("client", user, uri, theme)


@app.command
def serviceman(*, user: _User, uri: _Uri = _URI, theme: _Theme = None, config: ConfigFile = None) -> int:
    """Accept orders and work on them, in the terminal."""
    return _run_app("serviceman", user, uri, theme)


@app.command
def demo(
    *,
    plain: Annotated[bool, Parameter(help="print a line for each arrow, as without a terminal")] = False,
    theme: _Theme = None,
    mermaid: Annotated[Path | None, Parameter(help="also write the sequence as a Mermaid diagram")] = None,
    config: ConfigFile = None,
) -> int:
    """Show both sides of two orders, and the sequence between them."""
    from tui.sequence import Sequence, as_mermaid

    if mermaid is not None:
        try:
            mermaid.touch()  # to fail now, not after the demo
        except OSError as error:
            sys.stderr.write(f"--mermaid: {mermaid} cannot be written: {error.strerror}\n")
            return 2
    sequence = Sequence()
    try:
        return _run_demo(sequence, plain=plain or not sys.stdout.isatty(), theme=theme)
    except KeyboardInterrupt:
        return 130
    finally:
        if mermaid is not None:
            mermaid.write_text(as_mermaid(sequence.arrows), encoding="utf-8")


@app.command
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="name of the shell: bash, zsh or fish")],
    /,
) -> None:
    """Print a completion script for a shell."""
    sys.stdout.write(app.generate_completion(shell=shell))


def _run_app(role: Literal["client", "serviceman"], user: str, uri: str, theme: str | None) -> int:
    if find_spec("textual") is None:
        sys.stderr.write("the apps need Textual: pip install 'socket-bloc[tui]'\n")
        return 2
    # Textual draws on stderr, unless it is set to draw elsewhere, as by `textual serve`.
    if not (sys.stdin.isatty() and sys.stderr.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        sys.stderr.write("the apps need a terminal; stdin and stderr must not be redirected\n")
        return 2
    from tui.app import run_role_app
    from tui.client import ClientApp
    from tui.serviceman import ServicemanApp
    from tui.settings import AppSettings, theme_or_remembered

    kind = ClientApp if role == "client" else ServicemanApp
    return run_role_app(kind, AppSettings(user, uri or _URI, theme_or_remembered(theme)))


def _run_demo(sequence: sequence.Sequence, *, plain: bool, theme: str | None) -> int:
    if not plain and find_spec("textual") is None:
        sys.stderr.write(
            "no Textual, so no screen: pip install 'socket-bloc[tui]' for the demo on a screen\n"
        )
        plain = True
    if plain:
        from tui.transcript import run as run_transcript

        return run_transcript(sequence)
    from tui.demo import run_demo
    from tui.settings import theme_or_remembered

    return run_demo(sequence, theme_or_remembered(theme))
