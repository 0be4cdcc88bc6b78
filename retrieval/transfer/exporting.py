"""Items as files (CSV, JSON lines, Parquet, NumPy's own format) and as a table in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from indexers.arrays import split_chunks
from indexers.catalogue.conditions import Condition
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import MissingPackage, UsageError
from indexers.files import replace_file
from indexers.types import LEVELS, Json, Space
from retrieval.records.base import table
from retrieval.records.items import FIELDS, VECTOR, Item
from retrieval.transfer import corrections
from retrieval.transfer.cells import write_rows

CLUSTERS = LEVELS
"""The columns after those of the item: its cluster in each level; then its cluster in each named clustering."""

MARK = "nearkin"
"""The key in Parquet's metadata, and the name of an array, that marks an export; it holds the space as JSON."""
INTEGERS = ("id", "width", "height", "bytes")
PART = 10_000
"""Rows that are written at a time."""

FORMATS = (".csv", ".jsonl", ".parquet", ".npz")
"""The files that can be written, by the end of their names."""

Writer = Callable[[Path, Sequence[int], Snapshot, Space | None], None]


def export_items(
    snapshot: Snapshot, space: Space | None, path: Path, condition: Condition | None, vectors: bool
) -> int:
    """Write the items that a condition holds for, and return their number. The file is written whole or not at all.

    Raises UsageError, MissingPackage, WriteFailed.
    """
    writers: dict[str, Writer] = dict(zip(FORMATS, (_write_csv, _write_jsonl, _write_parquet, _write_npz), strict=True))
    kind = check_format(path, vectors)
    if vectors and space is None:
        raise UsageError("the collection holds no vectors yet, so there are none to export")
    writer = _write_parquet_with_vectors if vectors and kind == ".parquet" else writers[kind]
    ids = snapshot.ids(condition).tolist()
    with replace_file(path) as temporary:
        writer(temporary, ids, snapshot, space)
    return len(ids)


def check_format(path: Path, vectors: bool) -> str:
    """Return the end of a file's name that says its format. Raises UsageError if it is none, or can't hold vectors."""
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise UsageError(f"can't export to {path.name!r}; the formats are: {', '.join(FORMATS)}")
    if vectors and kind in (".csv", ".jsonl"):
        raise UsageError(f"{kind} can't hold vectors; export them to .parquet or .npz")
    return kind


def build_frame(snapshot: Snapshot, space: Space | None, condition: Condition | None) -> Any:
    """Return items as a pandas.DataFrame, with a column for each metadata key under its name in filters."""
    rows = _read_rows(snapshot.ids(condition).tolist(), snapshot, space)
    return frame_rows(rows, _list_cluster_columns(snapshot))


def frame_rows(rows: Iterable[Json], cluster_columns: Sequence[str]) -> Any:
    """Return rows as .jsonl holds them as a pandas.DataFrame. Raises MissingPackage."""
    columns = [name for name in (*FIELDS, *cluster_columns) if name != "metadata"]
    items = table(map(_spread_metadata, rows), columns)
    return items.astype(dict.fromkeys((*INTEGERS, *cluster_columns), "Int64"))


def _spread_metadata(row: Json) -> Json:
    metadata = row.pop("metadata")
    return row | {f"metadata.{key}" if key in row else key: value for key, value in metadata.items()}


def _list_cluster_columns(snapshot: Snapshot) -> list[str]:
    return [*CLUSTERS, *(row.name for row in snapshot.clusterings.rows())]


