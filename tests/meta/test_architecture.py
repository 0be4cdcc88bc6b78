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

LAYERS = {
    "indexers": [
        {"errors"},
        {"types"},
        {"arrays", "files", "signing", "interrupts", "plugins", "devices", "progress"},
        {"words", "pictures", "vectors", "embedders", "matching", "tree", "clusterers", "classifiers", "finders"},
        {"catalogue"},
        {"naming", "moves"},
        {"followers", "pipeline"},
        {"audit", "testing"},
    ],
    "retrieval": [
        {"config", "checks", "filters"},
        {"records"},
        {"spaces"},
        {"items"},
        {"clusters", "transfer", "parts"},
        {"search", "duplicates", "stacks", "structure", "maps", "learning", "together", "evaluation"},
        {"proposals", "work"},
        {"collection"},
        {"pages", "client", "adapters"},
        {"server", "agents"},
        {"cli"},
    ],
}
"""Rooms of each package, from the ground up. A room imports the rooms below it and those beside it, never in a
circle; imports for type checkers count."""

SQL = "indexers.catalogue"
DOORS = {"cli", "server", "adapters", "client", "agents"}
LONG = {"retrieval.collection"}
"""The one file that may be longer than 400 lines: it shows all that a user can call, each method a few lines."""
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


def to_module_name(path: Path) -> str:
    """indexers/vectors/exact.py -> indexers.vectors.exact"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {to_module_name(path): path for path in FILES}


@cache
def find_imports(module: str, typing: bool = False) -> frozenset[str]:
    """Return the modules that a module imports, at any depth; with `typing`, those for type checkers too."""
    modules: set[str] = set()
    for node in _nodes(ast.parse(MODULES[module].read_text()), typing):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            source = str(node.module)
            modules |= {
                f"{source}.{alias.name}" if f"{source}.{alias.name}" in MODULES else source for alias in node.names
            }
    return frozenset(modules)


def _nodes(tree: ast.AST, typing: bool) -> Iterator[ast.AST]:
    pending = [tree]
    while pending:
        for node in ast.iter_child_nodes(pending.pop()):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
                continue
            yield node
            pending.append(node)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def layer(module: str) -> int:
    layers = LAYERS[module.split(".")[0]]
    return next((number for number, rooms in enumerate(layers) if room(module) in rooms), -1)


def ours(modules: frozenset[str]) -> set[str]:
    return {module for module in modules if module.split(".")[0] in PACKAGES}


INDEXERS = [module for module in MODULES if module.startswith("indexers.")]
INSIDE = [module for module in MODULES if "." in module]


@cache
def find_graph() -> dict[str, set[str]]:
    """Return which of our modules each of them imports; not at import, since every worker imports each test file."""
    return {module: ours(find_imports(module, typing=True)) & set(MODULES) - {module} for module in MODULES}


def rooms() -> dict[str, set[str]]:
    """Return which rooms each room imports."""
    graph: dict[str, set[str]] = {}
    for module, targets in find_graph().items():
        if "." in module:
            own = f"{module.split('.')[0]}.{room(module)}"
            beside = {f"{target.split('.')[0]}.{room(target)}" for target in targets if "." in target}
            graph.setdefault(own, set()).update(beside - {own})
    return graph


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of one circle of a graph in order, the first again at the end; empty if there is none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node not in done:
            for neighbour in sorted(graph.get(node, ())):
                circle = visit(neighbour, [*path, node])
                if circle:
                    return circle
            done.add(node)
        return []

    return next((circle for node in sorted(graph) if (circle := visit(node, []))), [])


@pytest.mark.parametrize("module", INDEXERS)
def test_the_machinery_does_not_know_what_a_user_calls(module: str) -> None:
    assert not {target for target in find_graph()[module] if target.split(".")[0] == "retrieval"}


@pytest.mark.parametrize("module", INSIDE)
def test_rooms_import_downwards_only(module: str) -> None:
    assert layer(module) >= 0, f"{module} has no layer yet; give it one"
    for target in find_graph()[module]:
        if "." in target and target.split(".")[0] == module.split(".")[0]:
            assert layer(target) <= layer(module), f"{module} imports {target}"


def test_no_file_is_imported_in_a_circle() -> None:
    assert not find_circle(find_graph())


def test_no_room_is_imported_in_a_circle() -> None:
    assert not find_circle(rooms())


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_imported_from_the_root_of_ones_own_package(module: str) -> None:
    package = module.split(".")[0]
    if module != package and room(module) not in DOORS:  # which stand outside
        tree = ast.parse(MODULES[module].read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == package:
                names = {alias.name for alias in node.names}
                assert all(f"{package}.{name}" in MODULES for name in names)


@pytest.mark.parametrize("module", MODULES)
def test_sql_lives_in_its_room(module: str) -> None:
    uses = any(name.split(".")[0] in ("sqlalchemy", "alembic", "sqlite3") for name in find_imports(module, typing=True))
    version = module == "retrieval.cli.doctor"  # which asks SQLite for its version
    assert not uses or module.startswith(SQL) or version


def test_sqlite_is_known_to_few_files() -> None:
    knowing = {module for module in MODULES if "sqlite3" in find_imports(module)}
    inside = {f"{SQL}.{name}" for name in ("sqlite", "backup", "connections", "read_only", "upgrade", "rescue")}
    assert knowing <= {*inside, "retrieval.cli.doctor"}


@pytest.mark.parametrize("module", INSIDE)
def test_doors_do_not_know_each_other(module: str) -> None:
    doors = {room(target) for target in find_graph()[module] if target.startswith("retrieval.")} & DOORS
    if module == "retrieval.cli.serve":  # the command `serve`
        assert doors == {"cli", "server"}
    elif module == "retrieval.cli.mcp":  # the command `mcp`
        assert doors == {"cli", "agents"}
    elif module.startswith("retrieval."):
        assert doors <= {room(module)}


@pytest.mark.parametrize("module", MODULES)
def test_no_file_gets_too_long(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 400 or module in LONG


EMPTY_NAMES = {
    *("one", "there", "here", "what", "how", "asked", "given"),
    *("said", "some", "but", "other", "others", "few", "most"),
}


@pytest.mark.parametrize("module", MODULES)
def test_the_name_of_a_parameter_says_what_it_is(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text())
    assert not {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} & EMPTY_NAMES


@pytest.mark.parametrize("module", MODULES)
def test_every_file_says_what_it_is(module: str) -> None:
    text = MODULES[module].read_text()
    assert not text or ast.get_docstring(ast.parse(text))


def test_the_top_level_holds_what_the_plan_names() -> None:
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if kept.returncode:
        pytest.skip("not a checkout")
    assert {line.split("/")[0] for line in kept.stdout.splitlines() if not line.startswith(".")} == TOP


UNTESTED = {
    "indexers.types",  # records without methods
    "indexers.testing",  # the contracts, which are tests themselves
    "retrieval.cli.demo",  # run by its own bench
}


@pytest.mark.parametrize("module", [module for module in INSIDE if MODULES[module].stem != "__init__"])
def test_every_source_file_has_its_tests(module: str) -> None:
    *rooms, stem = module.split(".")[1:]
    path = ROOT.joinpath("tests", *rooms, f"test_{stem}.py")
    assert path.is_file() or module in UNTESTED, f"{module} has no {path.relative_to(ROOT)}"


@pytest.mark.parametrize("module", [module for module in MODULES if MODULES[module].stem == "__init__"])
def test_every_package_opens_with_a_map(module: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[module].read_text()))


def list_loaded(code: str) -> set[str]:
    """Return the top-level packages in memory after running code in a separate process."""
    show = f"{code}\nimport sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not list_loaded("import retrieval; dir(retrieval)") & set(HEAVY)


def test_help_loads_no_models_and_no_database() -> None:
    packages = list_loaded(
        "import sys; sys.argv = ['nearkin', '--help']; show = sys.stdout; sys.stdout = sys.stderr\n"
        "from retrieval.cli.app import main\n"
        "try: main()\nexcept SystemExit: sys.stdout = show"
    )
    assert not packages & {"numpy", "sqlalchemy", "alembic", "PIL", "torch", "hnswlib", "sklearn"}


def test_a_collection_of_vectors_loads_no_model(tmp_path: Path) -> None:
    code = f"from retrieval import Collection\nwith Collection.open({str(tmp_path / 'c')!r}, create=True) as c:\n"
    code += " c.add_vectors([[1.0, 2.0]]); c.search(vector=[1.0, 1.0])"
    assert not list_loaded(code) & {"torch", "timm", "torchvision", "skimage", "alembic", "typer", "rich"}
