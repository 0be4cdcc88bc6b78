"""Items with ready-made vectors, read from files.

These are our own exports, Parquet with a column of vectors, NumPy's archives, and the folders that clip-retrieval
writes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from indexers.arrays import split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import is_text
from indexers.catalogue.transaction import Transaction
from indexers.errors import BadVector, MissingPackage, NearkinError, UsageError
from indexers.progress import Progress
from indexers.types import Arrival, Failure, Json, PictureFacts, Space, StoredArrival
from indexers.vectors.metrics import parse_metric
from retrieval.items import sources
from retrieval.spaces.spaces import Spaces
from retrieval.transfer import corrections
from retrieval.transfer.exporting import MARK, PART, import_pyarrow

URI, TEXT = ("uri", "image_path"), ("text", "caption")
"""The names of columns that are no metadata; the first that exists counts. clip-retrieval uses the second."""


KINDS = {".parquet": "Parquet", ".npz": "NumPy's archive", ".npy": "NumPy's array"}
"""Formats by the ending of their files."""


class Batch(NamedTuple):
    """Vectors (n, d) with a row of values for each; `lacking`: keys of items without a vector."""

    vectors: Any
    rows: list[Json]
    lacking: list[str] = []  # noqa: RUF012  never changed


class File(NamedTuple):
    """A file as batches of `rows` rows in all.

    read: returns the batches from the first on. origin: the space of its vectors, if the file names it.
    corrections: what people said of the clusters of its items.
    """

    rows: int
    read: Callable[[], Iterable[Batch]]
    origin: Space | None = None
    corrections: Sequence[Json] = ()


class Import:
    """One run over some files, which are read to their ends before anything of them is stored."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, progress: Callable[[Progress], object]) -> None:
        self._catalogue, self._spaces, self._progress = catalogue, spaces, progress
        self.added = 0
        self.items: list[int] = []
        self.failures: list[Failure] = []
        self._started = time.perf_counter()

    def run(self, paths: str | PathLike[str] | Iterable[str | PathLike[str]], vector: str) -> None:
        """Check all files, then store their items, a batch in a transaction.

        `vector`: the column of vectors. Raises UsageError, BadVector, BadMetadata, MissingPackage: nothing is stored.
        """
        paths = [paths] if isinstance(paths, str | PathLike) else list(paths)
        readers = [_find_reader(Path(path).expanduser()) for path in paths]
        files, space = [], None
        for read, path in readers:
            with _name_damage(path):
                file = read(path, vector)
                space = self._check(file, space)
            files.append((path, file))
        total = sum(file.rows for _, file in files)
        for path, file in files:
            named = corrections.list_named(file.corrections)
            ids: dict[str, int] = {}
            for batch in _read_batches(path, file):
                stored = self._store(batch, file.origin)
                ids |= {key: item_id for key, item_id in stored if key in named}
                self._progress(self._measure_progress(total))
            if ids and (view := self._spaces.view()) is not None:
                with self._catalogue.transaction() as writing:
                    corrections.enter_corrections(writing, file.corrections, ids, view.space.id)

    def _check(self, file: File, space: Space | None) -> Space | None:
        """Build all that would be stored; return the space of the vectors, `space` if there are none."""
        count = 0
        for batch in file.read():
            count += len(batch.rows) + len(batch.lacking)
            if len(batch.vectors):
                space = self._spaces.foresee_import(batch.vectors, file.origin, space)
                _build_arrivals(batch, space)
        if count != file.rows:
            raise UsageError(f"it says that it has {file.rows} rows, and {count} can be read")
        return space

    def _store(self, batch: Batch, origin: Space | None) -> list[tuple[str, int]]:
        """Store a batch; return the keys and ids of its items."""
        self.failures += [Failure(name, "it has no vector", "import") for name in batch.lacking]
        if not len(batch.vectors):
            return []
        space = self._spaces.open_for_import(batch.vectors, origin).space
        with self._catalogue.transaction() as writing:
            stored = _store_batch(writing, batch, space)
        self.added += sum(item.is_new for item in stored)
        self.items += [item.item_id for item in stored]
        return [(row["key"], item.item_id) for row, item in zip(batch.rows, stored, strict=True) if row.get("key")]

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
    pairs = zip(batch.rows, stored, strict=True)  # by item: another picture may lie in the place of one that vanished
    writing.mark_items_missing([item.item_id for row, item in pairs if row.get("missing")])
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


