"""The box of the screens that open on top to be read."""

from __future__ import annotations

from typing import ClassVar

from textual.containers import VerticalScroll

__all__ = ["Box"]


class Box(VerticalScroll):
    """Is as high as its content, and scrolls where the screen is smaller. What opens it sets the width."""

    DEFAULT_CSS: ClassVar[str] = """
    Box {
        max-width: 96%;
        height: auto;
        max-height: 96%;
        padding: 0 2;
        border: round $primary;
        border-title-color: $text-primary;
        border-subtitle-color: $text-muted;
        background: $surface;
    }
    """

    def __init__(self, title: str, subtitle: str) -> None:
        super().__init__()
        self.border_title = title
        self.border_subtitle = subtitle
