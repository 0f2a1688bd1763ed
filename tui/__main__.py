"""The `socket-bloc` command, also `python -m tui`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; `argv` is the command line without its first word. Returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["relay"]:
        from server_stub.__main__ import main as relay

        return relay(words[1:])
    arguments = _parser().parse_args(words)
    try:
        return _demo(arguments.mermaid)
    except KeyboardInterrupt:
        return 130


def _demo(mermaid: Path | None) -> int:
    from tui.transcript import run

    return run(mermaid)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="socket-bloc", description="Order statuses in real time: the relay, and a demo of a whole order."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="play two whole orders, and print each arrow as it happens")
    demo.add_argument("--plain", action="store_true", help="print lines, as is also done without a terminal")
    demo.add_argument("--mermaid", metavar="FILE", type=Path, help="write the sequence as a Mermaid diagram")
    commands.add_parser("relay", help="run the relay; `socket-bloc relay --help` lists its options")
    return parser


if __name__ == "__main__":
    sys.exit(main())