def _read_rows(ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> Iterator[Json]:
    for part in split_chunks(ids):
        labels = snapshot.clusters.cluster_ids(space.id, part) if space else {}
        items, seen = snapshot.items(part), snapshot.texts_in_pictures(part)
        by_name = {
            row.name: snapshot.clusterings.cluster_ids(row.id, np.array(part, np.int64))
            for row in snapshot.clusterings.rows()
        }
        for place, row in enumerate(items):
            values = Item.of(row, seen=seen.get(row.id)).to_dict()
            cells = {name: values[name] for name in FIELDS}
            cluster_ids = labels.get(row.id, (0, 0, 0))
            cells |= {level: cluster_id or None for level, cluster_id in zip(CLUSTERS, cluster_ids, strict=True)}
            yield cells | {name: max(int(ids_by_name[place]), 0) or None for name, ids_by_name in by_name.items()}


def _write_csv(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = map(_encode_lists, _read_rows(ids, snapshot, space))
        names = (*FIELDS, *_list_cluster_columns(snapshot))
        write_rows(file, names, ([row[name] for name in names] for row in rows))


def _write_jsonl(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in _read_rows(ids, snapshot, space):
            file.write(_to_json_line(row))


def _write_parquet(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    _write_tables(path, ids, snapshot, space, None)


def _write_parquet_with_vectors(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    _write_tables(path, ids, snapshot, space, space)


def _write_tables(
    path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None, vector_space: Space | None
) -> None:
    """Write Parquet; if there is a `vector_space`, with its vectors in the last column."""
    arrow, parquet = import_pyarrow()
    is_sparse = vector_space is not None and not _all_have_vectors(ids, snapshot, vector_space)
    schema = _build_schema(arrow, _list_cluster_columns(snapshot), vector_space, is_sparse)
    described = corrections.describe_corrections(snapshot, ids)
    schema = schema.with_metadata({**schema.metadata, corrections.MARK.encode(): described.encode()})
    with parquet.ParquetWriter(path, schema) as writer:
        for part in split_chunks(ids, PART):
            rows = [_encode_lists(row) for row in _read_rows(list(part), snapshot, space)]
            if vector_space:
                item_ids, vectors = snapshot.vectors(vector_space.id, part)
                vector_of = dict(zip(item_ids.tolist(), vectors, strict=True))
                rows = [row | {VECTOR: vector_of.get(row["id"])} for row in rows]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def _all_have_vectors(ids: Sequence[int], snapshot: Snapshot, space: Space) -> bool:
    return {item.item_id for item in snapshot.unembedded_items(space.id)}.isdisjoint(ids)


def _build_schema(arrow: Any, levels: list[str], vector_space: Space | None, is_sparse: bool) -> Any:
    """Return the columns. Where vectors are missing, their lists have no fixed length: pyarrow up to 23 can not
    write an empty one of those between others."""
    kinds = dict.fromkeys((*INTEGERS, *levels), arrow.int64()) | {"missing": arrow.bool_()}
    columns = [(name, kinds.get(name, arrow.string())) for name in (*FIELDS, *levels)]
    columns += (
        [(VECTOR, arrow.list_(arrow.float32(), -1 if is_sparse else vector_space.dimension))] if vector_space else []
    )
    return arrow.schema(columns, {MARK: _describe_space(vector_space)})


def _describe_space(space: Space | None) -> str:
    return json.dumps(asdict(space) if space else None)


def import_pyarrow() -> tuple[Any, Any]:
    """Return the packages pyarrow and pyarrow.parquet. Raises MissingPackage."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackage(
            "Parquet needs pyarrow: pip install 'nearkin[parquet]'; .csv, .jsonl and .npz need no package"
        ) from error
    return pyarrow, parquet


def _write_npz(path: Path, ids: Sequence[int], snapshot: Snapshot, space: Space | None) -> None:
    """Write NumPy's archive of the items that have a vector.

    Its arrays: `ids` int64 (n,); `keys` and `uris` texts (n,); `vectors` float32 (n, dimension); `clusters` int64
    (n, levels), 0 where loose; `levels` the names of these columns; `items` the bytes of what .jsonl would hold;
    `corrections` what people say of clusters, as JSON.
    """
    if space is None:
        raise UsageError("the collection holds no vectors yet, so there is nothing to export to .npz")
    item_ids, vectors = snapshot.vectors(space.id, ids)
    rows, levels = list(_read_rows(item_ids.tolist(), snapshot, space)), _list_cluster_columns(snapshot)
    with path.open("wb") as file:
        np.savez(
            file,
            ids=item_ids,
            keys=np.array([row["key"] for row in rows], str),
            uris=np.array([row["uri"] or "" for row in rows], str),
            vectors=vectors,
            clusters=np.array([[row[level] or 0 for level in levels] for row in rows], np.int64).reshape(
                -1, len(levels)
            ),
            levels=np.array(levels, str),
            items=np.frombuffer("".join(map(_to_json_line, rows)).encode(), np.uint8),
            nearkin=np.array(_describe_space(space)),
            corrections=np.array(corrections.describe_corrections(snapshot, item_ids.tolist())),
        )


def _to_json_line(row: Json) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _encode_lists(row: Json) -> dict[str, Any]:
    """Return the row with its lists and objects as JSON, for formats made of columns."""
    return row | {name: json.dumps(row[name], ensure_ascii=False) for name in ("uris", "metadata")}
