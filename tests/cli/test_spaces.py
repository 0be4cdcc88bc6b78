"""The commands about embedders and their spaces, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

from indexers.errors import BadSetting
from tests.support.shell import run


def test_a_second_space_is_filled_listed_used_and_dropped(target: Path, folder: Path) -> None:
    assert run("add", folder, "-c", target, "--embedder", "tiny").exit_code == 0
    done = run("add", "-c", target, "--embedder", "classic", "--settings", '{"texture": 1}', "--json")
    assert (done.exit_code, json.loads(done.output)["added"]) == (0, 5)
    spaces = json.loads(run("spaces", "-c", target, "--json").output)["spaces"]
    assert [(space["name"], space["vectors"], space["current"]) for space in spaces] == [
        ("tiny", 5, True),
        ("classic", 5, False),
    ]
    red = folder / "red.png"
    assert json.loads(run("search", red, "-c", target, "--space", "classic", "-k", 1, "--json").output)["hits"][0][
        "uri"
    ] == str(red)
    assert run("use", "classic", "-c", target).exit_code == 0
    assert run("drop", "tiny", "-c", target).exit_code == 0
    assert run("spaces", "-c", target).output.startswith("* classic  5 vectors, 734 dimensions, cosine")


def test_embedders_say_what_they_need() -> None:
    done = run("embedders")
    assert "ok  lite0" in done.output
    assert "--  clip" in done.output
    assert "text search" in done.output
    entries = json.loads(run("embedders", "tiny", "--measure", "--json").output)["embedders"]
    assert entries[0]["name"] == "tiny"
    assert entries[0]["rate"] > 0


def test_only_networks_are_written_as_onnx(tmp_path: Path) -> None:
    done = run("export-onnx", "tiny", tmp_path / "x.onnx")
    assert isinstance(done.exception, BadSetting)
    assert not (tmp_path / "x.onnx").exists()
