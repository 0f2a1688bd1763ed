"""A text that is updated often, at no cost if it is unchanged."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

__all__ = ["Line"]


class Line(Static):
    """Shows a text; showing the same one again causes no layout."""

    def show(self, text: Content) -> None:
        """Show this text. It is not parsed as markup."""
        if text != self.content:
            self.update(text)
