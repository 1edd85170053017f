"""The house keeps its shape: imports follow the arrows, and no file is a drawer for everything."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each may import, besides itself:  app ─► jobs ─► bot ─► operations ─► storage;  jobs, bot ─► providers.
ARROWS = {
    "greenroom": {"app", "cli"},
    "app": {"jobs", "bot", "operations", "storage", "providers", "demo", "cli"},
    "jobs": {"bot", "operations", "storage", "providers"},
    "bot": {"operations", "storage", "providers"},
    "operations": {"storage"},
    "storage": set(),
    "providers": set(),
    "demo": set(),
    "cli": set(),
}

# Around the house: these may import anything, and the house imports none of them.
OUTSIDE = {"tests", "bench"}

DRAWERS = {"base", "common", "helper", "helpers", "impl", "manager", "managers", "misc", "service", "util", "utils"}


def sources() -> list[Path]:
    """Every Python file of the project, relative to its root."""
    found = [*ROOT.glob("*.py"), *(path for name in {*ARROWS, *OUTSIDE} for path in (ROOT / name).rglob("*.py"))]
    return sorted(path.relative_to(ROOT) for path in found)


def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The top-level package of everything that is imported below this node, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], node.lineno


def imported_in_functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imported(node)


def home(path: Path) -> str:
    return path.with_suffix("").parts[0]


def test_every_top_level_package_has_its_place() -> None:
    packages = {path.parts[0] for path in (found.relative_to(ROOT) for found in ROOT.glob("[!.]*/*.py"))}
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert packages | modules <= {*ARROWS, *OUTSIDE}


def test_imports_follow_the_arrows() -> None:
    against = [
        f"{path}:{line} imports {name}"
        for path in sources()
        if home(path) in ARROWS
        for name, line in imported(parsed(path))
        if name in {*ARROWS, *OUTSIDE} - ARROWS[home(path)] - {home(path)}
    ]
    assert against == []


def test_no_cycle_is_dodged_by_an_import_inside_a_function() -> None:
    """Only the two doors and what stands outside may, which no package imports: it can only be for a quicker start."""
    hidden = [
        f"{path}:{line} imports {name}"
        for path in sources()
        if home(path) in ARROWS.keys() - {"greenroom", "app"}
        for name, line in imported_in_functions(parsed(path))
        if name in ARROWS
    ]
    assert hidden == []


def test_a_web_process_does_not_load_what_only_workers_need() -> None:
    """githubkit takes a second and 40 MB."""
    show = "import sys, bot.webhooks; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", show], cwd=ROOT, capture_output=True, check=True, text=True)
    assert "prometheus_client" in loaded.stdout.split()
    assert not {"githubkit", "rq", "alembic", "jobs"} & set(loaded.stdout.split())


def test_a_command_that_speaks_to_a_server_does_not_load_the_house() -> None:
    show = "import sys, greenroom; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", show], cwd=ROOT, capture_output=True, check=True, text=True)
    assert "cli" in loaded.stdout.split()
    assert not {"app", "bot", "flask", "sqlalchemy"} & set(loaded.stdout.split())


def test_every_file_is_named_for_what_is_in_it() -> None:
    assert [path for path in sources() for part in path.with_suffix("").parts if DRAWERS & set(part.split("_"))] == []


@pytest.mark.parametrize("source", ["import jobs.worker", "def f():\n    from jobs import worker"])
def test_an_import_is_seen_wherever_it_stands(source: str) -> None:
    assert [name for name, _ in imported(ast.parse(source))] == ["jobs"]
