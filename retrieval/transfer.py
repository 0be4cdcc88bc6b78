"""Writing items out: CSV, JSON lines, Parquet, or NumPy's own format with the vectors."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from indexers.errors import MissingPackage, UsageError
from indexers.files import whole
from indexers.reads import Snapshot, chunks
from indexers.types import LEVELS, Json, Space
from indexers.where import Condition
from retrieval.results import Item

FIELDS = (
    "id",
    "key",
    "uri",
    "uris",
    "hash",
    "width",
    "height",
    "format",
    "bytes",
    "text",
    "taken_at",
    "added_at",
    "missing",
    "metadata",
)
CLUSTERS = LEVELS
"""Columns after these: the cluster of each level that an item lies in; then those of clusterings by name."""


def export(snapshot: Snapshot, space: Space | None, path: Path, condition: Condition | None) -> int:
    """Write the items that a condition holds for; how many it were. Written whole or not at all."""
    writers: dict[str, Callable[[Path, list[int], Snapshot, Space | None], None]] = {
        ".csv": _csv,
        ".jsonl": _jsonl,
        ".parquet": _parquet,
        ".npz": _npz,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UsageError(f"{path.name!r} names no format to export to; use one of: {', '.join(writers)}")
    ids = snapshot.ids(condition).tolist()
    with whole(path) as temporary:
        writer(temporary, ids, snapshot, space)
    return len(ids)


def _levels(snapshot: Snapshot) -> list[str]:
    return [*CLUSTERS, *(row.name for row in snapshot.groupings.rows())]


def _rows(ids: list[int], snapshot: Snapshot, space: Space | None) -> Iterator[Json]:
    for part in chunks(ids):
        labels = snapshot.clusters.labels(space.id, part) if space else {}
        items = snapshot.items(part)
        named = {
            row.name: snapshot.groupings.labels(row.id, np.array(part, np.int64)) for row in snapshot.groupings.rows()
        }
        for place, row in enumerate(items):
            values = Item.of(row).to_dict()
            said = {name: values[name] for name in FIELDS}
            said |= {level: one or None for level, one in zip(CLUSTERS, labels.get(row.id, (0, 0, 0)), strict=True)}
            yield said | {name: max(int(found[place]), 0) or None for name, found in named.items()}


def _csv(path: Path, ids: list[int], snapshot: Snapshot, space: Space | None) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*FIELDS, *_levels(snapshot)))
        writer.writeheader()
        for row in _rows(ids, snapshot, space):
            writer.writerow(_flat(row))


def _jsonl(path: Path, ids: list[int], snapshot: Snapshot, space: Space | None) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in _rows(ids, snapshot, space):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _parquet(path: Path, ids: list[int], snapshot: Snapshot, space: Space | None) -> None:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackage(
            "Parquet needs pyarrow: pip install 'nearkin[parquet]'; or export to .csv or .jsonl"
        ) from error
    levels = _levels(snapshot)
    whole = dict.fromkeys(("id", "width", "height", "bytes", *levels), arrow.int64()) | {"missing": arrow.bool_()}
    schema = arrow.schema([(name, whole.get(name, arrow.string())) for name in (*FIELDS, *levels)])
    with parquet.ParquetWriter(path, schema) as writer:
        for part in chunks(ids, 10_000):
            rows = [_flat(row) for row in _rows(list(part), snapshot, space)]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def _npz(path: Path, ids: list[int], snapshot: Snapshot, space: Space | None) -> None:
    """`ids` int64, `keys`, `uris` texts, `vectors` float32 (n, dimension), of the items that have a vector."""
    if space is None:
        raise UsageError("the collection holds no vectors yet, so there is nothing to export to .npz")
    there, vectors = snapshot.vectors(space.id, ids)
    rows = snapshot.items(there.tolist())
    keys, uris = [row.key for row in rows], [row.uris[0] if row.uris else "" for row in rows]
    with path.open("wb") as file:
        np.savez(file, ids=there, keys=np.array(keys, str), uris=np.array(uris, str), vectors=vectors)


def _flat(row: Json) -> dict[str, Any]:
    """Lists and objects as JSON, for formats made of columns."""
    return row | {name: json.dumps(row[name], ensure_ascii=False) for name in ("uris", "metadata")}
