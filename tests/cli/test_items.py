"""The commands that put pictures into a collection and take them out, as a user meets them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import pictures
from tests.support.shell import Shell


def test_add_and_search(shell: Shell, folder: Path) -> None:
    report = shell.json("add", folder, "--embedder", "tiny", "--metadata", '{"album": "discs"}')
    assert (report["added"], report["known"], report["failed"]) == (5, 0, 0)
    assert "0 added, 5 known, 0 failed" in shell("add", folder).stdout
    answer = shell.json("search", folder / "red.png", "-k", 2, "--where", '{"album": "discs"}')
    assert set(answer) >= {"hits", "as_of"}
    fields = {"item", "key", "score", "uri", "metadata", "clusters", "text", "missing"}
    assert [set(hit) for hit in answer["hits"]] == [fields] * 2
    assert answer["hits"][0]["uri"] == str(folder / "red.png")
    assert "red.png" in shell("search", folder / "red.png").stdout


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


def test_progress_is_for_terminals_only(shell: Shell, folder: Path) -> None:
    assert shell("add", folder, "--embedder", "tiny").stderr == ""
