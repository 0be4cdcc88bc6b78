"""What the command line's arguments stand for, through the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import typer

from indexers.errors import BadSetting, UnknownPlugin
from retrieval import Collection
from retrieval.cli.options import build_embedder, needs_second_space, parse_json, read_paths
from tests.support.shell import Shell, run


@pytest.mark.parametrize("end", [b"\n", b"\0", b"\r\n"])
def test_a_list_of_paths_is_added(target: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    paths = [bytes(folder / name) for name in ("red.png", "blue.png")]
    (folder / "list").write_bytes(b"".join(path + end for path in paths))
    done = run("add", "--list", folder / "list", "-c", target, "--embedder", "tiny", "--json")
    assert (done.exit_code, json.loads(done.output)["added"]) == (0, 2)


def test_a_list_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.png\0caf\xe9.png\0")))
    assert read_paths(Path("-")) == ["a.png", "caf\udce9.png"]


def test_a_list_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"cannot read --list .*none: No such file"):
        read_paths(tmp_path / "none")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("import nowhere.npz", 2),
        ("import damaged.npz", 2),
        ("import damaged.parquet", 2),
        ("import unnumbered.npz", 2),
        ("add nowhere.jpg", 1),
        ("add nothing*.jpg", 1),
        ("add pictures --metadata [1]", 2),
        ("add pictures --metadata {", 2),
        ("add pictures --embedder onnx:nowhere.onnx", 1),
        ("sync nowhere", 2),
        ("sync pictures --metadata [1]", 2),
        ("add --list nowhere", 2),
    ],
)
def test_a_command_that_fails_leaves_no_collection_behind(shell: Shell, words: str, code: int) -> None:
    for name in ("damaged.npz", "damaged.parquet"):
        (shell.place / name).write_bytes(b"PK\3\4 and no more")
    np.savez(shell.place / "unnumbered.npz", vectors=np.full((2, 4), np.nan))
    before = sorted(shell.place.iterdir())
    shell(*words.split(), "-c", "above/new", code=code)
    assert sorted(shell.place.iterdir()) == before


def test_a_collection_that_holds_failures_or_was_there_is_kept(shell: Shell) -> None:
    (shell.place / "damaged.png").write_bytes(b"no picture")
    shell("add", "damaged.png", "-c", "new", "--embedder", "tiny", code=1)
    assert "damaged.png" in shell("failures", "-c", "new").stdout
    shell("add", "--embedder", "tiny", "-c", "empty")
    shell("import", "nowhere.npz", "-c", "empty", code=2)
    assert shell.json("info", "-c", "empty")["items"] == 0


def test_json_that_is_none_is_wrong_usage() -> None:
    assert parse_json(None, "--where") is None
    with pytest.raises(typer.BadParameter, match="--where takes JSON"):
        parse_json("{bad", "--where")


def test_an_embedder_is_made_with_settings() -> None:
    assert build_embedder("classic", {"shape": 2}).settings["shape"] == 2
    with pytest.raises(BadSetting, match="has no setting 'shapes'"):
        build_embedder("classic", {"shapes": 2})
    with pytest.raises(UnknownPlugin):
        build_embedder("nope", {})


def test_another_embedder_means_a_second_space(target: Path, folder: Path) -> None:
    assert not needs_second_space(target, "tiny")
    with Collection.open(target, create=True, embedder="tiny") as collection:
        collection.add(folder)
    assert not needs_second_space(target, None)
    assert not needs_second_space(target, "tiny")
    assert needs_second_space(target, "classic")
