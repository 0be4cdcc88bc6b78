"""What the command line's arguments stand for, through the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from indexers.errors import BadSetting, UnknownPlugin
from retrieval import Collection
from retrieval.cli import app
from retrieval.cli.options import listed, made, parsed, second_space


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "collection"


@pytest.mark.parametrize("end", [b"\n", b"\0", b"\r\n"])
def test_a_list_of_paths_is_added(target: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    paths = [bytes(folder / name) for name in ("red.png", "blue.png")]
    (folder / "list").write_bytes(b"".join(path + end for path in paths))
    done = run("add", "--list", folder / "list", "-c", target, "--embedder", "tiny", "--json")
    assert (done.exit_code, json.loads(done.output)["added"]) == (0, 2)


def test_a_list_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.png\0caf\xe9.png\0")))
    assert listed(Path("-")) == ["a.png", "caf\udce9.png"]


def test_a_list_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="can't be read: No such file"):
        listed(tmp_path / "none")


def test_json_that_is_none_is_wrong_usage() -> None:
    assert parsed(None, "--where") is None
    with pytest.raises(typer.BadParameter, match="--where takes JSON"):
        parsed("{bad", "--where")


def test_an_embedder_is_made_with_settings() -> None:
    assert made("classic", {"shape": 2}).settings["shape"] == 2
    with pytest.raises(BadSetting, match="has no setting 'shapes'"):
        made("classic", {"shapes": 2})
    with pytest.raises(UnknownPlugin):
        made("nope", {})


def test_another_embedder_means_a_second_space(target: Path, folder: Path) -> None:
    assert not second_space(target, "tiny")
    with Collection.open(target, create=True, embedder="tiny") as collection:
        collection.add(folder)
    assert not second_space(target, None)
    assert not second_space(target, "tiny")
    assert second_space(target, "classic")


def test_a_second_space_is_filled_listed_used_and_dropped(target: Path, folder: Path) -> None:
    assert run("add", folder, "-c", target, "--embedder", "tiny").exit_code == 0
    done = run("add", "-c", target, "--embedder", "classic", "--settings", '{"texture": 1}', "--json")
    assert (done.exit_code, json.loads(done.output)["added"]) == (0, 5)
    spaces = json.loads(run("spaces", "-c", target, "--json").output)["spaces"]
    assert [(one["name"], one["vectors"], one["current"]) for one in spaces] == [
        ("tiny", 5, True),
        ("classic", 5, False),
    ]
    red = folder / "red.png"
    assert json.loads(run("search", red, "-c", target, "--space", "classic", "-k", 1, "--json").output)["hits"][0][
        "uri"
    ] == str(red)
    assert run("use", "classic", "-c", target).exit_code == 0
    assert run("drop", "tiny", "-c", target).exit_code == 0
    assert run("spaces", "-c", target).output.startswith("* classic  5 vectors of 734, cosine")


def test_embedders_say_what_they_need() -> None:
    done = run("embedders")
    assert "ok  lite0" in done.output
    assert "--  clip" in done.output
    assert "reads words" in done.output
    entries = json.loads(run("embedders", "tiny", "--measure", "--json").output)["embedders"]
    assert entries[0]["name"] == "tiny"
    assert entries[0]["rate"] > 0


def test_only_networks_are_written_as_onnx(tmp_path: Path) -> None:
    done = run("export-onnx", "tiny", tmp_path / "x.onnx")
    assert isinstance(done.exception, BadSetting)
    assert not (tmp_path / "x.onnx").exists()
