"""Write a network as an ONNX model without the package onnx.

The format is Protocol Buffers, of which this needs little. The numbers of the fields are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

IR_VERSION, OPSET = 9, 17
TYPES = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.int8): 3, np.dtype(np.int32): 6}
"""ONNX's number of each type of tensor."""


class OnnxWriter:
    """Collects the nodes and constants of one graph, and returns them as a model.

    Tensors are known by name. Methods that add something return the name of the tensor that holds it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def add_constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant tensor, of one of TYPES."""
        content = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        fields = [*(_number(1, edge) for edge in values.shape), _number(2, TYPES[values.dtype]), _text(8, name)]
        self._constants.append(b"".join([*fields, _field(9, content)]))
        return name

    def add_node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add an operator; an attribute is a whole number, a text, or a list of whole numbers."""
        names = [*(_text(1, name) for name in inputs), _text(2, output), _text(3, output), _text(4, operator)]
        encoded = [_field(5, _encode_attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(b"".join([*names, *encoded]))
        return output

    def encode(self, source: bytes, results: Iterable[bytes]) -> bytes:
        """Return the model, with the input and the outputs that `describe_tensor` describes."""
        graph = [
            *(_field(1, node) for node in self._nodes),
            _text(2, self._name),
            *(_field(5, constant) for constant in self._constants),
            _field(11, source),
            *(_field(12, result) for result in results),
        ]
        opset = _text(1, "") + _number(2, OPSET)
        return _number(1, IR_VERSION) + _field(7, b"".join(graph)) + _field(8, opset)


def describe_tensor(name: str, dtype: Any, shape: Sequence[int | str]) -> bytes:
    """Return the description of an input or output; an edge that may have any length is a text."""
    edges = [_field(1, _text(2, edge) if isinstance(edge, str) else _number(1, edge)) for edge in shape]
    tensor = _number(1, TYPES[np.dtype(dtype)]) + _field(2, b"".join(edges))
    return _text(1, name) + _field(2, _field(1, tensor))


def _encode_attribute(name: str, value: int | str | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, 2)
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _number(20, 3)
    return _text(1, name) + b"".join(_number(8, number) for number in value) + _number(20, 7)


# ---- Protocol Buffers: each field is its number and kind in one varint, then a varint, or a length and bytes


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _field(field, value.encode())


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return a whole number, at least 0, in groups of seven bits, lowest first; all but the last have the high bit."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return struct.pack(f"{len(groups) + 1}B", *groups, value)
