"""The sequence diagram as it grows: four lifelines, and an arrow for each observed event."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.padding import Padding
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import RichLog, Static

from tui.binding import BlocNode
from tui.sequence import Arrow, Party, Sequence

__all__ = ["SequenceView", "lifelines"]

# As on the stage: the database is behind the relay.
_LANES: Final = (Party.CLIENT, Party.KTOR_SERVER, Party.DATABASE, Party.SERVICEMAN)
_GAP: Final = 6
_MARGIN: Final = " " * 5
WIDE: Final = 76
"""Columns from which the text is next to its arrow, not below it."""


def lifelines(source: Party, target: Party) -> str:
    """Return one arrow between the lifelines: `│─────▶│     │     │`."""
    start, end = _LANES.index(source) * _GAP, _LANES.index(target) * _GAP
    low, high = sorted((start, end))
    row = ["│" if column % _GAP == 0 else " " for column in range((len(_LANES) - 1) * _GAP + 1)]
    for column in range(low + 1, high):
        row[column] = "┼" if column % _GAP == 0 else "─"
    if start < end:
        row[start], row[end - 1] = "├", "▶"
    else:
        row[start], row[end + 1] = "┤", "◀"
    return "".join(row)


class SequenceView(BlocNode, Vertical):
    """Every arrow that a `Sequence` records from now on; the newest at the bottom."""

    DEFAULT_CSS: ClassVar[str] = """
    SequenceView {
        border-title-color: $text-primary;
        & > Static { text-style: bold; color: $text-primary; }
        & > RichLog { height: 1fr; background: transparent; scrollbar-size-vertical: 1; }
    }
    """

    def __init__(self, sequence: Sequence, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sequence = sequence

    def compose(self) -> ComposeResult:
        yield Static(_MARGIN + "".join(f"{party:<{_GAP}}" for party in _LANES))
        yield RichLog(wrap=True, min_width=30, max_lines=2000, auto_scroll=True)

    def on_mount(self) -> None:
        self.listen_to(self._sequence, self._draw)

    def _draw(self, arrow: Arrow | None) -> None:
        assert arrow is not None  # only the initial state is None
        log = self.query_one(RichLog)
        lines = Text.assemble((f"{arrow.number:>4} ", "dim"), lifelines(arrow.source, arrow.target), "  ")
        status = f"{arrow.status.name} {arrow.status:d}  " if arrow.status else ""
        text = Text.assemble((status, "bold"), arrow.text)
        time = Text(f"{arrow.seconds * 1000:.1f} ms", "dim")
        if self.size.width >= WIDE:
            log.write(Text.assemble(lines, text, "  ", time))
        else:
            log.write(lines + time)
            log.write(Padding(text, (0, 0, 0, len(_MARGIN))))
