"""The embedders at a glance: which can be used now, what the others lack, and how quick they are here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from indexers import plugins
from indexers.devices import count_cores
from indexers.embedders.base import Embedder
from indexers.errors import BadSetting, MissingPackage, NearkinError, Unavailable
from indexers.types import Json

GROUP = "nearkin.embedders"


@dataclass(frozen=True, slots=True)
class EmbedderEntry:
    """Facts about one embedder.

    - `missing`: what has to be done first; "" if it can be used now;
    - `dimension`, `bytes` (of the weights): None if not known, or if it depends on the argument of the name;
    - `rate`: pictures a second on all cores, prepared and embedded, if measured;
    - `computes`: the engine, such as "ONNX Runtime fp32"; None if there is none, or it is chosen on first use.
    """

    name: str
    usable: bool
    missing: str
    dimension: int | None
    bytes: int | None
    licence: str
    reads_words: bool
    rate: float | None = None
    computes: str | None = None

    def to_dict(self) -> Json:
        return asdict(self)


def list_embedders(
    names: Iterable[str] = (), with_rate: bool = False, device: str = "auto", seconds: float = 2.0, **settings: Any
) -> list[EmbedderEntry]:
    """Describe these embedders, or all that are installed: first those that can be used now. Downloads nothing.

    `with_rate`: also embed pictures for so many seconds with each that can be used. Other keywords are settings.
    """
    names = names or sorted(plugins.find_members(GROUP))
    entries = [_describe_embedder(name, with_rate, device, seconds, settings) for name in names]
    return sorted(entries, key=lambda entry: not entry.usable)


def _describe_embedder(name: str, with_rate: bool, device: str, seconds: float, settings: Json) -> EmbedderEntry:
    try:
        embedder_class = plugins.load_member(GROUP, name)
    except MissingPackage as error:
        return EmbedderEntry(name, False, str(error), None, None, "unknown", False)
    try:
        embedder: Embedder = embedder_class(**settings)
        embedder.device = device
        missing = embedder.missing()
        facts = embedder.dimension, embedder.weights_bytes(), embedder.licence, embedder.supports_text
    except BadSetting as error:
        if ":" in name or settings:
            raise
        return _describe_class(f"{name}:...", str(error), embedder_class)
    except Unavailable as error:
        return _describe_class(name, str(error), embedder_class)
    if missing:
        return EmbedderEntry(name, False, missing, *facts)
    try:
        rate = measure_rate(embedder, seconds) if with_rate else None
        return EmbedderEntry(name, True, "", *facts, rate=rate, computes=embedder.describe_engine() or None)
    except NearkinError as error:
        return EmbedderEntry(name, False, str(error), *facts)


def _describe_class(name: str, missing: str, embedder_class: type[Embedder]) -> EmbedderEntry:
    """Describe an embedder that can't be constructed. Its licence may depend on its settings."""
    licence: Any = embedder_class.licence
    if not isinstance(licence, str):  # a property
        licence = "of the model"
    return EmbedderEntry(name, False, missing, None, None, licence, embedder_class.supports_text)


def measure_rate(embedder: Embedder, seconds: float = 2.0) -> float:
    """Return the pictures a second, prepared and embedded, batch after batch in as many threads as there are cores."""
    random = np.random.default_rng(0)
    edge = 2 * embedder.input_size
    batch = [Image.fromarray(random.integers(0, 256, (edge, edge, 3), dtype=np.uint8))] * embedder.batch_size
    cores = count_cores()

    def embed_until(end: float) -> int:
        count = 0
        while time.perf_counter() < end or not count:
            count += len(embedder.embed(batch))
        return count

    with ThreadPoolExecutor(cores, initializer=embedder.limit_threads, initargs=(1,)) as pool:
        list(pool.map(embed_until, [0.0] * cores))  # loads the weights, warms up
        start = time.perf_counter()
        count = sum(pool.map(embed_until, [start + seconds] * cores))
        return count / (time.perf_counter() - start)
