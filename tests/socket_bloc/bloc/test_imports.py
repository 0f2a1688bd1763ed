"""The dependencies of the package: the standard library, RxPY, and nothing else of this project."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from socket_bloc import bloc

MODULES = sorted(Path(bloc.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_of_the_bloc_needs_only_rxpy_and_no_test_runner(module: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module or "")
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith(("reactivex", "socket_bloc.bloc."))} == set()
