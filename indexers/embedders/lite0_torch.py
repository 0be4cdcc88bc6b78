"""EfficientNet-Lite0 in torch, for those who have it and a GPU: timm's network with the package's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.embedders.engines import Engine
from indexers.embedders.lite0_graph import INNER
from indexers.embedders.quick import fold_batch_norms
from indexers.types import Vectors


class TorchLite0(Engine):
    """The network on torch's device `device`, from its weights by name; `layers` as in `build_graph`."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], device: Any, layers: str = "last") -> None:
        self.label = f"torch fp32 on {device}"
        self._device = device
        self._network = speed_up(make_network(weights), layers).to(device)

    def run(self, pixels: NDArray[np.uint8], threads: int | None = None) -> Vectors:
        """Return the means, float32 (n, d), of pixels, uint8 (n, height, width, 3)."""
        import torch

        if threads and threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        with torch.inference_mode():
            planes = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)  # is channels-last in memory
            vectors: Vectors = self._network(planes.float().div_(127.5).sub_(1)).cpu().numpy()
        return vectors


def make_network(weights: Mapping[str, NDArray[Any]]) -> Any:
    """Return timm's network without its classifier, ready to use.

    The package has the same tensors in the same order under other names.
    """
    import timm
    import torch

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    tensors = (torch.from_numpy(values) for values in weights.values())
    network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=True)), strict=True)
    network.reset_classifier(0)
    return network.eval()


def speed_up(network: Any, layers: str = "last") -> Any:
    """Return a network that computes the same about four times as fast on one core with 16 pictures.

    Three steps do so. Each batch normalisation is folded into the convolution before it (exact to float32 rounding).
    The layout is channels-last. The early blocks, whose activations are large, run over two pictures at a time and so
    stay in the cache instead of asking the system for fresh memory; the late ones run over the whole batch.
    """
    import torch

    fold_batch_norms(network)
    early = torch.nn.Sequential(network.conv_stem, network.bn1, *network.blocks[: INNER[0] - 1])
    if layers == "last":
        late = torch.nn.Sequential(*network.blocks[INNER[0] - 1 :], network.conv_head, network.bn2, network.global_pool)
    else:
        stages = [network.blocks[INNER[0] - 1 : INNER[0] + 1], *(network.blocks[place] for place in INNER[1:])]
        late = _make_means(stages)

    class Quick(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.early, self.late = early, late

        def forward(self, pixels: Any) -> Any:
            if pixels.device.type != "cpu":
                return self.late(self.early(pixels))
            return self.late(torch.cat([self.early(pair) for pair in pixels.split(2)]))

    return Quick().eval().to(memory_format=torch.channels_last)


def _make_means(stages: list[Any]) -> Any:
    """Return a module that gives the means of each stage's channels, one after the other."""
    import torch

    class Means(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stages = torch.nn.ModuleList(stages)

        def forward(self, tensor: Any) -> Any:
            means = []
            for stage in self.stages:
                tensor = stage(tensor)
                means.append(tensor.mean((2, 3)))
            return torch.cat(means, dim=1)

    return Means()
