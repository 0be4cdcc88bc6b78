"""The part that all embedders share that are one torch network over one transform of the picture."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.devices import check_device, may_have_gpu, pick_device
from indexers.embedders import weights
from indexers.embedders.base import Embedder
from indexers.embedders.engines import (
    MIN_COSINE,
    PRECISIONS,
    Engine,
    Torch,
    compute_least_cosine,
    export_network,
    iterate_engine_makers,
)
from indexers.embedders.quick import explain_missing_packages, fold_if_equal
from indexers.embedders.transform import FITS, Floats, Transform, check_fit, name_fit
from indexers.errors import BadSetting, WeightsUnavailable
from indexers.types import Json, Vectors


class NetworkEmbedder(Embedder):
    """An embedder with a torch network. All have the settings `fit` and `precision`.

    `fit` says how a picture comes into the network's square: None as when it was trained, mostly by its middle; "crop",
    "pad" or "squash" as in `Transform.change_fit`.

    `precision` is one of

    - "auto": the quickest engine of this machine, checked when the weights are loaded: on a few pictures, the cosine to
      full precision is at least .999. Another machine may use another engine, and its vectors agree to that;
    - "fp32": full precision: the same vectors everywhere, to rounding;
    - "bf16": quick on processors and GPUs that have it (AVX512-BF16, AMX), slow elsewhere;
    - "int8": 8-bit weights for transformers through ONNX Runtime; the quickest on a CPU, and the least exact.

    `device` is no setting of the space.
    """

    extra = "models"
    packages: tuple[str, ...] = ("torch",)
    """Modules that have to be installed."""

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(**settings)
        check_device(device)
        check_precision(self.settings["precision"])
        check_fit(self.settings["fit"], (None, *FITS))
        self.device = device
        self._loading, self._local = threading.Lock(), threading.local()
        self._engine: Engine | None = None

    @classmethod
    def defaults(cls) -> Json:
        return {"precision": "auto", "fit": None}

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """Pictures in one call of `forward`: on a CPU more do not pay, a GPU has to be filled."""
        is_cpu = self.device == "cpu" or (self.device == "auto" and not may_have_gpu())
        return 16 if is_cpu or pick_device(self.device).type == "cpu" else 128

    # ---- for members to define

    @abstractmethod
    def find_weights(self, download: bool = True) -> Path:
        """Return the file of the weights, downloaded if need be and allowed. Raises WeightsUnavailable."""

    @abstractmethod
    def make_network(self) -> Any:
        """Return a new torch module with its weights, ready to use: float32 (n, 3, height, width) -> (n, dimension)."""

    @abstractmethod
    def make_transform(self) -> Transform:
        """Return the transform that the network was trained with."""

    # ---- the contract

    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights' file, which has to be on this machine or is downloaded, and the fit."""
        return name_fit(weights.hash_file(self._path), self.settings["fit"])

    def missing(self) -> str:
        command = explain_missing_packages(*self.packages, extra=str(self.extra))
        if command or not weights.explain_missing(lambda: self.find_weights(download=False)):
            return command
        return "its weights are downloaded on first use" if self.is_published else "the file of its weights is missing"

    def weights_bytes(self) -> int | None:
        if explain_missing_packages(*self.packages):
            return None
        try:
            return self.find_weights(download=False).stat().st_size
        except WeightsUnavailable:
            return self.published_bytes()

    def published_bytes(self) -> int | None:
        """Return the size of the published weights; None if it is not known."""
        return None

    @property
    def is_published(self) -> bool:
        """True if the weights are published on the net, and no local file."""
        return self.settings.get("weights") is None or not weights.is_file_name(self.settings["weights"])

    @cached_property
    def _path(self) -> Path:
        return self.find_weights()

    @cached_property
    def transform(self) -> Transform:
        return self.make_transform().change_fit(self.settings["fit"])

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return uint8 (height, width, 3): the pixels that the network looks at, not yet normalised."""
        return self.transform(image)

    def forward(self, batch: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Return the vectors of n prepared pictures, float32 (n, dimension). Thread-safe."""
        return self.engine().run(self.transform.normalise(batch), getattr(self._local, "threads", None))

    def limit_threads(self, count: int) -> None:
        """Use so many cores for one call of `forward` in this thread (and, with torch, in threads started later)."""
        self._local.threads = count

    def engine(self) -> Engine:
        """Return the engine, chosen and loaded on first use; `label` describes it. Raises Unavailable, BadSetting."""
        with self._loading:
            if self._engine is None:
                self._engine = self._choose_engine()
        return self._engine

    def describe_engine(self) -> str:
        return self._engine.label if self._engine else ""

    def _choose_engine(self) -> Engine:
        device, example = pick_device(self.device), make_input(self.transform)
        network = prepare_network(self.make_network, example)
        precision = self.settings["precision"]
        if precision == "fp32":
            return Torch(network, device)
        makers = iterate_engine_makers(precision, network, device, LazyExport(network, example))
        if precision != "auto":
            return next(iter(makers))()
        return choose_engine(makers, example, Torch(network, "cpu").run(example), self.name)


