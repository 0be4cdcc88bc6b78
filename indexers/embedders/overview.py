"""The embedders at a glance: what can be used now, what is missing, and how quick it is here."""

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
    """One embedder. `missing`: what has to be done first, "" if it can be used now. `dimension`, `bytes` (of the
    weights): None if that depends on the argument of its name, or is not known. `rate`: pictures a second on all cores,
    prepared and embedded, if it was measured; `computes`: by what."""

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
    """These embedders, or all that are installed: first those that can be used now. Downloads nothing.

    `measured`: also embed pictures for so many seconds with each that can be used.
    """
    found = [
        _describe_embedder(name, with_rate, device, seconds, settings)
        for name in names or sorted(plugins.find_members(GROUP))
    ]
    return sorted(found, key=lambda one: not one.usable)


def _describe_embedder(name: str, measured: bool, device: str, seconds: float, settings: Json) -> EmbedderEntry:
    try:
        kind = plugins.load_member(GROUP, name)
    except MissingPackage as error:
        return EmbedderEntry(name, False, str(error), None, None, "unknown", False)
    try:
        embedder: Embedder = kind(**settings)
        embedder.device = device
        missing = embedder.missing()
        facts = embedder.dimension, embedder.weights_bytes(), embedder.licence, embedder.supports_text
    except BadSetting as error:
        if ":" in name or settings:
            raise
        return EmbedderEntry(f"{name}:...", False, str(error), None, None, _text(kind.licence), kind.supports_text)
    except Unavailable as error:
        return EmbedderEntry(name, False, str(error), None, None, _text(kind.licence), kind.supports_text)
    if missing or not measured:
        return EmbedderEntry(name, not missing, missing, *facts)
    try:
        return EmbedderEntry(
            name, True, "", *facts, rate=measure_rate(embedder, seconds), computes=_describe_engine(embedder)
        )
    except NearkinError as error:
        return EmbedderEntry(name, False, str(error), *facts)


def measure_rate(embedder: Embedder, seconds: float = 2.0) -> float:
    """Pictures a second, prepared and embedded, one batch after another in as many threads as there are cores."""
    random = np.random.default_rng(0)
    edge = 2 * embedder.input_size
    batch = [Image.fromarray(random.integers(0, 256, (edge, edge, 3), dtype=np.uint8))] * embedder.batch_size
    cores = count_cores()

    def work(end: float) -> int:
        done = 0
        while time.perf_counter() < end or not done:
            done += len(embedder.embed(batch))
        return done

    with ThreadPoolExecutor(cores, initializer=embedder.limit_threads, initargs=(1,)) as pool:
        list(pool.map(work, [0.0] * cores))  # loads the weights, warms up
        start = time.perf_counter()
        done = sum(pool.map(work, [start + seconds] * cores))
        return done / (time.perf_counter() - start)


def _describe_engine(embedder: Embedder) -> str | None:
    engine = getattr(embedder, "engine", None)
    return str(engine().label) if engine else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "of the model"
