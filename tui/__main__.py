"""The `socket-bloc` command, also `python -m tui`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; `argv` is the command line without its first word. Returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["relay"]:
        from server_stub.__main__ import main as relay

        return relay(words[1:])
    arguments = _parser().parse_args(words)
    if arguments.command in ("client", "serviceman"):
        return _app(arguments)
    try:
        return _demo(arguments.mermaid)
    except KeyboardInterrupt:
        return 130


def _demo(mermaid: Path | None) -> int:
    from tui.transcript import run

    return run(mermaid)


def _app(arguments: argparse.Namespace) -> int:
    if find_spec("textual") is None:
        sys.stderr.write("the apps need Textual; pip install 'socket-bloc[tui]'\n")
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
    demo = commands.add_parser("demo", help="play two whole orders, and print each arrow as it happens")
    demo.add_argument("--plain", action="store_true", help="print lines, as is also done without a terminal")
    demo.add_argument("--mermaid", metavar="FILE", type=Path, help="write the sequence as a Mermaid diagram")
    commands.add_parser("relay", help="run the relay; `socket-bloc relay --help` lists its options")
    return parser


if __name__ == "__main__":
    sys.exit(main())
