"""What pyright, in strict mode, says of code that uses the library."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXPECT = re.compile(r"# expect: (report\w+)")


def expected(file: Path) -> dict[int, str]:
    """The rule that a comment names, by line."""
    lines = enumerate(file.read_text().splitlines(), start=1)
    return {number: match[1] for number, line in lines if (match := EXPECT.search(line))}


def reported(file: Path) -> dict[int, set[str]]:
    """The rules that pyright names, by line."""
    command = [sys.executable, "-m", "pyright", "--outputjson", str(file)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found: dict[int, set[str]] = {}
    for diagnostic in json.loads(answer.stdout)["generalDiagnostics"]:
        line = diagnostic["range"]["start"]["line"] + 1
        found.setdefault(line, set()).add(diagnostic.get("rule", diagnostic["message"]))
    return found


def test_pyright_finds_nothing_wrong_with_the_right_use_of_a_bloc() -> None:
    assert reported(HERE / "bloc_right.py") == {}


def test_pyright_finds_each_wrong_use_of_a_bloc_and_nothing_else() -> None:
    file = HERE / "bloc_wrong.py"
    rules, found = expected(file), reported(file)
    assert len(rules) > 20
    assert found.keys() == rules.keys()
    assert {line: rule for line, rule in rules.items() if rule not in found[line]} == {}
