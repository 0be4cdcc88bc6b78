"""What the command line's arguments stand for, through the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import typer

from indexers.errors import BadSetting, UnknownPlugin
from retrieval import Collection
from retrieval.cli.options import build_embedder, needs_second_space, parse_json, read_paths
from tests.support.shell import run


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
