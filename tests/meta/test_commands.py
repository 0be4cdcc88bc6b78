"""No text names a command or an option that there is none of: messages, pages, the browser's code and the documents."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from retrieval import Collection
from retrieval.cli import app as cli

ROOT = Path(__file__).parents[2]
COMMANDS: dict[str, Any] = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
OPTIONS = {
    name: {option for parameter in command.params for option in parameter.opts} for name, command in COMMANDS.items()
}
ALL_OPTIONS = set().union(*OPTIONS.values(), {"--help", "--version"})
SOURCES = sorted(file for room in ("indexers", "retrieval") for file in (ROOT / room).rglob("*.py"))
PAGES = sorted(file for file in (ROOT / "retrieval").rglob("*") if file.suffix in (".js", ".html"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / ".github").rglob("*.md"))]
MENTION = re.compile(
    r"[`'\"$>]nearkin +(?P<rest>[a-z][^`\"\n]*)|(?:^|\s)nearkin +(?P<bare>[a-z-]+ +(?:--?[a-z]|[A-Z]{2})[^`\"\n]*)"
)
OPTION = re.compile(r"(?<![\w(-])--[a-z][a-z0-9-]+(?![\w-]|:)")  # not var(--card) and --card: of CSS
FOREIGN = {"--force-reinstall", "--index-url", "--no-deps", "--preload", "--slow", "--upgrade"}
"""Options of pip, gunicorn and pytest, which texts of ours name."""


def read_strings(file: Path) -> Iterator[str]:
    """Yield the texts in a Python file, documentation included."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def find_wrong_names(text: str) -> list[str]:
    """Return the commands and options that a text names and that do not exist."""
    wrong = []
    for mention in MENTION.finditer(text):
        name, *words = (mention["rest"] or mention["bare"]).split("#")[0].split()
        name = name.strip("`'\".,;:)")
        if name not in COMMANDS:
            wrong.append(f"nearkin {name}")
            continue
        options = [word.split("=")[0].strip("`'\".,;:)") for word in words if re.match(r"--?[a-z]", word)]
        wrong += [f"nearkin {name} {option}" for option in options if option not in OPTIONS[name] | {"--help"}]
    return wrong + [option for option in OPTION.findall(text) if option not in ALL_OPTIONS | FOREIGN]


def test_wrong_names_are_found() -> None:
    assert find_wrong_names("use `nearkin ad x`, nearkin add --paths, `nearkin search --move-to x` or --nonsense") == [
        "nearkin ad", "nearkin add --paths", "nearkin search --move-to", "--paths", "--nonsense",
    ]  # fmt: skip
    assert find_wrong_names("use `nearkin duplicates --move-to x`, or --where '{}'; nearkin reads pictures") == []


@pytest.mark.parametrize("file", [*PAGES, *DOCUMENTS], ids=lambda file: str(file.relative_to(ROOT)))
def test_pages_and_documents_name_what_exists(file: Path) -> None:
    assert find_wrong_names(file.read_text(encoding="utf-8")) == []


def test_messages_name_what_exists() -> None:
    wrong = {str(file.relative_to(ROOT)): find_wrong_names("\n".join(read_strings(file))) for file in SOURCES}
    assert {file: names for file, names in wrong.items() if names} == {}


VERBS = {
    "add": "add", "add_vectors": "import", "add_texts": "add-texts", "import_from": "import", "fill": "add",
    "sync": "sync", "retry_failed": "add", "get": "items", "items": "items", "walk": "export", "count": "items",
    "vectors": "export", "update": "update", "update_all": "update", "remove": "remove", "failures": "failures",
    "search": "search", "clusters": "clusters", "cluster": "cluster", "loose": "loose", "cut": "clusters",
    "partitions": "partitions", "cluster_events": "clusters", "outliers": "outliers", "rename": "rename",
    **dict.fromkeys(("merge_clusters", "split_cluster", "move_to_cluster"), "correct"),
    **dict.fromkeys(("keep_together", "keep_apart", "hide"), "correct"), "corrections": "corrections",
    "recluster": "recluster", "make_clustering": "cluster", "refresh_clustering": "cluster", "clustering": "cluster",
    "clusterings": "clusterings", "drop_clustering": "cluster", "evaluate": "evaluate", "duplicates": "duplicates",
    "duplicates_of": "check", "overlay": "overlay", "calibrate": "calibrate", "decide": "decide",
    "not_duplicates": "decide", "keep_both": "decide", "undo": "decide", "move_duplicates": "duplicates",
    "undo_moves": "duplicates", "plan_merges": "duplicates",
    "spaces": "spaces", "use": "use", "drop_space": "drop", "export": "export",
    "stacks": "stacks", "choose_cover": "decide", "read": "read", "parts": "parts", "find_parts": "parts",
    "measure": "measure", "align": "align", "stitch": "stitch", "fuse": "fuse", "denoise": "denoise",
    "queue": "add", "work": "work",
    "learn": "learn", "lessons": "lessons", "suggest": "suggest", "doubtful_labels": "suggest",
    **dict.fromkeys(("accept", "reject"), "label"),
    "path_between": "path", "around": "around", "summary": "summary",
    "propose": "mcp", **dict.fromkeys(("proposals", "accept_proposal", "reject_proposal"), "proposals"),
    "map": "map", "trash": "trash", "restore": "restore", "empty_trash": "trash",
    "backup": "backup", "catch_up": "catch-up", "change": "info", "info": "info", "verify": "verify",
}  # fmt: skip
"""The command for each verb of a collection."""
WITHOUT = {"open", "close", "isolate", "search_many", "to_pandas"}
"""Verbs that make sense in Python alone."""


def test_every_verb_of_a_collection_has_a_command() -> None:
    verbs = {name for name, _ in inspect.getmembers(Collection, callable) if not name.startswith("_")}
    assert verbs == VERBS.keys() | WITHOUT
    assert set(VERBS.values()) <= COMMANDS.keys()
