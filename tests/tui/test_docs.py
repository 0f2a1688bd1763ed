"""The examples of docs/apps.md work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from textual.app import App
from textual.binding import Binding

from socket_bloc import ClientType
from tests.tui.screen import listeners, until_shown
from tui.client import ClientPanel
from tui.serviceman import ServicemanPanel

DOCS = Path(__file__).parents[2] / "docs" / "apps.md"


async def test_the_snippet_runs() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(snippet, str(DOCS), "exec"), names)
    app: App[None] = names["CounterApp"]()
    async with app.run_test(notifications=True) as pilot:
        await until_shown(pilot, "0 so far")
        await pilot.press("space", "space")
        await until_shown(pilot, "2 so far", "now 1", "now 2")
    assert listeners(names["CounterApp"]().counter) == 0


def test_each_key_of_the_panels_is_in_the_table() -> None:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for panel, column in ((ClientPanel, 2), (ServicemanPanel, 3)):
        for binding in panel.BINDINGS:
            assert isinstance(binding, Binding)
            row = next(row for row in rows if f"`{binding.key}`" in row.split("|")[1])
            text = row.split("|")[column].strip()
            if binding.action.startswith("send"):
                assert text == binding.tooltip
            else:
                assert text
    assert {ClientPanel.ROLE, ServicemanPanel.ROLE} == set(ClientType)
