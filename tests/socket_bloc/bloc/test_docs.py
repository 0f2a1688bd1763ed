"""The examples of docs/bloc.md, run from the first to the last as a reader would."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import CodeType
from typing import Any

AWAITING = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
PAGE = Path(__file__).parents[3] / "docs" / "bloc.md"
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets() -> list[CodeType]:
    """The examples, each compiled with the line numbers of the page."""
    page = PAGE.read_text()
    compiled: list[CodeType] = []
    for match in SNIPPET.finditer(page):
        lines_before = page.count("\n", 0, match.start(1))
        source = "\n" * lines_before + match[1]
        compiled.append(compile(source, str(PAGE), "exec", AWAITING, dont_inherit=True))
    return compiled


async def test_every_example_in_the_documentation_works() -> None:
    namespace: dict[str, Any] = {"__name__": "example"}
    examples = snippets()
    for example in examples:
        result = eval(example, namespace)
        if inspect.isawaitable(result):
            await result
    assert len(examples) == PAGE.read_text().count("```") // 2
    assert len(examples) > 5
