"""What a collection holds, and how much room it takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from indexers.types import Space
from indexers.vectors.staged import CODES_FROM, SCANNED
from retrieval.records.reports import Info

if TYPE_CHECKING:
    from pathlib import Path

    from indexers.catalogue.catalogue import Catalogue
    from indexers.catalogue.snapshot import Snapshot
    from retrieval.config import Config


def read_info(
    snapshot: Snapshot,
    space: Space | None,
    catalogue: Catalogue,
    config: Config,
    repairs: Sequence[str],
    words: bool,
    kind: str = SCANNED,
) -> Info:
    """Return everything that `info` tells, as of one moment. kind: that of an index "auto"."""
    counts, vectors = snapshot.table_counts(), snapshot.vector_counts()
    return Info(
        path=catalogue.address,
        items=counts["items"],
        vectors=vectors.get(space.id, 0) if space else 0,
        dimension=space.dimension if space else None,
        space=space.name if space else None,
        embedder=space.embedder if space else None,
        metric=space.metric if space else None,
        index=describe_index(config, vectors.get(space.id, 0) if space else 0, kind),
        change=snapshot.number,
        locations=counts["locations"],
        missing=counts["missing"],
        failures=counts["failures"],
        bytes=measure_folder(catalogue.folder),
        settings=config.index_settings,
        repairs=tuple(repairs),
        words=words,
    )


def describe_index(config: Config, count: int, kind: str = SCANNED) -> str:
    """Return what `info` says of the index: what serves in its place, and whether another one would pay."""
    if config.index == "auto":
        return f"auto, now {'a scan' if kind == SCANNED else kind}"
    serving = config.serving_index
    name = config.index if serving == config.index else f"{config.index}, served by {serving}"
    return f"{name} ({describe_gain(count)})" if would_pay(config, count) else name


def would_pay(config: Config, count: int) -> bool:
    """Return True if the index "auto" would serve so many vectors better than the default."""
    return config.index == "hnsw" and count >= CODES_FROM


def describe_gain(count: int) -> str:
    """Return what the index "auto" gains a collection of so many vectors."""
    return f"for {count:,} vectors, the index auto takes a tenth of the memory, and finds more between clusters"


def measure_folder(folder: Path) -> int:
    """Return the bytes of all files below a folder; a writer may be replacing some of them meanwhile."""
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(directory, name)).st_size
    return total
