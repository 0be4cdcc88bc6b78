"""What all embedders share that are one torch network over one transform of the picture."""

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

from indexers.devices import check_device, pick_device
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
from indexers.embedders.transform import Floats, Transform
from indexers.errors import BadSetting, WeightsUnavailable
from indexers.types import Json, Vectors


class NetworkEmbedder(Embedder):
    """Settings of all: `precision`, one of

    - "auto": the quickest way that this machine has, checked when the weights are loaded: on a few pictures, the cosine
      to full precision is at least .999. Another machine may take another way, and its vectors agree to that;
    - "fp32": full precision: the same vectors everywhere, to rounding;
    - "bf16": quick on processors and GPUs that have it (AVX512-BF16, AMX), slow elsewhere;
    - "int8": 8-bit weights for transformers through ONNX Runtime; the quickest on a CPU, and the least exact.

    `device` is no setting of the space.
    """

    extra = "models"
    packages: tuple[str, ...] = ("torch",)
    """What has to be installed."""

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(**settings)
        check_device(device)
        check_precision(self.settings["precision"])
        self.device = device
        self._loading, self._local = threading.Lock(), threading.local()
        self._engine: Engine | None = None

    @classmethod
    def defaults(cls) -> Json:
        return {"precision": "auto"}

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """Pictures in one call of `forward`: on a CPU more do not pay, a GPU wants to be filled."""
        return 16 if self.device == "cpu" or pick_device(self.device).type == "cpu" else 128

    # ---- what a member says

    @abstractmethod
    def find_weights(self, download: bool = True) -> Path:
        """The file of the weights, downloaded if need be and allowed. Raises WeightsUnavailable."""

    @abstractmethod
    def make_network(self) -> Any:
        """A new torch module with its weights, ready to use: float32 (n, 3, height, width) -> (n, dimension)."""

    @abstractmethod
    def make_transform(self) -> Transform:
        """What the network was trained to look at."""

    # ---- the contract

    def fingerprint(self) -> str:
        """The SHA-256 of the weights' file, which has to be on this machine, or is downloaded."""
        return weights.hash_file(self._path)

    def missing(self) -> str:
        packages = explain_missing_packages(*self.packages)
        if packages or not weights.explain_missing(lambda: self.find_weights(download=False)):
            return packages
        return (
            "its weights are downloaded when it is first used"
            if self.is_published
            else "its weights' file is not there"
        )

    def weights_bytes(self) -> int | None:
        try:
            return self.find_weights(download=False).stat().st_size
        except WeightsUnavailable:
            return self.published_bytes()

    def published_bytes(self) -> int | None:
        """Size of the published weights, where it is known."""
        return None

    @property
    def is_published(self) -> bool:
        """Whether the weights are somebody's on the net, and not a local file."""
        return self.settings.get("weights") is None or not weights.is_file_name(self.settings["weights"])

    @cached_property
    def _path(self) -> Path:
        return self.find_weights()

    @cached_property
    def transform(self) -> Transform:
        return self.make_transform()

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """uint8 (height, width, 3): what the network looks at, not yet normalised."""
        return self.transform(image)

    def forward(self, batch: Sequence[NDArray[np.uint8]]) -> Vectors:
        """float32 (n, dimension) of n prepared pictures. Thread-safe."""
        return self.engine().run(self.transform.normalise(batch), getattr(self._local, "threads", None))

    def limit_threads(self, count: int) -> None:
        """Cores for one call of `forward` in this thread (and, torch being so, in threads that start later)."""
        import torch

        torch.set_num_threads(count)
        self._local.threads = count

    def engine(self) -> Engine:
        """What computes here, chosen and loaded on first use; its `label` says what. Raises Unavailable, BadSetting."""
        with self._loading:
            if self._engine is None:
                self._engine = self._choose_engine()
        return self._engine

    def _choose_engine(self) -> Engine:
        device, looked = (
            pick_device(self.device),
            self.transform.normalise([self.transform(one) for one in make_samples()]),
        )
        network = prepare_network(self.make_network, looked)
        precision = self.settings["precision"]
        if precision == "fp32":
            return Torch(network, device)
        exported = LazyExport(network, looked)
        makers = iterate_engine_makers(precision, network, device, exported)
        if precision != "auto":
            return next(iter(makers))()
        return choose_engine(makers, looked, Torch(network, "cpu").run(looked), self.name)


class LazyExport:
    """The network as an ONNX model, made when it is first needed."""

    def __init__(self, network: Any, example: Floats) -> None:
        self._network, self._example = network, example
        self._bytes = b""

    def __call__(self) -> bytes:
        self._bytes = self._bytes or export_network(self._network, self._example)
        return self._bytes


def choose_engine(makers: Iterable[Callable[[], Engine]], looked: Floats, reference: Floats, name: str) -> Engine:
    """The first engine that can be made and whose vectors agree with the reference to LEAST_COSINE.

    The last one is full precision, and is taken as it is.
    """
    log, every = logging.getLogger("nearkin"), list(makers)
    for make in every[:-1]:
        try:
            engine = make()
            near = compute_least_cosine(engine.run(looked, 1), reference)
        except Exception as error:  # a model that one of them can't convert is another's to run
            log.debug("the embedder %s: an engine can't be used: %s", name, error)
            continue
        if near >= MIN_COSINE:
            log.debug("the embedder %s runs with %s (cosine to full precision %.5f)", name, engine.label, near)
            return engine
        log.debug("the embedder %s: %s is too coarse (cosine %.5f)", name, engine.label, near)
    return every[-1]()


def prepare_network(make: Any, example: Floats) -> Any:
    """The network, ready and folded."""
    import torch

    return fold_if_equal(make().eval().requires_grad_(False), torch.from_numpy(example))


def check_precision(precision: Any) -> None:
    if precision not in PRECISIONS:
        raise BadSetting(f"the precision {precision!r} is not known; give one of: {', '.join(PRECISIONS)}")


def make_samples() -> list[Image.Image]:
    """Four pictures to compare engines by: coarse and fine noise, a gradient, stripes."""
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
    made = [Image.fromarray(array) for array in (*noise, slope.astype(np.uint8), np.dstack([stripes] * 3))]
    return [one.resize((300, 300), Image.Resampling.BICUBIC) for one in made]
