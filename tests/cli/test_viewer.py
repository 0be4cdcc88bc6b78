"""Pages that are opened: written where a browser can read them, and never without saying where."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import unquote

import pytest

from retrieval.cli.viewer import place_page
from tests.support.shell import Shell


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which a browser writes the address that it was opened with."""
    seen, program = tmp_path / "seen", tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("webbrowser._browsers", {})
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    return seen


@pytest.mark.parametrize(
    ("words", "name"),
    [(("search", "--item", "1"), "hits"), (("clusters",), "clusters"), (("duplicates",), "duplicates")],
)
def test_a_page_is_opened_in_the_browser(full: Shell, browser: Path, words: tuple[str, ...], name: str) -> None:
    page = full.place / "nearkin-collection" / f"{name}.html"
    assert full(*words, "--open").stdout.endswith(f" to {page}\n")
    assert unquote(browser.read_text()).strip() == page.as_uri()
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert full("verify").stdout.endswith("OK\n")
    full(*words, "--html", "a page.html")
    assert (full.place / "a page.html").is_file()
    assert len(browser.read_text().splitlines()) == 1


def test_no_browser_is_said(full: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser._browsers", {})
    monkeypatch.setattr("webbrowser._tryorder", [])
    monkeypatch.setenv("BROWSER", "/nowhere/browser")
    done = full("search", "--item", "1", "--open")
    assert "wrote 4 hits to" in done.stdout
    assert "note: no browser could be started; open the file yourself" in done.stderr


def test_a_page_lies_where_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place_page(Path("x.html"), tmp_path, "hits.html") == Path("x.html")
    assert place_page(None, tmp_path, "hits.html") == tmp_path / "hits.html"
    monkeypatch.setattr("os.access", lambda *_: False)
    other = place_page(None, tmp_path, "hits.html")
    assert (other.name, other.parent != tmp_path, other.parent.is_dir()) == ("hits.html", True, True)
