"""What the command line prints."""

from __future__ import annotations

import json
import logging

import pytest
import typer

from indexers.types import Failure
from retrieval.cli.output import (
    Notes,
    finish_with_report,
    print_json,
    say,
    show_hits,
    show_message,
    show_progress,
    show_steps,
    show_table,
)
from retrieval.records.reports import AddReport
from retrieval.records.search import Hit, Hits


def read_output(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_names_that_are_not_text_are_printed_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    say("caf\udce9.jpg")
    assert read_output(capsys) == "caf\\udce9.jpg\n"


def test_names_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences, line feeds and letters that turn the reading direction; odd spaces and joiners stay."""
    say("a\x1b]0;b\x07\n\u202egpj.exe \u202f\u200d")
    assert read_output(capsys) == "a\\x1b]0;b\\x07\\n\\u202egpj.exe \u202f\u200d\n"
    show_hits(Hits((Hit(7, "k", 0.5, "/\x1b[2Ja.jpg", {"note": "\x9b2J"}),), 3))
    Notes().emit(logging.makeLogRecord({"msg": "\x1b[2J"}))
    show_message("first\nsecond \u2066")
    printed = capsys.readouterr()
    assert not {"\x1b", "\x9b"} & set(printed.out + printed.err)
    assert printed.err.splitlines()[1:] == ["first", "second \\u2066"]


def test_json_is_ascii_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "blå \udce9"})
    text = read_output(capsys)
    assert text.isascii()
    assert json.loads(text) == {"name": "blå \udce9"}


def test_a_report_says_what_failed_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    failures = tuple(Failure(f"/{place}.jpg", "cut off") for place in range(12))
    with pytest.raises(typer.Exit) as raised:
        finish_with_report(AddReport(30, 1, 12, failures, 99, failed_before=2, seconds=2.0), as_json=False)
    assert raised.value.exit_code == 1
    text = read_output(capsys)
    assert text.startswith("30 added, 1 known, 12 failed in 2.0 s (15 pictures/s)\n  failed: /0.jpg: cut off\n")
    assert "... and 2 more; `nearkin failures` lists them" in text
    assert "2 failed before and were skipped; use --retry-failed to try them again" in text


def test_a_run_without_failures_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    finish_with_report(AddReport(1, 0, 0, (), 2), as_json=True)
    assert json.loads(capsys.readouterr().out)["added"] == 1


def test_hits_and_tables_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    show_hits(Hits((Hit(7, "k", 0.5, "/a[b].jpg", {"year": 2020}),), 3))
    lines = read_output(capsys).splitlines()
    assert lines[0].split() == ["score", "item", "picture", "metadata"]
    assert lines[1].split() == ["0.500", "7", "/a[b].jpg", "year=2020"]
    show_hits(Hits((), 3))
    assert read_output(capsys) == "nothing found\n"
    show_table([("a", "1"), ("long", "2")])
    assert read_output(capsys) == "a     1\nlong  2\n"


def test_progress_is_for_terminals_only() -> None:
    with show_progress() as watch:
        assert watch is None


def test_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Notes().handle(logging.LogRecord("nearkin", logging.WARNING, "", 0, "%s was rebuilt", ("index",), None))
    assert capsys.readouterr().err == "note: index was rebuilt\n"


def test_steps_show_on_a_terminal_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with show_steps() as step:
        assert step is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with show_steps() as step:
        step(3, 7, "kmeans [a=1]")
    output = capsys.readouterr().err
    assert "3/7" in output
    assert "kmeans [a=1]" in output
