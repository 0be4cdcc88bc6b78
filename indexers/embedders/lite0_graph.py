"""EfficientNet-Lite0 as an ONNX graph, from its weights alone: no torch, and no package of another network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.embedders.onnx_writer import OnnxWriter, describe_tensor

DIMENSIONS = {"last": 1280, "inner": 624}
"""Numbers in the output, by the layers of which it is the mean: the last convolution, or the stages of INNER."""
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
INNER = (4, 5, 6)
"""The stages whose outputs are the inner layers, of 112, 192 and 320 channels."""

Weights = Mapping[str, NDArray[Any]]


def build_graph(weights: Weights, layers: str = "last") -> bytes:
    """Return an ONNX model: "pixels", uint8 (n, height, width, 3), to "vectors", float32 (n, DIMENSIONS[layers]).

    These are the means over the picture of the last convolution's 1,280 channels ("last"), or of the channels of the
    stages of INNER one after the other ("inner"), which has no need of the last convolution.
    """
    return _Builder(weights).build(layers)


class _Builder:
    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._graph = OnnxWriter("lite0")
        self._limits = [self._add_scalar("zero", 0), self._add_scalar("six", 6)]

    def build(self, layers: str) -> bytes:
        stages = self._add_stages(self._add_stem())
        if layers == "last":
            head = self._add_convolution(stages[-1], "_conv_head", "_bn1")
            pooled = self._graph.add_node("GlobalAveragePool", [head], "pooled")
        else:
            means = [self._graph.add_node("GlobalAveragePool", [stages[place]], f"mean.{place}") for place in INNER]
            pooled = self._graph.add_node("Concat", means, "pooled", axis=1)
        self._graph.add_node("Flatten", [pooled], "vectors", axis=1)
        source = describe_tensor("pixels", np.uint8, ["n", "height", "width", 3])
        return self._graph.encode(source, [describe_tensor("vectors", np.float32, ["n", DIMENSIONS[layers]])])

    def _add_stem(self) -> str:
        """Add the first convolution. Its kernel divides by 127.5 what is left when 127.5 is subtracted from bytes, so
        that it sees -1 to 1, and zero where it reaches beyond the picture."""
        tensor = self._graph.add_node("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
        tensor = self._graph.add_node("Cast", [tensor], "levels", to=1)
        tensor = self._graph.add_node("Sub", [tensor, self._add_scalar("middle", 127.5)], "centred")
        return self._add_convolution(tensor, "_conv_stem", "_bn0", stride=2, divisor=127.5)

    def _add_stages(self, tensor: str) -> list[str]:
        """Add the blocks, and return the output of each stage."""
        outputs, channels, number = [], STEM, 0
        for stage in STAGES:
            for place in range(stage.blocks):
                tensor = self._add_block(tensor, f"_blocks.{number}", stage, channels, 1 if place else stage.stride)
                channels, number = stage.channels, number + 1
            outputs.append(tensor)
        return outputs

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
