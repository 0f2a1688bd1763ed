"""The tree in CONTRIBUTING.md is that of the packages, and docs/architecture.md names only what exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("socket_bloc", "server_stub", "tui")
MODULES = {
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def tree() -> Iterator[str]:
    """The modules of the tree in CONTRIBUTING.md, as paths."""
    (block,) = re.findall(r"```text\n(.*?)```", CONTRIBUTING, re.DOTALL)
    folders: list[str] = []
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        first, *others = line.split()
        if first.endswith("/"):
            folders[depth:] = [first]
            continue
        for name in (first, *(other for other in others if other.endswith(".py"))):
            yield "".join(folders[:depth]) + name


def test_the_tree_in_contributing_lists_each_module() -> None:
    assert sorted(name for name in tree() if not name.endswith("__init__.py")) == sorted(MODULES)


def test_each_path_in_the_architecture_exists() -> None:
    names = set(re.findall(r"`([\w/]+(?:\.py|/))`", ARCHITECTURE))
    assert len(names) > 50
    folders = {f"{parent}/" for module in MODULES for parent in Path(module).parents}
    others = {"benchmarks/", "tests/", "blackbox/"}
    known = {f"/{path}" for path in MODULES | folders | others}
    assert {name for name in names if not any(path.endswith(f"/{name}") for path in known)} == set()
