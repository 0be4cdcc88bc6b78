"""The README and the guide can't lie: their Python runs, their commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from retrieval import Collection
from retrieval.cli import app as cli
from tests.support import pictures

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDE = sorted((ROOT / ".github" / "guide").glob("*.md"))
HABITS = [ROOT / ".github" / f"{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING", "CHANGELOG")]
RUN = [README, *GUIDE]
BLOCK = re.compile(
    r"^(<!-- not run: (?P<reason>.+?) -->\n+)?```(?P<language>\w+)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)


def find_blocks(document: Path, languages: str) -> list[tuple[int, str]]:
    """Return the code of these languages that is meant to be run, with its line numbers."""
    text = document.read_text(encoding="utf-8")
    blocks = [block for block in BLOCK.finditer(text) if block["language"] in languages.split() and not block["reason"]]
    return [(text.count("\n", 0, block.start("code")) + 1, block["code"]) for block in blocks]


def find_commands(document: Path) -> list[list[str]]:
    """Return every `nearkin ...`, in shell blocks and in running text."""
    text = document.read_text(encoding="utf-8")
    lines = [line for _, code in find_blocks(document, "sh bash shell console") for line in code.splitlines()]
    commands = [part.strip().removeprefix("$ ") for line in lines for part in line.split("&&")]
    commands += re.findall(r"`(nearkin [^`]+)`", text)
    return [shlex.split(command.split(" #")[0]) for command in commands if command.startswith("nearkin ")]


def name_of(document: Path) -> str:
    return document.stem


def test_there_is_something_to_run() -> None:
    assert len(find_blocks(README, "python")) >= 3
    assert len(find_commands(README)) >= 3
    assert len(GUIDE) >= 8


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("document", RUN, ids=name_of)
def test_its_python_runs_in_one_go(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At home in a folder with the pictures that it talks of; with the embedder that needs no weights, for speed."""
    place = tmp_path / "Pictures"
    (place / "cats").mkdir(parents=True)
    for n in range(12):
        pictures.noise(n, (200, 150)).save(place / f"{n}.png")
        pictures.noise(n + 50, (200, 150)).save(place / "cats" / f"{n}.jpg")
    pictures.gradient((200, 150)).save(place / "holiday.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("retrieval.spaces.embedders.DEFAULT", "tiny")
    namespace: dict[str, object] = {"__name__": "document"}
    for line, code in find_blocks(document, "python"):
        exec(compile("\n" * (line - 1) + code, str(document), "exec"), namespace)
    for value in namespace.values():
        if isinstance(value, Collection):
            value.close()


@pytest.mark.parametrize("document", [*RUN, *HABITS], ids=name_of)
def test_its_commands_and_their_options_exist(document: Path) -> None:
    root = typer.main.get_command(cli.app)
    for words in find_commands(document):
        name = words[1]
        if name.startswith("-"):
            continue
        commands = root.commands  # type: ignore[attr-defined]
        assert name in commands, " ".join(words)
        options = {option for parameter in commands[name].params for option in parameter.opts} | {"--help"}
        for word in words[2:]:
            if re.fullmatch(r"--?[a-z-]+", word):
                assert word in options, " ".join(words)


@pytest.mark.parametrize("document", [*RUN, *HABITS], ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("document", RUN, ids=name_of)
def test_the_names_that_it_imports_are_public(document: Path) -> None:
    import retrieval

    for _, code in find_blocks(document, "python"):
        for names in re.findall(r"^from retrieval import (.+)$", code, re.MULTILINE):
            assert {name.strip() for name in names.split(",")} <= set(retrieval.__all__)


def test_the_rooms_that_the_architecture_names_exist() -> None:
    text = (ROOT / ".github" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text):
        assert any((ROOT / root / path).is_file() for root in ("", "indexers", "retrieval")), path
