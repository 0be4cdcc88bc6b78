"""Items with ready-made vectors, read from files.

These are our own exports, Parquet with a column of vectors, NumPy's archives, and the folders that clip-retrieval
writes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from indexers.arrays import split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.transaction import Transaction
from indexers.errors import UsageError
from indexers.pipeline import Progress
from indexers.types import Arrival, Failure, Json, PictureFacts, Space, StoredArrival
from retrieval.items import sources
from retrieval.spaces.view import View
from retrieval.transfer.exporting import MARK, PART, import_pyarrow

URI, TEXT = ("uri", "image_path"), ("text", "caption")
"""The names of columns that are no metadata; the first that exists counts. clip-retrieval uses the second."""


class Batch(NamedTuple):
    """Vectors (n, d) with a row of values for each; `lacking`: keys of items without a vector."""

    vectors: Any
    rows: list[Json]
    lacking: list[str] = []  # noqa: RUF012  never changed


class File(NamedTuple):
    """A file as batches of `rows` rows in all; `origin`: the space of its vectors, if the file names it."""

    rows: int
    batches: Iterator[Batch]
    origin: Space | None = None


class Import:
    """One run over some files. `open_view` opens the space that vectors go into, from the vectors and their origin."""

    def __init__(
        self,
        catalogue: Catalogue,
        open_view: Callable[[Any, Space | None], View],
        progress: Callable[[Progress], object],
    ) -> None:
        self._catalogue, self._open_view, self._progress = catalogue, open_view, progress
        self.added = 0
        self.items: list[int] = []
        self.failures: list[Failure] = []
        self._started = time.perf_counter()

    def run(self, paths: str | PathLike[str] | Iterable[str | PathLike[str]], vector: str) -> None:
        """Read the files and store their items, a batch in a transaction; batches before an error stay.

        `vector`: the column of vectors. Raises UsageError, BadVector, BadMetadata, MissingPackage.
        """
        paths = [paths] if isinstance(paths, str | PathLike) else list(paths)
        readers = [_find_reader(Path(path).expanduser()) for path in paths]
        total = 0
        for read, path in readers:
            file = read(path, vector)
            total += file.rows
            for batch in file.batches:
                self._store(batch, file.origin)
                self._progress(self._measure_progress(total))

    def _store(self, batch: Batch, origin: Space | None) -> None:
        self.failures += [Failure(name, "it has no vector", "import") for name in batch.lacking]
        if len(batch.vectors):
            space = self._open_view(batch.vectors, origin).space
            with self._catalogue.transaction() as writing:
                stored = _store_batch(writing, batch, space)
            self.added += sum(item.is_new for item in stored)
            self.items += [item.item_id for item in stored]

    def describe(self) -> Json:
        """Return the fields of the AddReport."""
        failures = {"known": 0, "failed": len(self.failures), "failures": tuple(self.failures)}
        return {"added": self.added, "replaced": len(self.items) - self.added, "items": tuple(self.items), **failures}

    def _measure_progress(self, total: int) -> Progress:
        failed = len(self.failures)
        seconds = time.perf_counter() - self._started
        return Progress(total, len(self.items) + failed, self.added, 0, failed, seconds)


def _store_batch(writing: Transaction, batch: Batch, space: Space) -> list[StoredArrival]:
    """Store the items of a batch with all their places, also those that have vanished."""
    arrivals = _build_arrivals(batch, space)
    stored = [item for part in split_chunks(arrivals) for item in writing.put(part, space.id, more_follow=True)]
    other_places = [Arrival(key=row["key"], uri=uri) for row in batch.rows for uri in row.get("uris", [])[1:]]
    for part in split_chunks(other_places):
        writing.put(part, more_follow=True)
    writing.mark_missing([uri for row in batch.rows if row.get("missing") for uri in row["uris"]])
    writing.drop_replaced_items()
    return stored


def _build_arrivals(batch: Batch, space: Space) -> list[Arrival]:
    rows = batch.rows
    uris = [(row.get("uris") or [None])[0] for row in rows]
    keys = [row.get("key") or uri for row, uri in zip(rows, uris, strict=True)]
    metadata, texts = [row.get("metadata") or {} for row in rows], [row.get("text") for row in rows]
    arrivals = sources.build_arrivals(batch.vectors, space, keys, uris, metadata, texts)
    return [
        _add_picture_facts(arrival, row) if row.get("hash") else arrival
        for arrival, row in zip(arrivals, rows, strict=True)
    ]


def _add_picture_facts(arrival: Arrival, row: Json) -> Arrival:
    facts = PictureFacts(row["width"], row["height"], row["format"], row["taken_at"])
    return replace(arrival, hash=bytes.fromhex(row["hash"]), facts=facts, bytes=row["bytes"])


# ---- files


def _find_reader(path: Path) -> tuple[Callable[[Path, str], File], Path]:
    readers = {".parquet": _read_parquet, ".npz": _read_npz}
    if (path / "img_emb").is_dir():
        return _read_clip_retrieval, path
    if not path.is_file():
        raise UsageError(f"{path} is no file, and no folder of clip-retrieval (with img_emb and metadata)")
    if path.suffix.lower() not in readers:
        raise UsageError(f"can't import from {path.name!r}; the formats are: {', '.join(readers)}")
    return readers[path.suffix.lower()], path


def _read_parquet(path: Path, vector: str) -> File:
    file = _open_parquet(path)
    mark = (file.schema_arrow.metadata or {}).get(MARK.encode())
    if vector not in file.schema_arrow.names:
        hint = "export it with vectors" if mark else "name the column of vectors"
        raise UsageError(f"{path} has no column {vector!r}; {hint}; it has: {', '.join(file.schema_arrow.names)}")
    convert = _convert_own_row if mark else _convert_foreign_row
    batches = (_build_batch(part, vector, convert) for part in file.iter_batches(PART))
    return File(file.metadata.num_rows, batches, _read_origin(mark, path))


def _open_parquet(path: Path) -> Any:
    arrow, parquet = import_pyarrow()
    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as error:
        raise UsageError(f"{path} can't be read as Parquet: {error}") from error


def _build_batch(part: Any, vector: str, convert: Callable[[Json], Json]) -> Batch:
    """Return a part of a Parquet file as a batch; items with a null vector are lacking."""
    column = part.column(vector)
    has_vector = np.asarray(column.is_valid())
    rows = [convert(row) for row in part.select([name for name in part.schema.names if name != vector]).to_pylist()]
    lacking = [str(row.get("key")) for row, has in zip(rows, has_vector, strict=True) if not has]
    vectors = list(column.drop_null().to_numpy(zero_copy_only=False))
    return Batch(vectors, [row for row, has in zip(rows, has_vector, strict=True) if has], lacking)


def _read_npz(path: Path, vector: str) -> File:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read as NumPy's archive: {error}") from error
    if "vectors" not in arrays:
        raise UsageError(f"{path} has no array 'vectors'; it has: {', '.join(arrays)}")
    rows, vectors = _read_npz_rows(arrays), arrays["vectors"]
    if len(rows) != len(vectors):
        raise UsageError(f"{path} has {len(vectors)} vectors and {len(rows)} items")
    mark = arrays.get(MARK)
    parts = range(0, len(rows), PART)
    batches = (Batch(vectors[start : start + PART], rows[start : start + PART]) for start in parts)
    return File(len(rows), batches, _read_origin(str(mark) if mark is not None else None, path))


def _read_npz_rows(arrays: dict[str, Any]) -> list[Json]:
    if MARK in arrays:
        return [json.loads(line) for line in arrays["items"].tobytes().splitlines()]
    columns = {name.removesuffix("s"): arrays[name].tolist() for name in ("keys", "uris", "texts") if name in arrays}
    count = len(next(iter(columns.values()), arrays["vectors"]))
    return [_convert_foreign_row({name: values[place] for name, values in columns.items()}) for place in range(count)]


def _read_clip_retrieval(path: Path, vector: str) -> File:
    """Read pairs of img_emb/img_emb_0.npy, float16 or float32 (n, d), and metadata/metadata_0.parquet."""
    pairs = []
    for array in sorted((path / "img_emb").glob("img_emb_*.npy")):
        table = path / "metadata" / array.name.replace("img_emb", "metadata").replace(".npy", ".parquet")
        if not table.is_file():
            raise UsageError(f"{array} has no {table.name} beside it in {table.parent}")
        vectors, file = np.load(array, mmap_mode="r", allow_pickle=False), _open_parquet(table)
        if len(vectors) != file.metadata.num_rows:
            raise UsageError(f"{array} has {len(vectors)} vectors, {table} {file.metadata.num_rows} rows")
        pairs.append((vectors, file))
    batches = (batch for pair in pairs for batch in _join_pair(*pair))
    return File(sum(len(vectors) for vectors, _ in pairs), batches)


def _join_pair(vectors: Any, file: Any) -> Iterator[Batch]:
    start = 0
    for part in file.iter_batches(PART):
        rows = [_convert_foreign_row(row) for row in part.to_pylist()]
        yield Batch(vectors[start : start + len(rows)], rows)
        start += len(rows)


# ---- rows


def _read_origin(mark: bytes | str | None, path: Path) -> Space | None:
    """Return the space that an export's vectors belong to. Raises UsageError for one of another version."""
    values = json.loads(mark) if mark else None
    try:
        return Space(**values) if values else None
    except TypeError as error:
        raise UsageError(f"{path} was exported by another version of nearkin: {error}") from error


def _convert_own_row(row: Json) -> Json:
    return row | {name: json.loads(row[name]) for name in ("uris", "metadata")}


def _convert_foreign_row(row: Json) -> Json:
    """Return the row of a file of unknown origin in the form of an export."""
    key, uri, text = (_pop_text(row, names) for names in (("key",), URI, TEXT))
    return {"key": key, "uris": [uri] if uri else [], "text": text, "metadata": drop_empty_values(row)}


def _pop_text(row: Json, names: tuple[str, ...]) -> str | None:
    value = next((row.pop(name) for name in names if name in row), None)
    return None if value is None or value != value else str(value)


def drop_empty_values(row: Json) -> Json:
    """Return a table's row as metadata: without empty values (null, NaN), and with dates and times as ISO 8601."""
    filled = {name: value for name, value in row.items() if value is not None and value == value}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in filled.items()}
