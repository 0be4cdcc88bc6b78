"""Exported files: the vectors of the model, and its facts in the file's metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexers import plugins
from indexers.embedders.engines import compute_least_cosine
from indexers.embedders.export import add_metadata, export_onnx, parse_facts
from indexers.embedders.onnx import Onnx
from indexers.errors import BadSetting, WriteFailed
from tests.support.networks import PICTURES, Originals

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.mark.parametrize("name", ["clip", "resnet18", "timm"])
def test_an_exported_file_gives_the_models_vectors(originals: Originals, name: str) -> None:
    pytest.importorskip("onnxruntime")
    original = originals[name]
    embedder = original.make_ours()
    exported = Onnx(path=str(originals.export(name)), precision="fp32")
    assert (exported.dimension, exported.transform) == (embedder.dimension, embedder.transform)
    largest = np.abs(original.vectors).max()
    np.testing.assert_allclose(exported.embed(PICTURES), original.vectors, atol=1e-5 * largest)
    small = Onnx(path=str(originals.export(name, int8=True)))
    assert compute_least_cosine(small.embed(PICTURES), original.vectors) >= 0.999
    assert "int8" in small.name or small._is_quantised


def test_the_file_carries_the_facts_of_its_embedder(originals: Originals) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    embedder = originals["clip"].make_ours()
    for int8, precision in ((False, "fp32"), (True, "int8")):
        model = onnx.load(originals.export("clip", int8))
        facts = parse_facts({entry.key: entry.value for entry in model.metadata_props})
        transform = facts.pop("transform")
        assert facts == {
            "dimension": 48,
            "embedder": embedder.name,
            "licence": embedder.licence,
            "precision": precision,
            "fingerprint": embedder.fingerprint(),
        }
        assert (transform["crop"], transform["mean"]) == ([64, 64], [0.5, 0.4, 0.3])


def test_a_file_of_other_origin_has_no_facts() -> None:
    assert parse_facts({"author": "somebody", "dimension": "7"}) == {}


def test_facts_are_added_to_a_model_and_read_again() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    changed = onnx.load_from_string(add_metadata(model.SerializeToString(), {"dimension": "3", "licence": "MIT"}))
    assert {entry.key: entry.value for entry in changed.metadata_props} == {
        "nearkin.dimension": "3",
        "nearkin.licence": "MIT",
    }
    assert parse_facts({entry.key: entry.value for entry in changed.metadata_props}) == {
        "dimension": 3,
        "licence": "MIT",
    }


def test_embedders_without_a_network_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="'classic' can't be written"):
        export_onnx(plugins.load_member("nearkin.embedders", "classic")(), tmp_path / "a.onnx")


def test_a_folder_that_is_missing_is_told_and_nothing_is_left(originals: Originals, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(WriteFailed, match=r"a\.onnx"):
        export_onnx(originals["clip"].make_ours(), tmp_path / "missing" / "a.onnx")
    assert not list(tmp_path.iterdir())
