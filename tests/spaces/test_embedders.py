"""The embedders that a collection may load: those of its user's, and no file that a stranger names."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import BadSetting, NearkinError, UsageError, WeightsUnavailable
from indexers.followers.trust import trust_collection
from retrieval import Collection
from tests.conftest import vectors
from tests.support.foreign import run_sql

PICTURE = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("onnx:x.onnx", "{}"),
        ("onnx", '{"path": "x.onnx"}'),
        ("onnx:~/x.onnx", "{}"),
        ("timm:resnet18", '{"model": "resnet18", "weights": "x.pt"}'),
    ],
)
def test_a_relative_path_in_the_database_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, settings: str
) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(5))
    database = sqlite3.connect(tmp_path / "c" / "catalogue.sqlite", isolation_level=None)
    database.execute("UPDATE space SET embedder = ?, settings = ?", (name, settings))
    database.close()
    monkeypatch.chdir(tmp_path / "c")
    for suffix in ("onnx", "pt"):
        (tmp_path / "c" / f"x.{suffix}").write_bytes(b"hostile")
    with Collection.open(tmp_path / "c") as collection:
        for _ in range(2):
            with pytest.raises(BadSetting, match="does not hold this whole path"):
                collection.search(picture=np.zeros((8, 8, 3), np.uint8))
        assert len(collection.search(item=1, k=2)) == 2


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a collection that another user has made, and a file beside the catalogue."""
    with monkeypatch.context() as patch:
        patch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "their-key"))
        with Collection.open(tmp_path / "theirs", create=True) as collection:
            collection.add_vectors(vectors(5))
    (tmp_path / "theirs" / "x.onnx").write_bytes(b"hostile")
    return tmp_path / "theirs"


@pytest.mark.parametrize("path", ["{}/x.onnx", "/proc/self/cwd/x.onnx", "/etc/hostname", "x.onnx", "../theirs/x.onnx"])
def test_a_file_that_a_stranger_names_is_not_loaded(theirs: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    path = path.format(theirs)
    run_sql(theirs, "UPDATE space SET embedder = ?, settings = ?", f"onnx:{path}", json.dumps({"path": path}))
    monkeypatch.chdir(theirs)
    with Collection.open(theirs) as collection:
        for _ in range(2):
            with pytest.raises(BadSetting, match=r"would load /.* nearkin trust /.*/theirs$"):
                collection.search(picture=PICTURE)
        assert len(collection.search(item=1, k=2)) == 2
    trust_collection(theirs)
    with Collection.open(theirs) as collection, pytest.raises(NearkinError, match=r"no ONNX|whole path|no such file"):
        collection.search(picture=PICTURE)


def test_an_instance_without_settings_takes_no_file_that_a_stranger_names(theirs: Path) -> None:
    pytest.importorskip("torch")
    from indexers.embedders.torchvision import ResNet18

    run_sql(theirs, "UPDATE space SET embedder = 'resnet18', settings = ?", json.dumps({"weights": "/etc/x.pt"}))
    with (
        Collection.open(theirs, embedder=ResNet18()) as collection,
        pytest.raises(BadSetting, match=r"would load /etc/x\.pt"),
    ):
        collection.add(PICTURE, keys=["a"])


def test_other_weights_that_a_stranger_names_are_not_loaded(theirs: Path) -> None:
    settings = {"model": "resnet18", "weights": "/etc/x.pt"}
    run_sql(theirs, "UPDATE space SET embedder = 'timm:resnet18', settings = ?", json.dumps(settings))
    with Collection.open(theirs) as collection, pytest.raises(BadSetting, match=r"would load /etc/x\.pt"):
        collection.add(PICTURE, keys=["a"])


def test_a_stranger_names_no_file_before_there_is_a_space_either(tmp_path: Path, theirs: Path) -> None:
    run_sql(theirs, "DELETE FROM space")
    run_sql(theirs, "INSERT INTO setting VALUES ('embedder', ?)", json.dumps(f"onnx:{theirs}/x.onnx"))
    with Collection.open(theirs) as collection:
        with pytest.raises(BadSetting, match="nearkin trust"):
            collection.add(PICTURE, keys=["a"])
        with pytest.raises(BadSetting, match="nearkin trust"):
            collection.add_vectors(vectors(3))
    with Collection.open(theirs, embedder="tiny") as collection:
        assert collection.add(PICTURE, keys=["a"]).added == 1


def test_a_file_that_the_user_names_is_loaded_from_anybody(theirs: Path) -> None:
    name = f"onnx:{theirs}/x.onnx"
    run_sql(theirs, "UPDATE space SET embedder = ?, settings = ?", name, json.dumps({"path": f"{theirs}/x.onnx"}))
    with Collection.open(theirs, embedder=name) as collection, pytest.raises(WeightsUnavailable, match="no ONNX model"):
        collection.search(picture=PICTURE)


def test_an_import_names_no_file(tmp_path: Path, theirs: Path) -> None:
    name = f"onnx:{theirs}/x.onnx"
    run_sql(theirs, "UPDATE space SET embedder = ?, settings = ?", name, json.dumps({"path": f"{theirs}/x.onnx"}))
    with Collection.open(theirs) as collection:
        collection.export(tmp_path / "theirs.npz")
    with Collection.open(tmp_path / "mine", create=True) as collection:
        with pytest.raises(UsageError, match=r"loads .*x\.onnx.* nearkin import --embedder onnx:"):
            collection.import_from(tmp_path / "theirs.npz")
        assert collection.spaces() == ()
    with Collection.open(tmp_path / "named", create=True, embedder=name) as collection:
        assert collection.import_from(tmp_path / "theirs.npz").added == 5
        assert collection.spaces()[0].embedder == name
