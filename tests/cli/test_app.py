"""The command line as a user meets it: exit codes, JSON, no traceback whatever happens."""

from __future__ import annotations

import os
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from retrieval import Collection
from retrieval.cli import app as cli
from tests.conftest import vectors
from tests.support import pictures
from tests.support.shell import RUN, Shell

COMMANDS = [
    "add",
    "sync",
    "search",
    "remove",
    "info",
    "failures",
    "verify",
    "rescue",
    "upgrade",
    "export",
    "doctor",
    "demo",
]


def test_help_lists_what_exists(shell: Shell) -> None:
    output = shell("--help").stdout
    for command in COMMANDS:
        assert f" {command} " in output, command
        assert shell(command, "--help").stdout
    assert "Usage" in shell(code=2).stderr + shell(code=2).stdout


def test_the_collection_can_be_named(full: Shell) -> None:
    (full.place / "nearkin-collection").rename(full.place / "other place")
    assert full.json("info", "-c", "other place")["items"] == 5
    assert full("info", NEARKIN_COLLECTION="other place").returncode == 0
    assert "there is no collection in" in full("info", code=1).stderr


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("add",), "give files, folders or globs"),
        (("add", "x", "--metadata", "{"), "--metadata takes JSON"),
        (("add", "x", "--embedder", "nobody"), "there is no embedder 'nobody'"),
        (("search", "x", "--where", "year=1"), "--where takes JSON"),
        (("search", "--item", "1", "--where", '{"$x": 1}'), "unknown operator '$x'"),
        (("search", "--item", "1", "-k", "0"), "k is the number of hits"),
        (("search", "x", "-k", "many"), "-k"),
        (("search",), "give a picture (a path or a URL), --item, --text or --query"),
        (("search", "--text", "words"), "reads pictures only"),
        (("remove",), "give items, --where or --missing"),
        (("remove", "--where", "[]"), "a filter, an object"),
        (("export", "items.doc"), "can't export to 'items.doc'"),
        (("nonsense",), "nonsense"),
        (("info", "--nonsense"), "--nonsense"),
        (("sync", "nowhere"), "does not exist"),
    ],
)
def test_wrong_usage_is_exit_code_2(full: Shell, words: tuple[str, ...], part: str) -> None:
    done = full(*words, code=2)
    assert part in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("search", "nowhere.png"), "there is no such file"),
        (("search", "--item", "nobody"), "there is no item with the key or path 'nobody'"),
        (("search", "--item", "99999999999999999999999"), "there is no item with the id"),
        (("remove", "nobody"), "there is no item"),
        (("export", "nowhere/items.csv"), "cannot write"),
    ],
)
def test_what_fails_is_exit_code_1(full: Shell, words: tuple[str, ...], part: str) -> None:
    assert part in full(*words, code=1).stderr


def test_an_output_that_is_read_only_in_part(full: Shell) -> None:
    with Collection.open(full.place / "nearkin-collection") as collection:
        collection.add_vectors(vectors(3000, dimension=13), keys=[f"key {n}" for n in range(3000)])
    for flags in ("", "--json"):
        words = f"{shlex.join(RUN)} search --item 1 -k 3000 {flags} | head -1; echo code ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", words], cwd=full.place, capture_output=True, text=True)
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1] == "code 0"


@pytest.mark.parametrize("redirection", ["1>&-", "2>&-", "1>&- 2>&-", "0<&-"])
def test_streams_may_be_closed(full: Shell, redirection: str) -> None:
    command = f"{shlex.join(RUN)} info {redirection}"
    done = subprocess.run(["bash", "-c", command], cwd=full.place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_output_is_an_error(full: Shell) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full_disk:
        done = full.run_alone("info", stdout=full_disk, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "error: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_of_the_terminal_will_do(full: Shell, folder: Path, encoding: str) -> None:
    pictures.disc("pink").save(folder / "наш 😀.png")
    full("add", folder)
    options: Any = {"env": os.environ | {"PYTHONIOENCODING": encoding}, "capture_output": True}
    done = full.run_alone("search", folder / "наш 😀.png", "-k", 1, **options)
    assert (done.returncode, "1.000" in done.stdout) == (0, True)
    assert full.run_alone("search", "наш.png", **options).returncode == 1


def test_a_damaged_catalogue_is_a_sentence(full: Shell) -> None:
    (full.place / "nearkin-collection" / "catalogue.sqlite").write_bytes(b"nothing" * 9999)
    for command in ("info", "verify", "upgrade"):
        assert "is damaged" in full(command, code=1).stderr


def test_a_busy_writer_is_named(full: Shell) -> None:
    with (
        Collection.open(full.place / "nearkin-collection") as collection,
        collection._catalogue.transaction(),
    ):
        done = full("remove", "1", code=1, NEARKIN_WAIT="0.1")
    assert f"process {os.getpid()}" in done.stderr


def test_the_version_is_the_package_s() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"nearkin {version('nearkin')}\n")
