"""Models in ONNX files: our own exports and foreign ones, in every precision."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.embedders.base import Embedder
from indexers.embedders.engines import compute_least_cosine, export_network
from indexers.embedders.onnx import Onnx
from indexers.errors import BadSetting, WeightsUnavailable
from tests.support.embedders import SharedContract, check_name_and_settings
from tests.support.networks import PICTURES, Originals, read_facts, torch

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.usefixtures("one_core")


class TestOnnx(SharedContract):
    @pytest.fixture(autouse=True)
    def _export(self, originals: Originals) -> None:
        self.originals = originals

    def make(self) -> Embedder:
        return Onnx(path=str(self.originals.export("clip")), precision="fp32")

    def test_its_name_and_settings_make_it_again(self) -> None:
        check_name_and_settings(self)


class TestOnnxInt8(TestOnnx):
    def make(self) -> Embedder:
        return Onnx(path=str(self.originals.export("clip", int8=True)))


@pytest.mark.parametrize("precision", ["auto", "bf16", "int8"])
def test_an_onnx_file_in_less_precision(originals: Originals, precision: str) -> None:
    pytest.importorskip("openvino")
    embedder = Onnx(path=str(originals.export("clip")), precision=precision)
    assert compute_least_cosine(embedder.embed(PICTURES), originals["clip"].vectors) >= 0.999


@pytest.fixture(scope="module")
def foreign_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model made elsewhere: one picture at a time, of 32 x 32 pixels, giving (1, 4, 1, 1)."""
    torch.manual_seed(2)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5), torch.nn.AdaptiveAvgPool2d(1)).eval()
    path = tmp_path_factory.mktemp("foreign") / "foreign.onnx"
    path.write_bytes(export_network(model, np.zeros((2, 3, 32, 32), np.float32)))
    parsed = onnx.load(path)
    parsed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(parsed, path)
    return path


def test_a_foreign_onnx_file_takes_its_transform_from_the_settings(foreign_file: Path) -> None:
    embedder = Onnx(
        path=str(foreign_file), mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5], interpolation="bilinear", resize=36
    )
    assert embedder.transform.crop == (32, 32)
    assert embedder.transform.resize == (36, 36)
    assert embedder.transform.interpolation == "bilinear"
    assert embedder.dimension == 4
    white = embedder.embed([Image.new("RGB", (50, 40), "white")])
    np.testing.assert_allclose(white, embedder.embed([Image.new("RGB", (9, 70), "white")]), rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "crop", "resize"),
    [
        ({}, (32, 32), (32, 32)),
        ({"size": 24}, (24, 24), (24, 24)),
        ({"size": [20, 24], "resize": [28, 30]}, (20, 24), (28, 30)),
    ],
)
def test_a_size_is_the_crop_and_unless_told_otherwise_the_short_edge(
    foreign_file: Path, settings: dict[str, Any], crop: tuple[int, int], resize: tuple[int, int]
) -> None:
    transform = Onnx(path=str(foreign_file), **settings).transform
    assert (transform.crop, transform.resize) == (crop, resize)
    assert transform.mean == (0.485, 0.456, 0.406)  # ImageNet's


@pytest.mark.parametrize("size", [0, -3, True, "large", [8], 1.5])
def test_a_size_that_is_none_is_refused(foreign_file: Path, size: object) -> None:
    with pytest.raises(BadSetting, match=r"a size is a number of pixels, or \[height, width\]; got"):
        _ = Onnx(path=str(foreign_file), size=[size, 1, 2] if size == 0 else size).transform


def test_a_file_whose_pictures_have_no_size_needs_the_setting(tmp_path: Path) -> None:
    path = write_model(tmp_path, "GlobalAveragePool", ["n", 3, "height", "width"])
    with pytest.raises(BadSetting, match="does not state the size of its pictures; give the setting size="):
        _ = Onnx(path=str(path)).transform
    assert Onnx(path=str(path)).dimension == 3
    red, grey = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (20, 5), (128, 128, 128))
    vectors = Onnx(path=str(path), size=8, mean=[0, 0, 0], std=[1, 1, 1]).embed([red, grey])
    np.testing.assert_allclose(vectors, [[1, 0, 0], [128 / 255] * 3], atol=1e-6)


@pytest.mark.parametrize("shape", [["n", 1, 8, 8], ["n", 3, 8], [3, 8, 8]])
def test_a_model_of_another_input_is_refused_with_its_shape(tmp_path: Path, shape: list[Any]) -> None:
    path = write_model(tmp_path, "Identity", shape)
    with pytest.raises(BadSetting, match=r"takes \(pixels: tensor\(float\) \[.*\]\); .* gives float32 \(n, 3, height"):
        Onnx(path=str(path), size=8).embed([Image.new("RGB", (9, 9))])


def test_a_model_that_gives_no_vectors_is_refused_with_its_shape(tmp_path: Path) -> None:
    path = write_model(tmp_path, "Identity", ["n", 3, 8, 8])
    with pytest.raises(BadSetting, match=r"has the shape \(1, 3, 8, 8\); a vector for each picture is needed"):
        Onnx(path=str(path)).embed([Image.new("RGB", (9, 9))])


def write_model(folder: Path, operator: str, shape: list[Any]) -> Path:
    """Write a model of one operator for an input of that shape."""
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["pixels"], ["vectors"])],
        "one operator",
        [onnx.helper.make_tensor_value_info("pixels", kind, shape)],
        [onnx.helper.make_tensor_value_info("vectors", kind, None)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(WeightsUnavailable, match="no ONNX model"):
        Onnx(path=str(tmp_path / "text.onnx")).embed([Image.new("RGB", (9, 9))])
    with pytest.raises(WeightsUnavailable, match="no such file"):
        Onnx(path=str(tmp_path / "gone.onnx")).fingerprint()


def test_a_name_without_a_path_is_refused() -> None:
    with pytest.raises(BadSetting, match="path of a file"):
        read_facts("onnx")


def test_the_fingerprint_covers_weights_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"graph")
    graph = sha256(b"graph").hexdigest()
    assert Onnx(path=str(path)).fingerprint() == graph
    (tmp_path / "a.onnx.data").write_bytes(b"weights")
    digest = sha256((graph + sha256(b"weights").hexdigest()).encode()).hexdigest()
    assert Onnx(path=str(path)).fingerprint() == digest


@pytest.mark.parametrize("name", ["weights.bin", "foreign.onnx.data", "w" * 200, "sub/weights.bin"])
def test_weights_beside_the_file_are_part_of_the_fingerprint(tmp_path: Path, foreign_file: Path, name: str) -> None:
    path = tmp_path / "foreign.onnx"
    (tmp_path / name).parent.mkdir(exist_ok=True)
    onnx.save(onnx.load(foreign_file), path, save_as_external_data=True, location=name, size_threshold=0)
    weights = (tmp_path / name).read_bytes()
    before = Onnx(path=str(path))
    fingerprint = before.fingerprint()
    digests = [sha256(content).hexdigest() for content in (path.read_bytes(), weights)]
    assert fingerprint == sha256("".join(digests).encode()).hexdigest()
    assert before.weights_bytes() == path.stat().st_size + len(weights)
    (tmp_path / name).write_bytes(bytes(len(weights)))
    assert Onnx(path=str(path)).fingerprint() != fingerprint
