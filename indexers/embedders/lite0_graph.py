"""EfficientNet-Lite0 as an ONNX graph, from its weights alone: no torch, and no package of another network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.embedders.onnx_writer import OnnxWriter, describe_tensor

EDGE, DIMENSION = 224, 1280
EPSILON = 1e-3
"""Of the batch normalisations, as TensorFlow's own networks have it."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """Inverted residual blocks (Sandler et al., MobileNetV2, CVPR 2018) of the same width; the first has the stride."""

    expansion: int
    channels: int
    blocks: int
    stride: int


STEM = 32
STAGES = (
    _Stage(1, 16, 1, 1),
    _Stage(6, 24, 2, 2),
    _Stage(6, 40, 2, 2),
    _Stage(6, 80, 3, 2),
    _Stage(6, 112, 3, 1),
    _Stage(6, 192, 4, 2),
    _Stage(6, 320, 1, 1),
)

Weights = Mapping[str, NDArray[Any]]


def build_graph(weights: Weights) -> bytes:
    """Return an ONNX model: "pixels", uint8 (n, 224, 224, 3), to "vectors", float32 (n, 1280), the pooled features."""
    return _Builder(weights).build()


class _Builder:
    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._graph = OnnxWriter("lite0")
        self._limits = [self._add_scalar("zero", 0), self._add_scalar("six", 6)]

    def build(self) -> bytes:
        tensor = self._add_stem()
        tensor = self._add_stages(tensor)
        tensor = self._add_convolution(tensor, "_conv_head", "_bn1")
        tensor = self._graph.add_node("GlobalAveragePool", [tensor], "pooled")
        self._graph.add_node("Flatten", [tensor], "vectors", axis=1)
        source = describe_tensor("pixels", np.uint8, ["n", EDGE, EDGE, 3])
        return self._graph.encode(source, [describe_tensor("vectors", np.float32, ["n", DIMENSION])])

    def _add_stem(self) -> str:
        """Add the first convolution. Its kernel divides by 127.5 what is left when 127.5 is subtracted from bytes, so
        that it sees -1 to 1, and zero where it reaches beyond the picture."""
        tensor = self._graph.add_node("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
        tensor = self._graph.add_node("Cast", [tensor], "levels", to=1)
        tensor = self._graph.add_node("Sub", [tensor, self._add_scalar("middle", 127.5)], "centred")
        return self._add_convolution(tensor, "_conv_stem", "_bn0", stride=2, divisor=127.5)

    def _add_stages(self, tensor: str) -> str:
        channels, number = STEM, 0
        for stage in STAGES:
            for place in range(stage.blocks):
                tensor = self._add_block(tensor, f"_blocks.{number}", stage, channels, 1 if place else stage.stride)
                channels, number = stage.channels, number + 1
        return tensor

    def _add_block(self, source: str, name: str, stage: _Stage, channels: int, stride: int) -> str:
        tensor, inner = source, channels * stage.expansion
        if stage.expansion > 1:
            tensor = self._add_convolution(tensor, f"{name}._expand_conv", f"{name}._bn0")
        tensor = self._add_convolution(tensor, f"{name}._depthwise_conv", f"{name}._bn1", stride, groups=inner)
        tensor = self._add_convolution(tensor, f"{name}._project_conv", f"{name}._bn2", is_clipped=False)
        if stride == 1 and channels == stage.channels:
            tensor = self._graph.add_node("Add", [tensor, source], f"{name}.sum")
        return tensor

    def _add_convolution(
        self, source: str, name: str, norm: str, stride: int = 1, groups: int = 1, is_clipped: bool = True,
        divisor: float = 1.0,
    ) -> str:  # fmt: skip
        """Add a convolution with its batch normalisation folded into it and, if it is clipped, a ReLU6."""
        scale = self._weights[f"{norm}.weight"] / np.sqrt(self._weights[f"{norm}.running_var"] + np.float32(EPSILON))
        shift = self._weights[f"{norm}.bias"] - self._weights[f"{norm}.running_mean"] * scale
        kernel = self._weights[f"{name}.weight"] * (scale / np.float32(divisor))[:, None, None, None]
        inputs = [source, self._graph.add_constant(f"{name}.kernel", kernel)]
        inputs.append(self._graph.add_constant(f"{name}.shift", shift))
        options = {"auto_pad": "SAME_UPPER", "strides": [stride, stride], "group": groups}
        tensor = self._graph.add_node("Conv", inputs, f"{name}.sums", **options)
        return self._graph.add_node("Clip", [tensor, *self._limits], f"{name}.values") if is_clipped else tensor

    def _add_scalar(self, name: str, value: float) -> str:
        return self._graph.add_constant(name, np.array(value, np.float32))