@contextmanager
def _name_damage(path: Path) -> Iterator[None]:
    """Raise UsageError, with the path, for whatever the readers of a format raise about a file that is damaged, of
    another format, or of another make: they raise nearly everything."""
    try:
        yield
    except MissingPackage:
        raise
    except NearkinError as error:
        raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from error
    except Exception as error:
        kind = KINDS.get(path.suffix.lower(), "a folder of clip-retrieval")
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UsageError(
            f"{path} can't be read as {kind} ({reason}); it is damaged, or of another kind. Nothing was imported: make "
            "the file again, or give it the ending of its kind"
        ) from error


def _read_batches(path: Path, file: File) -> Iterator[Batch]:
    """Yield the batches; what is stored while one is out may raise what it likes."""
    with _name_damage(path):
        batches = iter(file.read())
    while True:
        with _name_damage(path):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


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

    def read() -> Iterator[Batch]:
        return (_build_batch(part, vector, convert) for part in _open_parquet(path).iter_batches(PART))

    described = (file.schema_arrow.metadata or {}).get(corrections.MARK.encode()) if mark else None
    return File(file.metadata.num_rows, read, _read_origin(mark, path), corrections.parse_corrections(described))


def _open_parquet(path: Path) -> Any:
    return import_pyarrow()[1].ParquetFile(path)


def _build_batch(part: Any, vector: str, convert: Callable[[Json], Json]) -> Batch:
    """Return a part of a Parquet file as a batch; items with a null vector are lacking."""
    column = part.column(vector)
    has_vector = np.asarray(column.is_valid())
    rows = [convert(row) for row in part.select([name for name in part.schema.names if name != vector]).to_pylist()]
    lacking = [str(row.get("key")) for row, has in zip(rows, has_vector, strict=True) if not has]
    vectors = list(column.drop_null().to_numpy(zero_copy_only=False))
    return Batch(vectors, [row for row, has in zip(rows, has_vector, strict=True) if has], lacking)


