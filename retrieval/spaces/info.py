"""What a collection holds, and how much room it takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from indexers.errors import NearkinError
from indexers.finders.base import load_finder
from indexers.types import Space
from indexers.vectors.staged import CODES_FROM, SCANNED
from retrieval.records.reports import Info, PartInfo

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
    parts = tuple(describe_parts(snapshot, catalogue.folder, vectors))
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
        parts=parts,
    )


def describe_parts(snapshot: Snapshot, folder: Path, vectors: Mapping[int, int]) -> Iterator[PartInfo]:
    """Yield what there is of each kind of parts that was looked for. vectors: the number in each space, by its id."""
    finders: dict[str, list[str]] = {}
    for kind, finder, _ in snapshot.parts.finders():
        finders.setdefault(kind, []).append(finder)
    counts = snapshot.parts.count()
    for kind, names in finders.items():
        spaces = [space for space in snapshot.part_spaces() if space.parts == kind]
        stored = sum(4 * space.dimension * vectors.get(space.id, 0) for space in spaces)
        derived = sum(measure_folder(folder / "spaces" / str(space.id)) for space in spaces)
        looked, failed = snapshot.parts.count_looked(kind)
        waiting = snapshot.parts.count_waiting(kind, _list_formats(names[0]))
        yield PartInfo(kind, counts[kind][1], looked, waiting, failed, tuple(dict.fromkeys(names)), stored + derived)


def _list_formats(finder: str) -> tuple[str, ...]:
    """Return the formats of the files that a finder reads, () for pictures of any and where it is not installed."""
    with suppress(NearkinError):
        return load_finder(finder).reads
    return ()


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
