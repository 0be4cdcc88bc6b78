"""ONNX models written without the package onnx: it reads them, and a runtime computes what they say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from indexers.embedders.engines import OnnxRuntime
from indexers.embedders.onnx_writer import OnnxWriter, describe_tensor


def build() -> bytes:
    """Return a model: y = transpose(x) * 3 - 200, with a constant longer than 127 bytes."""
    graph = OnnxWriter("small")
    tensor = graph.add_node("Transpose", ["x"], "turned", perm=[1, 0])
    tensor = graph.add_node("Mul", [tensor, graph.add_constant("three", np.array(3, np.float32))], "product")
    graph.add_node("Sub", [tensor, graph.add_constant("rows", np.full((2, 300), 200, np.float32))], "y")
    source = describe_tensor("x", np.float32, [300, "n"])
    return graph.encode(source, [describe_tensor("y", np.float32, ["n", 300])])


def test_a_runtime_computes_what_was_written() -> None:
    pytest.importorskip("onnxruntime")
    x = np.random.default_rng(0).standard_normal((300, 2), dtype=np.float32)
    np.testing.assert_allclose(OnnxRuntime(build()).run(x, 1), x.T * 3 - 200, rtol=1e-6)


def test_the_package_onnx_finds_nothing_wrong() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(build())
    onnx.checker.check_model(model, full_check=True)
    assert (model.graph.name, model.opset_import[0].version, model.ir_version) == ("small", 17, 9)
    assert [node.op_type for node in model.graph.node] == ["Transpose", "Mul", "Sub"]
    assert onnx.helper.get_attribute_value(model.graph.node[0].attribute[0]) == [1, 0]
    [three, rows] = (onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer)
    assert three.shape == ()
    np.testing.assert_array_equal(rows, np.full((2, 300), 200, np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.float32])
def test_constants_keep_their_type_and_shape(dtype: type) -> None:
    onnx = pytest.importorskip("onnx")
    graph, values = OnnxWriter("constants"), np.arange(24).reshape(2, 3, 4).astype(dtype)
    graph.add_constant("whole", values)
    graph.add_constant("turned", values.T)
    model = onnx.load_from_string(graph.encode(describe_tensor("x", dtype, [1]), []))
    for constant, expected in zip(model.graph.initializer, (values, values.T), strict=True):
        read = onnx.numpy_helper.to_array(constant)
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, expected)


def test_attributes_are_numbers_texts_and_lists() -> None:
    onnx = pytest.importorskip("onnx")
    graph = OnnxWriter("attributes")
    graph.add_node("Conv", ["x", "k"], "y", auto_pad="SAME_UPPER", strides=[2, 300], group=70_000)
    [node] = onnx.load_from_string(graph.encode(describe_tensor("x", np.float32, ["n"]), [])).graph.node
    values = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert values == {"auto_pad": b"SAME_UPPER", "strides": [2, 300], "group": 70_000}


def test_writing_loads_no_onnx() -> None:
    script = (
        "import sys, indexers.embedders.onnx_writer; sys.exit(bool({'onnx', 'google.protobuf'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