def _read_npz(path: Path, vector: str) -> File:
    # not np.load: it takes what is no archive for a pickle, and advises to load it as one
    with path.open("rb") as opened, np.lib.npyio.NpzFile(opened, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if "vectors" not in arrays:
        raise UsageError(f"{path} has no array 'vectors'; it has: {', '.join(arrays)}")
    vectors = _check_array(arrays["vectors"], path)
    rows = _read_npz_rows(arrays)
    if len(rows) != len(vectors):
        raise UsageError(f"{path} has {len(vectors)} vectors and {len(rows)} items")
    mark = arrays.get(MARK)

    def read() -> Iterator[Batch]:
        parts = range(0, len(rows), PART)
        return (Batch(vectors[start : start + PART], rows[start : start + PART]) for start in parts)

    described = arrays.get("corrections") if mark is not None else None
    said = corrections.parse_corrections(str(described) if described is not None else None)
    return File(len(rows), read, _read_origin(str(mark) if mark is not None else None, path), said)


def _check_array(vectors: Any, path: Path) -> Any:
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or 0 in vectors.shape[1:]:
        raise BadVector(
            f"{path} has vectors of the shape {vectors.shape} and the type {vectors.dtype}; they are rows of numbers "
            "(n, dimension)"
        )
    return vectors


def _read_npz_rows(arrays: dict[str, Any]) -> list[Json]:
    if MARK in arrays:
        return [_check_own_row(json.loads(line)) for line in arrays["items"].tobytes().splitlines()]
    columns = {name.removesuffix("s"): arrays[name] for name in ("keys", "uris", "texts") if name in arrays}
    count = len(next(iter(columns.values()), arrays["vectors"]))
    for name, values in columns.items():
        if values.ndim != 1 or len(values) != count:
            raise UsageError(f"its arrays differ in length: {count} items, but {name}s of the shape {values.shape}")
    texts = {name: values.tolist() for name, values in columns.items()}
    return [_convert_foreign_row({name: values[place] for name, values in texts.items()}) for place in range(count)]


def _read_clip_retrieval(path: Path, vector: str) -> File:
    """Read pairs of img_emb/img_emb_0.npy, float16 or float32 (n, d), and metadata/metadata_0.parquet."""
    pairs = []
    for array in sorted((path / "img_emb").glob("img_emb_*.npy")):
        table = path / "metadata" / array.name.replace("img_emb", "metadata").replace(".npy", ".parquet")
        if not table.is_file():
            raise UsageError(f"{array} has no {table.name} beside it in {table.parent}")
        with _name_damage(array):
            vectors = _check_array(np.lib.format.open_memmap(array, mode="r"), array)
        with _name_damage(table):
            file = _open_parquet(table)
        if len(vectors) != file.metadata.num_rows:
            raise UsageError(f"{array} has {len(vectors)} vectors, {table} {file.metadata.num_rows} rows")
        pairs.append((vectors, table))

    def read() -> Iterator[Batch]:
        return (batch for pair in pairs for batch in _join_pair(*pair))

    return File(sum(len(vectors) for vectors, _ in pairs), read)


def _join_pair(vectors: Any, table: Path) -> Iterator[Batch]:
    start = 0
    for part in _open_parquet(table).iter_batches(PART):
        rows = [_convert_foreign_row(row) for row in part.to_pylist()]
        yield Batch(vectors[start : start + len(rows)], rows)
        start += len(rows)


# ---- rows


def _read_origin(mark: bytes | str | None, path: Path) -> Space | None:
    """Return the space that an export's vectors belong to. Raises UsageError for one of another version."""
    values = json.loads(mark) if mark else None
    if values is None:
        return None
    try:
        space = Space(**values)
    except TypeError as error:
        raise UsageError(f"{path} was exported by another version of nearkin: {error}") from error
    kinds = {"name": str, "embedder": str | None, "settings": dict, "fingerprint": str, "dimension": int}
    for name, kind in kinds.items():
        if not isinstance(getattr(space, name), kind):
            raise UsageError(f"{path} was exported by another program: its space has the {name} {values[name]!r}")
    return replace(space, metric=parse_metric(space.metric, UsageError))


ROW = {
    **dict.fromkeys(("key", "text", "hash", "format", "taken_at"), str | None),
    **dict.fromkeys(("width", "height", "bytes"), int | None),
    **{"uris": list | None, "metadata": dict | None, "missing": bool | None},
}
"""What a row of an export holds."""


def _convert_own_row(row: Json) -> Json:
    return _check_own_row(row | {name: json.loads(row[name]) for name in ("uris", "metadata")})


def _check_own_row(row: Any) -> Json:
    """Return the row of an export. Raises UsageError for what no export holds."""
    if not isinstance(row, dict):
        raise UsageError(f"a row of it is no object, but {row!r}")
    for name, kind in ROW.items():
        if not isinstance(row.get(name), kind):
            raise UsageError(f"the item {row.get('key')!r} in it has the {name} {row[name]!r}, which no export writes")
    uris = row.get("uris") or []
    if not all(isinstance(uri, str) and is_text(uri) for uri in uris) or (len(uris) > 1 and row.get("key") is None):
        raise UsageError(f"the item {row.get('key')!r} in it has the places {uris!r}, which no export writes")
    return row


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