class LazyExport:
    """Exports a network as an ONNX model when it is first called, and returns the same bytes later."""

    def __init__(self, network: Any, example: Floats) -> None:
        self._network, self._example = network, example
        self._bytes = b""

    def __call__(self) -> bytes:
        self._bytes = self._bytes or export_network(self._network, self._example)
        return self._bytes


def choose_engine(makers: Iterable[Callable[[], Engine]], example: Floats, reference: Floats, name: str) -> Engine:
    """Return the first engine that can be made and whose vectors of `example` agree with the reference to MIN_COSINE.

    The last one has full precision and is returned without a check.
    """
    log, all_makers = logging.getLogger("nearkin"), list(makers)
    for make in all_makers[:-1]:
        try:
            engine = make()
            cosine = compute_least_cosine(engine.run(example, 1), reference)
        except Exception as error:  # a model that one engine can't convert may run in another
            log.debug("the embedder %s: an engine can't be used: %s", name, error)
            continue
        if cosine >= MIN_COSINE:
            log.debug("the embedder %s runs with %s (cosine to full precision %.5f)", name, engine.label, cosine)
            return engine
        log.debug("the embedder %s: %s is too coarse (cosine %.5f)", name, engine.label, cosine)
    return all_makers[-1]()


def prepare_network(make: Callable[[], Any], example: Floats) -> Any:
    """Make the network, switch it to evaluation, and fold its batch normalisations."""
    import torch

    return fold_if_equal(make().eval().requires_grad_(False), torch.from_numpy(example))


def check_precision(precision: Any) -> None:
    """Raise BadSetting unless this is one of PRECISIONS."""
    if precision not in PRECISIONS:
        raise BadSetting(f"the precision {precision!r} is not known; give one of: {', '.join(PRECISIONS)}")


def make_samples() -> list[Image.Image]:
    """Return four pictures to compare engines by: coarse and fine noise, a gradient, stripes."""
    random = np.random.default_rng(3)
    noise = [random.integers(0, 256, (edge, edge, 3), dtype=np.uint8) for edge in (6, 300)]
    ramp = np.linspace(0, 255, 300, dtype=np.uint8)
    slope = np.dstack(
        [
            np.broadcast_to(ramp, (300, 300)),
            np.broadcast_to(ramp[:, None], (300, 300)),
            255 - ramp * np.ones((300, 1), np.uint8),
        ]
    )
    stripes = np.repeat(np.where(np.arange(300) // 20 % 2, 230, 20).astype(np.uint8)[:, None], 300, axis=1)
    arrays = (*noise, slope.astype(np.uint8), np.dstack([stripes] * 3))
    return [Image.fromarray(array).resize((300, 300), Image.Resampling.BICUBIC) for array in arrays]


def make_input(transform: Transform) -> Floats:
    """Return the samples as the input of a network, float32 (4, 3, height, width)."""
    return transform.normalise([transform(sample) for sample in make_samples()])
