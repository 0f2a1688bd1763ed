"""The commands of `socket-bloc`."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.sequence import Sequence

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run one of the commands; `argv` is the command line without its first word. Returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["relay"]:
        from server_stub.__main__ import main as relay

        return relay(words[1:])
    arguments = _parser().parse_args(words)
    if arguments.command in ("client", "serviceman"):
        return _app(arguments)
    return _demo(arguments)


def _demo(arguments: argparse.Namespace) -> int:
    from tui.sequence import Sequence, as_mermaid

    mermaid: Path | None = arguments.mermaid
    if mermaid is not None:
        try:
            mermaid.touch()  # to find out now, not after all was played
        except OSError as error:
            sys.stderr.write(f"--mermaid: {mermaid} cannot be written: {error.strerror}\n")
            return 2
    sequence = Sequence()
    try:
        return _play(sequence, plain=arguments.plain or not sys.stdout.isatty(), theme=arguments.theme)
    except KeyboardInterrupt:
        return 130
    finally:
        if mermaid is not None:
            mermaid.write_text(as_mermaid(sequence.arrows), encoding="utf-8")


def _play(sequence: Sequence, *, plain: bool, theme: str | None) -> int:
    if not plain and find_spec("textual") is None:
        sys.stderr.write("pip install 'socket-bloc[tui]' shows the demo on a screen; these are its lines\n")
        plain = True
    if plain:
        from tui.transcript import run

        return run(sequence)
    from textual.theme import BUILTIN_THEMES

    from tui.demo import run_demo
    from tui.settings import SettingsError, read_theme

    try:
        return run_demo(sequence, read_theme(theme, os.environ, BUILTIN_THEMES))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _app(arguments: argparse.Namespace) -> int:
    if find_spec("textual") is None:
        sys.stderr.write("the apps need Textual: pip install 'socket-bloc[tui]'\n")
        return 2
    from textual.theme import BUILTIN_THEMES

    from tui.app import run_role_app
    from tui.client import ClientApp
    from tui.serviceman import ServicemanApp
    from tui.settings import SettingsError, read_settings

    try:
        settings = read_settings(arguments.user, arguments.uri, arguments.theme, os.environ, BUILTIN_THEMES)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # Textual draws on stderr, unless it is told to draw elsewhere, as by `textual serve`.
    if not (sys.stdin.isatty() and sys.stderr.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        sys.stderr.write("the apps need a terminal; neither stdin nor stderr may be redirected\n")
        return 2
    return run_role_app(ClientApp if arguments.command == "client" else ServicemanApp, settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="socket-bloc",
        description="Order statuses in real time: two apps, the relay, and a demo of a whole order.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for role, what in (("client", "place orders, and see them through"), ("serviceman", "accept orders")):
        app = commands.add_parser(role, help=f"{what}, in the terminal")
        app.add_argument("--user", metavar="ID", help="who is connected [SOCKET_BLOC_USER]")
        app.add_argument("--uri", help="the relay, ws://host:port/order [SOCKET_BLOC_URI]")
        app.add_argument("--theme", metavar="NAME", help="a theme of Textual [SOCKET_BLOC_THEME]")
    demo = commands.add_parser("demo", help="both sides of an order, and the sequence between them")
    demo.add_argument(
        "--plain", action="store_true", help="print a line for each arrow, as is also done without a terminal"
    )
    demo.add_argument("--theme", metavar="NAME", help="a theme of Textual [SOCKET_BLOC_THEME]")
    demo.add_argument("--mermaid", metavar="FILE", type=Path, help="write the sequence as a Mermaid diagram")
    commands.add_parser("relay", help="run the relay; `socket-bloc relay --help` lists its options")
    return parser
