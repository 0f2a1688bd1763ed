"""A text that may change often, and costs nothing while it does not."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

__all__ = ["Line"]


class Line(Static):
    """Shows a text; the same one again is no reason to lay out the screen anew."""

    def show(self, text: Content) -> None:
        """Show this text, as it is: no markup is read from it."""
        if text != self.content:
            self.update(text)
