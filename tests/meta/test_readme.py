"""The README can't lie: its Python runs, its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from retrieval import Collection
from retrieval.cli import app as cli
from tests.support import pictures

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(
    r"^(<!-- not run: (?P<reason>.+?) -->\n+)?```(?P<language>\w+)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)


def blocks(language: str) -> list[tuple[int, str]]:
    """Code of that language that is meant to be run, with its line number."""
    text = README.read_text(encoding="utf-8")
    found = [one for one in BLOCK.finditer(text) if one["language"] in language.split() and not one["reason"]]
    return [(text.count("\n", 0, one.start("code")) + 1, one["code"]) for one in found]


def commands() -> list[list[str]]:
    """Every `nearkin ...`, in shell blocks and in running text."""
    text = README.read_text(encoding="utf-8")
    lines = [line for _, code in blocks("sh bash shell console") for line in code.splitlines()]
    found = [part.strip().removeprefix("$ ") for line in lines for part in line.split("&&")]
    found += re.findall(r"`(nearkin [^`]+)`", text)
    return [shlex.split(one.split(" #")[0]) for one in found if one.startswith("nearkin ")]


def test_it_has_something_to_run() -> None:
    assert len(blocks("python")) >= 3
    assert len(commands()) >= 3


def test_its_python_runs_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At home in a folder with the pictures that it talks of; with the embedder that needs no weights, for speed."""
    place = tmp_path / "Pictures"
    (place / "cats").mkdir(parents=True)
    for n in range(12):
        pictures.noise(n, (200, 150)).save(place / f"{n}.png")
        pictures.noise(n + 50, (200, 150)).save(place / "cats" / f"{n}.jpg")
    pictures.gradient((200, 150)).save(place / "holiday.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("retrieval.spaces.spaces.DEFAULT", "tiny")
    namespace: dict[str, object] = {"__name__": "readme"}
    for line, code in blocks("python"):
        exec(compile("\n" * (line - 1) + code, str(README), "exec"), namespace)
    for left in namespace.values():
        if isinstance(left, Collection):
            left.close()


def test_its_commands_and_their_options_exist() -> None:
    root = typer.main.get_command(cli.app)
    for words in commands():
        name = words[1]
        if name.startswith("-") or not name.isalpha():
            continue
        known = root.commands  # type: ignore[attr-defined]
        assert name in known, " ".join(words)
        options = {option for one in known[name].params for option in one.opts} | {"--help"}
        for word in words[2:]:
            if re.fullmatch(r"--?[a-z-]+", word):
                assert word in options, " ".join(words)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target.split("#")[0]).exists(), target


def test_the_names_that_it_imports_are_public() -> None:
    import retrieval

    for _, code in blocks("python"):
        for names in re.findall(r"^from retrieval import (.+)$", code, re.MULTILINE):
            assert {name.strip() for name in names.split(",")} <= set(retrieval.__all__)
