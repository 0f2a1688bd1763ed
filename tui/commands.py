"""The commands of `socket-bloc`: their options, and what they need to run.

What they show is in the other modules, which are imported when a command runs: so `--help` and an invalid
option are answered at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
    from socket_bloc.link import check_uris

    if not uri:
        return  # as if it was not set
    try:
        check_uris(uri if "," not in uri else _split(uri))
    except ValueError as error:
        raise ValueError(str(error).removeprefix("uri: ")) from None


def _check_ca_file(_type: object, ca_file: str | None) -> None:
    from tui.connecting import trust

    if ca_file:
        trust(_path(ca_file))


def _check_theme(_type: object, theme: str) -> None:
    if not theme or find_spec("textual") is None:
        return  # as if it was not set, or because there is nothing to show
    from textual.theme import BUILTIN_THEMES

    if theme not in BUILTIN_THEMES:
        raise ValueError(f"unknown theme {theme!r}; choose one of {', '.join(BUILTIN_THEMES)}")


_Theme = Annotated[
    str | None, Parameter(validator=_check_theme, help="a theme of Textual; by default the one chosen last")
]
_URI: Final = "ws://127.0.0.1:8765/order"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class _Options:
    """The options of both apps."""

    user: Annotated[str, Parameter(validator=_check_user, help="user id; for example --user c-17")]
    uri: Annotated[
        str,
        Parameter(
            validator=_check_uri,
            help="relay to connect to, as in wss://host/order; several addresses with commas",
        ),
    ] = _URI
    token_file: Annotated[
        str | None, Parameter(help="file with the bearer token, which is read again at each attempt")
    ] = None
    ca_file: Annotated[
        str | None,
        Parameter(
            validator=_check_ca_file,
            help="PEM file with the certificates to trust, instead of those that this machine trusts",
        ),
    ] = None
    outbox: Annotated[
        str | None,
        Parameter(help="file of what is queued, or memory; by default one in your state directory"),
    ] = None
    theme: _Theme = None


@app.command
def client(*, options: _Options, config: ConfigFile = None) -> int:
    """Place orders and follow them, in the terminal."""
    return _run_app("client", options)


@app.command
def serviceman(*, options: _Options, config: ConfigFile = None) -> int:
    """Accept orders and work on them, in the terminal."""
    return _run_app("serviceman", options)


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


def _run_app(role: Literal["client", "serviceman"], options: _Options) -> int:
    if find_spec("textual") is None:
        sys.stderr.write("the apps need Textual: pip install 'socket-bloc[tui]'\n")
        return 2
    # Textual draws on stderr, unless it is set to draw elsewhere, as by `textual serve`.
    if not (sys.stdin.isatty() and sys.stderr.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        sys.stderr.write("the apps need a terminal; stdin and stderr must not be redirected\n")
        return 2
    from socket_bloc import ClientType
    from tui.app import run_role_app
    from tui.client import ClientApp
    from tui.serviceman import ServicemanApp
    from tui.settings import AppSettings, default_outbox, theme_or_remembered

    uris = _split(options.uri or _URI)
    outbox = _path(options.outbox) if options.outbox else default_outbox(options.user, ClientType(role), uris)
    if options.ca_file and not all(uri.startswith("wss:") for uri in uris):
        sys.stderr.write("--ca-file (SOCKET_BLOC_CA_FILE): it needs a --uri that begins with wss://\n")
        return 2
    settings = AppSettings(
        options.user,
        uris,
        theme_or_remembered(options.theme),
        outbox=None if options.outbox == "memory" else outbox,
        token_file=_path(options.token_file) if options.token_file else None,
        ca_file=_path(options.ca_file) if options.ca_file else None,
    )
    return run_role_app(ClientApp if role == "client" else ServicemanApp, settings)


def _split(uris: str) -> tuple[str, ...]:
    return tuple(uri.strip() for uri in uris.split(","))


def _path(file: str) -> Path:
    return Path(file).expanduser()


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
