"""Items as files (CSV, JSON lines, Parquet, NumPy's own format) and as a table in memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from indexers.arrays import chunks
from indexers.catalogue.conditions import Condition
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import MissingPackage, UsageError
from indexers.files import whole
from indexers.types import LEVELS, Json, Space
from retrieval.records.base import table
from retrieval.records.items import FIELDS, VECTOR, Item

CLUSTERS = LEVELS
"""Columns after these: the cluster of each level that an item lies in; then those of clusterings by name."""

MARK = "nearkin"
"""In Parquet's metadata and as an array's name: this is an export; and the space that its vectors are of, as JSON."""
INTEGERS = ("id", "width", "height", "bytes")
PART = 10_000

Writer = Callable[[Path, Sequence[int], Snapshot, Space | None], None]


def export(snapshot: Snapshot, space: Space | None, path: Path, condition: Condition | None, vectors: bool) -> int:
    """Write the items that a condition holds for; how many it were. Written whole or not at all."""
    writers: dict[str, Writer] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet, ".npz": _npz}
    kind = path.suffix.lower()
    if kind not in writers:
        raise UsageError(f"{path.name!r} names no format to export to; use one of: {', '.join(writers)}")
    if vectors and kind in (".csv", ".jsonl"):
        raise UsageError(f"{kind} takes no vectors; export them to .parquet or .npz")
    if vectors and space is None:
        raise UsageError("the collection holds no vectors yet, so there are none to export")
    writer = _with_vectors if vectors and kind == ".parquet" else writers[kind]
    ids = snapshot.ids(condition).tolist()
    with whole(path) as temporary:
        writer(temporary, ids, snapshot, space)
    return len(ids)


def frame(snapshot: Snapshot, space: Space | None, condition: Condition | None) -> Any:
    """Items as a pandas.DataFrame, with a column for each metadata key, called as filters call it."""
    columns = [name for name in (*FIELDS, *_levels(snapshot)) if name != "metadata"]
    rows = map(_spread, _rows(snapshot.ids(condition).tolist(), snapshot, space))
    found = table(rows, columns)
    return found.astype(dict.fromkeys((*INTEGERS, *_levels(snapshot)), "Int64"))


def _spread(row: Json) -> Json:
    metadata = row.pop("metadata")
    return row | {f"metadata.{key}" if key in row else key: value for key, value in metadata.items()}


def _levels(snapshot: Snapshot) -> list[str]:
    return [*CLUSTERS, *(row.name for row in snapshot.clusterings.rows())]


def _rows(ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> Iterator[Json]:
    for part in chunks(ids):
        labels = snapshot.clusters.labels(space.id, part) if space else {}
        items = snapshot.items(part)
        named = {
            row.name: snapshot.clusterings.labels(row.id, np.array(part, np.int64))
            for row in snapshot.clusterings.rows()
        }
        for place, row in enumerate(items):
            values = Item.of(row).to_dict()
            said = {name: values[name] for name in FIELDS}
            said |= {level: one or None for level, one in zip(CLUSTERS, labels.get(row.id, (0, 0, 0)), strict=True)}
            yield said | {name: max(int(found[place]), 0) or None for name, found in named.items()}


def _csv(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*FIELDS, *_levels(snapshot)))
        writer.writeheader()
        for row in _rows(ids, snapshot, space):
            writer.writerow(_flat(row))


def _jsonl(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in _rows(ids, snapshot, space):
            file.write(_line(row))


def _parquet(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    _tables(path, ids, snapshot, space, None)


def _with_vectors(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    _tables(path, ids, snapshot, space, space)


def _tables(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None, of: Space | None) -> None:
    """Parquet; with a last column of vectors `of` a space."""
    arrow, parquet = pyarrow()
    schema = _schema(arrow, _levels(snapshot), of)
    with parquet.ParquetWriter(path, schema) as writer:
        for part in chunks(ids, PART):
            rows = [_flat(row) for row in _rows(list(part), snapshot, space)]
            if of:
                there, vectors = snapshot.vectors(of.id, part)
                known = dict(zip(there.tolist(), vectors, strict=True))
                rows = [row | {VECTOR: known.get(row["id"])} for row in rows]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def _schema(arrow: Any, levels: list[str], of: Space | None) -> Any:
    kinds = dict.fromkeys((*INTEGERS, *levels), arrow.int64()) | {"missing": arrow.bool_()}
    columns = [(name, kinds.get(name, arrow.string())) for name in (*FIELDS, *levels)]
    columns += [(VECTOR, arrow.list_(arrow.float32(), of.dimension))] if of else []
    return arrow.schema(columns, {MARK: _said(of)})


def _said(space: Space | None) -> str:
    return json.dumps(asdict(space) if space else None)


def pyarrow() -> tuple[Any, Any]:
    """The packages pyarrow and pyarrow.parquet. Raises MissingPackage."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackage(
            "Parquet needs pyarrow: pip install 'nearkin[parquet]'; .csv, .jsonl and .npz do without"
        ) from error
    return pyarrow, parquet


def _npz(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    """Of the items that have a vector: `ids` int64 (n,), `keys`, `uris` texts, `vectors` float32 (n, dimension),
    `clusters` int64 (n, levels), 0 where loose, the names of whose columns are in `levels`; and `items`, the bytes of
    what .jsonl holds."""
    if space is None:
        raise UsageError("the collection holds no vectors yet, so there is nothing to export to .npz")
    there, vectors = snapshot.vectors(space.id, ids)
    rows, levels = list(_rows(there.tolist(), snapshot, space)), _levels(snapshot)
    with path.open("wb") as file:
        np.savez(
            file,
            ids=there,
            keys=np.array([row["key"] for row in rows], str),
            uris=np.array([row["uri"] or "" for row in rows], str),
            vectors=vectors,
            clusters=np.array([[row[level] or 0 for level in levels] for row in rows], np.int64).reshape(
                -1, len(levels)
            ),
            levels=np.array(levels, str),
            items=np.frombuffer("".join(map(_line, rows)).encode(), np.uint8),
            nearkin=np.array(_said(space)),
        )


def _line(row: Json) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _flat(row: Json) -> dict[str, Any]:
    """Lists and objects as JSON, for formats made of columns."""
    return row | {name: json.dumps(row[name], ensure_ascii=False) for name in ("uris", "metadata")}
