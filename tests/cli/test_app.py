"""The command line as a user meets it: exit codes, JSON, no traceback whatever happens."""

from __future__ import annotations

import io
import json
import logging
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from retrieval import Collection
from retrieval.cli import app as cli
from tests.conftest import vectors
from tests.support import pictures

RUN = (sys.executable, "-c", "import sys; sys.argv[0] = 'nearkin'; from retrieval.cli.app import main; main()")


class Shell:
    """Runs the command in a folder of its own, within this process."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self._monkeypatch = place, monkeypatch

    def __call__(self, *words: Any, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        out, err = io.StringIO(), io.StringIO()
        given = [os.fsdecode(word) if isinstance(word, bytes | os.PathLike) else str(word) for word in words]
        handlers = list(logging.getLogger("nearkin").handlers)
        with self._monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.place)
            patch.setattr(sys, "argv", ["nearkin", *given])
            patch.setenv("COLUMNS", "300")
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        logging.getLogger("nearkin").handlers[:] = handlers
        assert (ended.value.code or 0) == code, (words, out.getvalue(), err.getvalue())
        return subprocess.CompletedProcess(given, code, out.getvalue(), err.getvalue())

    def json(self, *words: Any, code: int = 0) -> Any:
        done = self(*words, "--json", code=code)
        return json.loads(done.stdout)

    def alone(self, *words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        """In a process of its own, where streams are real."""
        done = subprocess.run([*RUN, *map(str, words)], cwd=self.place, text=True, **options)
        assert "Traceback" not in (done.stderr or ""), done.stderr
        return done


@pytest.fixture
def shell(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


@pytest.fixture
def full(shell: Shell, folder: Path) -> Shell:
    """With the five discs in the default collection."""
    with Collection.open(shell.place / "nearkin-collection", create=True, embedder="tiny") as made:
        files = sorted(folder.glob("*.png"))
        made.add(files, metadata=[{"colour": file.stem, "n": n} for n, file in enumerate(files)])
    return shell


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
    shown = shell("--help").stdout
    for command in COMMANDS:
        assert f" {command} " in shown, command
        assert shell(command, "--help").stdout
    assert "Usage" in shell(code=2).stderr + shell(code=2).stdout


def test_add_and_search(shell: Shell, folder: Path) -> None:
    report = shell.json("add", folder, "--embedder", "tiny", "--metadata", '{"album": "discs"}')
    assert (report["added"], report["known"], report["failed"]) == (5, 0, 0)
    assert "0 added, 5 known, 0 failed" in shell("add", folder).stdout
    answer = shell.json("search", folder / "red.png", "-k", 2, "--where", '{"album": "discs"}')
    assert set(answer) >= {"hits", "as_of"}
    assert [set(hit) for hit in answer["hits"]] == [{"item", "key", "score", "uri", "metadata", "clusters", "text"}] * 2
    assert answer["hits"][0]["uri"] == str(folder / "red.png")
    assert "red.png" in shell("search", folder / "red.png").stdout


def test_search_by_item_radius_and_filter(full: Shell, folder: Path) -> None:
    for name in (folder / "red.png", 5):
        hits = full.json("search", "--item", name)["hits"]
        assert len(hits) == 4
    assert len(full.json("search", folder / "red.png", "--radius", 0.9999)["hits"]) == 1
    assert full.json("search", folder / "red.png", "--where", '{"n": 99}')["hits"] == []
    assert "nothing found" in full("search", folder / "red.png", "--where", '{"n": 99}').stdout
    assert len(full.json("search", folder / "red.png", "-k", 3, "--diversify", 0.5)["hits"]) == 3


def test_search_in_another_metric(full: Shell, folder: Path) -> None:
    for metric in ("manhattan", "minkowski:3"):
        scores = [hit["score"] for hit in full.json("search", folder / "red.png", "--metric", metric)["hits"]]
        assert len(scores) == 5
        assert scores[0] == pytest.approx(0, abs=1e-3)
        assert scores == sorted(scores, reverse=True)
        near = full.json("search", folder / "red.png", "--metric", metric, "--radius", scores[0] - 0.01)["hits"]
        assert len(near) == 1
    wrong = full("search", folder / "red.png", "--metric", "minkowski:0.5", code=2)
    assert "'minkowski:0.5' has no order P that is a number from 1 on" in wrong.stderr


def test_a_picture_that_fails_is_exit_code_1(shell: Shell, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"nothing")
    done = shell("add", folder, "--embedder", "tiny", code=1)
    assert "5 added, 0 known, 1 failed" in done.stdout
    assert f"failed: {folder / 'broken.png'}: " in done.stdout
    assert "--retry-failed" in shell("add", folder, code=1).stdout
    assert shell.json("failures")["failures"][0]["attempts"] == 1
    assert shell.json("add", "--retry-failed", code=1)["failed"] == 1
    (folder / "broken.png").unlink()
    assert shell.json("add", "--retry-failed")["failed"] == 0
    assert shell.json("failures") == {"failures": []}


def test_sync_and_remove(full: Shell, folder: Path) -> None:
    (folder / "red.png").unlink()
    report = full.json("sync", folder)
    assert (report["missing"], report["known"]) == (1, 4)
    assert full.json("remove", "--missing") == {"removed": 1}
    assert full.json("remove", folder / "blue.png") == {"removed": 1}
    assert full.json("remove", "--where", '{"colour": "green"}') == {"removed": 1}
    assert full.json("info")["items"] == 2


def test_info_verify_export_upgrade_doctor(full: Shell) -> None:
    info = full.json("info")
    assert (info["items"], info["space"], info["dimension"]) == (5, "tiny", 13)
    assert "items" in full("info").stdout
    assert full.json("verify")["ok"] is True
    assert "all is well" in full("verify").stdout
    assert "wrote 5 items" in full("export", "items.csv").stdout
    assert (full.place / "items.csv").is_file()
    assert "is at schema" in full("upgrade").stdout
    checks = full.json("doctor")["checks"]
    assert {"what", "ok", "found", "remedy", "needed"} == set(checks[0])
    assert "ok " in full("doctor").stdout


def test_verify_repairs_and_says_so(full: Shell) -> None:
    spaces = full.place / "nearkin-collection" / "spaces"
    shutil.rmtree(spaces)
    done = full("verify")
    assert "note: flat of 'tiny' has lost its file; rebuilt from the catalogue" in done.stderr
    connection = sqlite3.connect(full.place / "nearkin-collection" / "catalogue.sqlite", isolation_level=None)
    connection.execute("DELETE FROM attribute WHERE item = 2")
    connection.close()
    assert "verify --repair" in full("verify", code=1).stdout
    assert full.json("verify", "--repair")["repaired"]
    assert full.json("verify")["ok"]


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
        (("search",), "search takes one of"),
        (("search", "--text", "words"), "reads pictures only"),
        (("remove",), "give items, --where or --missing"),
        (("remove", "--where", "[]"), "a filter is an object"),
        (("export", "items.doc"), "names no format"),
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
        (("export", "nowhere/items.csv"), "can't be written"),
    ],
)
def test_what_fails_is_exit_code_1(full: Shell, words: tuple[str, ...], part: str) -> None:
    assert part in full(*words, code=1).stderr


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', "[" * 100_000, '{"a": NaN}', '{"a": 1e999}', "9" * 5000, ""])
def test_strange_json_is_refused(full: Shell, text: str) -> None:
    full("remove", "--where", text, code=0 if "1e999" in text else 2)
    assert full.json("info")["items"] == 5


def test_names_that_are_not_utf8(shell: Shell, folder: Path) -> None:
    odd = os.fsencode(folder) + b"/\xff\xfe.png"
    with open(odd, "wb") as file:
        file.write(pictures.encoded(pictures.disc("pink"), "PNG"))
    assert shell.json("add", folder, "--embedder", "tiny")["added"] == 6
    assert "%FF%FE.png" in shell("search", odd, "-k", 1).stdout
    assert "%FF%FE.png" in shell.json("search", odd, "-k", 1)["hits"][0]["uri"]
    assert "no item" in shell("search", "--item", b"\xff", code=1).stderr
    assert shell("remove", odd).stdout == "removed 1 items\n"
    with open(odd, "wb") as file:
        file.write(b"nothing")
    assert "%FF%FE.png" in shell("add", odd, code=1).stdout


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
        done = full.alone("info", stdout=full_disk, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "error: the output can't be written: No space left on device\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_of_the_terminal_will_do(full: Shell, folder: Path, encoding: str) -> None:
    pictures.disc("pink").save(folder / "наш 😀.png")
    full("add", folder)
    options: Any = {"env": os.environ | {"PYTHONIOENCODING": encoding}, "capture_output": True}
    done = full.alone("search", folder / "наш 😀.png", "-k", 1, **options)
    assert (done.returncode, "1.000" in done.stdout) == (0, True)
    assert full.alone("search", "наш.png", **options).returncode == 1


def test_a_damaged_catalogue_is_a_sentence(full: Shell) -> None:
    (full.place / "nearkin-collection" / "catalogue.sqlite").write_bytes(b"nothing" * 9999)
    for command in ("info", "verify", "upgrade"):
        assert "is damaged" in full(command, code=1).stderr


def test_a_busy_writer_is_named(full: Shell) -> None:
    with (
        Collection.open(full.place / "nearkin-collection") as other,
        other._catalogue.transaction(),
    ):
        done = full("remove", "1", code=1, NEARKIN_WAIT="0.1")
    assert f"process {os.getpid()}" in done.stderr


def test_progress_is_for_terminals_only(shell: Shell, folder: Path) -> None:
    assert shell("add", folder, "--embedder", "tiny").stderr == ""


def test_a_rescue_says_what_it_kept(full: Shell) -> None:
    shown = full("rescue").stdout
    assert "kept 5 items with 5 vectors" in shown
    assert full.json("info")["items"] == 5
    assert full.json("verify")["ok"]


def test_the_version_is_the_package_s() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"nearkin {version('nearkin')}\n")
