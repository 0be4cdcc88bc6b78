"""The rooms stay where the plan puts them: who may import whom, where SQL lives, how long a file may get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("indexers", "retrieval")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

LAYERS = [
    {"errors"},
    {"types"},
    {"schema", "plugins", "scan", "attributes", "locks", "words", "files"},
    {"colours", "database"},
    {"images", "remote"},
    {"isolation"},
    {"embedders", "vectors", "clusterers", "matching"},
    {"where", "remembered", "groupings", "evidence"},
    {"reads"},
    {"writes"},
    {"catalogue"},
    {"identity", "naming"},
    {"rescue", "upgrade", "followers"},
    {"pipeline", "audit", "testing"},
]
"""Rooms of `indexers`, each of which may import those above it, and those beside it without going in circles."""

SQL = {"schema", "database", "where", "words", "remembered", "groupings", "evidence", "reads", "writes", "catalogue"}
SQL |= {"upgrade", "rescue"}
DOORS = {"cli", "server", "adapters", "demo"}
TOP = {"pyproject.toml", "retrieval", "indexers", "migrations", "tests", "README.md"}
HEAVY = (
    "numpy",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "alembic",
    "PIL",
    "torch",
    "timm",
    "hnswlib",
    "typer",
    "rich",
    "fastapi",
)


def name(path: Path) -> str:
    """indexers/vectors/exact.py -> indexers.vectors.exact"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name(path): path for path in FILES}


@cache
def imported(module: str, typing: bool = False) -> frozenset[str]:
    """Modules that it imports, at any depth of its code; with `typing`, those for type checkers too."""
    found: set[str] = set()
    for node in _nodes(ast.parse(MODULES[module].read_text()), typing):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            source = str(node.module)
            found |= {
                f"{source}.{alias.name}" if f"{source}.{alias.name}" in MODULES else source for alias in node.names
            }
    return frozenset(found)


def _nodes(tree: ast.AST, typing: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
            continue
        yield node
        yield from _nodes(node, typing)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def layer(module: str) -> int:
    return next((number for number, rooms in enumerate(LAYERS) if room(module) in rooms), -1)


def ours(modules: frozenset[str]) -> set[str]:
    return {one for one in modules if one.split(".")[0] in PACKAGES}


INDEXERS = [module for module in MODULES if module.startswith("indexers.")]


@pytest.mark.parametrize("module", INDEXERS)
def test_the_machinery_does_not_know_what_a_user_calls(module: str) -> None:
    assert not {one for one in imported(module, typing=True) if one.split(".")[0] == "retrieval"}


@pytest.mark.parametrize("module", INDEXERS)
def test_rooms_import_upwards_only(module: str) -> None:
    assert layer(module) >= 0, f"{module} has no layer yet; give it one"
    for other in ours(imported(module)):
        if other == "indexers.vectors.allowed" and room(module) == "reads":
            continue  # mathematics on ids
        assert layer(other) <= layer(module), f"{module} imports {other}"


def test_no_import_goes_in_circles() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for other in ours(imported(module)) & set(MODULES):
                visit(other, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_imported_from_the_root_of_ones_own_package(module: str) -> None:
    package = module.split(".")[0]
    if module != package and room(module) not in DOORS:  # which stand outside
        tree = ast.parse(MODULES[module].read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == package:
                names = {alias.name for alias in node.names}
                assert all(f"{package}.{one}" in MODULES or (MODULES[package].parent / one).is_dir() for one in names)


@pytest.mark.parametrize("module", MODULES)
def test_sql_lives_in_its_rooms(module: str) -> None:
    uses = any(one.split(".")[0] in ("sqlalchemy", "alembic", "sqlite3") for one in imported(module, typing=True))
    version = module == "retrieval.cli.doctor"  # which asks SQLite for its version
    assert not uses or (module.startswith("indexers.") and room(module) in SQL) or version


def test_sqlite_is_known_to_one_room() -> None:
    knowing = {module for module in MODULES if "sqlite3" in imported(module)}
    assert knowing <= {
        "indexers.catalogue.sqlite",
        "indexers.catalogue.upgrade",
        "indexers.catalogue.rescue",
        "retrieval.cli.doctor",
    }


@pytest.mark.parametrize("module", MODULES)
def test_doors_do_not_know_each_other(module: str) -> None:
    if module == "retrieval.cli.serve":  # the command `serve`
        assert {room(one) for one in ours(imported(module)) if one.startswith("retrieval.")} & DOORS == {"server"}
    elif module.startswith("retrieval.") and room(module) in DOORS:
        others = {room(one) for one in ours(imported(module)) if one.startswith("retrieval.")}
        allowed = {room(module), "demo"} if module == "retrieval.cli.app" else {room(module)}  # the command `demo`
        assert not (others & DOORS) - allowed
    elif module.startswith("retrieval."):
        assert not {room(one) for one in ours(imported(module)) if one.startswith("retrieval.")} & DOORS


@pytest.mark.parametrize("module", MODULES)
def test_no_file_gets_too_long(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 400


@pytest.mark.parametrize("module", MODULES)
def test_every_file_says_what_it_is(module: str) -> None:
    text = MODULES[module].read_text()
    assert not text or ast.get_docstring(ast.parse(text))


def test_the_top_level_holds_what_the_plan_names() -> None:
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if kept.returncode:
        pytest.skip("not a checkout")
    assert {line.split("/")[0] for line in kept.stdout.splitlines() if not line.startswith(".")} == TOP


def test_every_source_file_has_its_tests() -> None:
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    without = {"types", "testing", "demo"}  # records; the contracts themselves; run by its own bench
    for module in MODULES:
        own = module.split(".", 1)[-1]
        names = {own, own.replace(".", "_"), own.split(".")[0]}
        if "." in module and MODULES[module].stem != "__init__" and not names & without:
            assert names & tests or any(one.startswith(own.split(".")[0]) for one in tests), module


def loaded(code: str) -> set[str]:
    """Top-level packages in memory after that code, in a process of its own."""
    show = f"{code}\nimport sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded("import retrieval; dir(retrieval)") & set(HEAVY)


def test_help_loads_no_models_and_no_database() -> None:
    shown = loaded(
        "import sys; sys.argv = ['nearkin', '--help']; show = sys.stdout; sys.stdout = sys.stderr\n"
        "from retrieval.cli.app import main\n"
        "try: main()\nexcept SystemExit: sys.stdout = show"
    )
    assert not shown & {"numpy", "sqlalchemy", "alembic", "PIL", "torch", "hnswlib", "sklearn"}


def test_a_collection_of_vectors_loads_no_model(tmp_path: Path) -> None:
    code = f"from retrieval import Collection\nwith Collection.open({str(tmp_path / 'c')!r}, create=True) as c:\n"
    code += " c.add_vectors([[1.0, 2.0]]); c.search(vector=[1.0, 1.0])"
    assert not loaded(code) & {"torch", "timm", "torchvision", "skimage", "alembic", "typer", "rich"}
