"""Items with ready-made vectors from files: exports, Parquet with a column of vectors, NumPy's archives, and folders as
clip-retrieval leaves them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from indexers.arrays import chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.transaction import Transaction
from indexers.errors import UsageError
from indexers.pipeline import Progress
from indexers.types import Arrival, Failure, Json, PictureFacts, Space, StoredArrival
from retrieval.spaces.view import View
from retrieval.transfer import sources
from retrieval.transfer.exporting import MARK, PART, pyarrow

URI, TEXT = ("uri", "image_path"), ("text", "caption")
"""Columns that are no metadata, by the first name that is there; clip-retrieval's are the second ones."""


class Batch(NamedTuple):
    """Vectors (n, d), and what is said of each; `lacking`: names of items that came without one."""

    vectors: Any
    rows: list[Json]
    lacking: list[str] = []  # noqa: RUF012  never changed


class File(NamedTuple):
    """So many rows in batches, of vectors that are of the space `origin`, if the file says so."""

    rows: int
    batches: Iterator[Batch]
    origin: Space | None = None


class Import:
    """One run over some files. `place` gives the space that vectors go into."""

    def __init__(
        self,
        catalogue: Catalogue,
        place: Callable[[Any, Space | None], View],
        progress: Callable[[Progress], object],
    ) -> None:
        self._catalogue, self._place, self._progress = catalogue, place, progress
        self.added = 0
        self.items: list[int] = []
        self.failures: list[Failure] = []
        self._started = time.perf_counter()

    def run(self, paths: str | PathLike[str] | Iterable[str | PathLike[str]], vector: str) -> None:
        """Read and keep. What is kept before an error stays."""
        given = [paths] if isinstance(paths, str | PathLike) else list(paths)
        readers = [_reader(Path(path).expanduser()) for path in given]
        total = 0
        for read, path in readers:
            file = read(path, vector)
            total += file.rows
            for batch in file.batches:
                self._keep(batch, file.origin)
                self._progress(self._state(total))

    def _keep(self, batch: Batch, origin: Space | None) -> None:
        self.failures += [Failure(name, "it has no vector", "import") for name in batch.lacking]
        if len(batch.vectors):
            space = self._place(batch.vectors, origin).space
            with self._catalogue.transaction() as writing:
                kept = _kept(writing, batch, space)
            self.added += sum(one.is_new for one in kept)
            self.items += [one.item_id for one in kept]

    def said(self) -> Json:
        """What the report says of it."""
        failed = {"known": 0, "failed": len(self.failures), "failures": tuple(self.failures)}
        return {"added": self.added, "replaced": len(self.items) - self.added, "items": tuple(self.items), **failed}

    def _state(self, total: int) -> Progress:
        failed = len(self.failures)
        seconds = time.perf_counter() - self._started
        return Progress(total, len(self.items) + failed, self.added, 0, failed, seconds)


def _kept(writing: Transaction, batch: Batch, space: Space) -> list[StoredArrival]:
    """With every place of an item, also those that have vanished."""
    arrivals = _arrivals(batch, space)
    kept = [one for part in chunks(arrivals) for one in writing.put(part, space.id, more=True)]
    more = [Arrival(key=row["key"], uri=uri) for row in batch.rows for uri in row.get("uris", [])[1:]]
    for part in chunks(more):
        writing.put(part, more=True)
    writing.mark_missing([uri for row in batch.rows if row.get("missing") for uri in row["uris"]])
    writing.leave()
    return kept


def _arrivals(batch: Batch, space: Space) -> list[Arrival]:
    rows = batch.rows
    uris = [(row.get("uris") or [None])[0] for row in rows]
    keys = [row.get("key") or uri for row, uri in zip(rows, uris, strict=True)]
    metadata, texts = [row.get("metadata") or {} for row in rows], [row.get("text") for row in rows]
    made = sources.vectors(batch.vectors, space, keys, uris, metadata, texts)
    return [_pictured(one, row) if row.get("hash") else one for one, row in zip(made, rows, strict=True)]


def _pictured(arrival: Arrival, row: Json) -> Arrival:
    facts = PictureFacts(row["width"], row["height"], row["format"], row["taken_at"])
    return replace(arrival, hash=bytes.fromhex(row["hash"]), facts=facts, bytes=row["bytes"])


# ---- files


def _reader(path: Path) -> tuple[Callable[[Path, str], File], Path]:
    kinds = {".parquet": _parquet, ".npz": _npz}
    if (path / "img_emb").is_dir():
        return _folder, path
    if not path.is_file():
        raise UsageError(f"{path} is no file, and no folder with img_emb and metadata as clip-retrieval leaves it")
    if path.suffix.lower() not in kinds:
        raise UsageError(f"{path.name!r} names no format to import from; use one of: {', '.join(kinds)}")
    return kinds[path.suffix.lower()], path


def _parquet(path: Path, vector: str) -> File:
    file = _opened(path)
    about = (file.schema_arrow.metadata or {}).get(MARK.encode())
    if vector not in file.schema_arrow.names:
        hint = "export it with vectors" if about else "name the column of vectors"
        raise UsageError(f"{path} has no column {vector!r}; {hint}; it has: {', '.join(file.schema_arrow.names)}")
    said = _own if about else _foreign
    batches = (_batch(part, vector, said) for part in file.iter_batches(PART))
    return File(file.metadata.num_rows, batches, _origin(about, path))


def _opened(path: Path) -> Any:
    arrow, parquet = pyarrow()
    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as error:
        raise UsageError(f"{path} can't be read as Parquet: {error}") from error


def _batch(part: Any, vector: str, said: Callable[[Json], Json]) -> Batch:
    """Of a part of a Parquet file; null vectors are lacking."""
    column = part.column(vector)
    there = np.asarray(column.is_valid())
    rows = [said(row) for row in part.select([name for name in part.schema.names if name != vector]).to_pylist()]
    lacking = [str(row.get("key")) for row, known in zip(rows, there, strict=True) if not known]
    vectors = list(column.drop_null().to_numpy(zero_copy_only=False))
    return Batch(vectors, [row for row, known in zip(rows, there, strict=True) if known], lacking)


def _npz(path: Path, vector: str) -> File:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read as NumPy's archive: {error}") from error
    if "vectors" not in found:
        raise UsageError(f"{path} has no array 'vectors'; it has: {', '.join(found)}")
    rows, vectors = _rows(found), found["vectors"]
    if len(rows) != len(vectors):
        raise UsageError(f"{path} has {len(vectors)} vectors and {len(rows)} items")
    about = found.get(MARK)
    parts = range(0, len(rows), PART)
    batches = (Batch(vectors[start : start + PART], rows[start : start + PART]) for start in parts)
    return File(len(rows), batches, _origin(str(about) if about is not None else None, path))


def _rows(found: dict[str, Any]) -> list[Json]:
    if MARK in found:
        return [json.loads(line) for line in found["items"].tobytes().splitlines()]
    columns = {name.removesuffix("s"): found[name].tolist() for name in ("keys", "uris", "texts") if name in found}
    count = len(next(iter(columns.values()), found["vectors"]))
    return [_foreign({name: values[place] for name, values in columns.items()}) for place in range(count)]


def _folder(path: Path, vector: str) -> File:
    """clip-retrieval's pairs: img_emb/img_emb_0.npy, float16 or float32 (n, d), metadata/metadata_0.parquet."""
    pairs = []
    for place in sorted((path / "img_emb").glob("img_emb_*.npy")):
        facts = path / "metadata" / place.name.replace("img_emb", "metadata").replace(".npy", ".parquet")
        if not facts.is_file():
            raise UsageError(f"{place} has no {facts.name} beside it in {facts.parent}")
        vectors, file = np.load(place, mmap_mode="r", allow_pickle=False), _opened(facts)
        if len(vectors) != file.metadata.num_rows:
            raise UsageError(f"{place} has {len(vectors)} vectors, {facts} {file.metadata.num_rows} rows")
        pairs.append((vectors, file))
    return File(sum(len(vectors) for vectors, _ in pairs), (one for pair in pairs for one in _paired(*pair)))


def _paired(vectors: Any, file: Any) -> Iterator[Batch]:
    start = 0
    for part in file.iter_batches(PART):
        rows = [_foreign(row) for row in part.to_pylist()]
        yield Batch(vectors[start : start + len(rows)], rows)
        start += len(rows)


# ---- rows


def _origin(about: bytes | str | None, path: Path) -> Space | None:
    said = json.loads(about) if about else None
    try:
        return Space(**said) if said else None
    except TypeError as error:
        raise UsageError(f"{path} was exported by another version of nearkin: {error}") from error


def _own(row: Json) -> Json:
    return row | {name: json.loads(row[name]) for name in ("uris", "metadata")}


def _foreign(row: Json) -> Json:
    """Of a file of unknown origin."""
    key, uri, text = (_taken(row, names) for names in (("key",), URI, TEXT))
    return {"key": key, "uris": [uri] if uri else [], "text": text, "metadata": plain(row)}


def _taken(row: Json, names: tuple[str, ...]) -> str | None:
    value = next((row.pop(name) for name in names if name in row), None)
    return None if value is None or value != value else str(value)


def plain(row: Json) -> Json:
    """A table's row as metadata: without what it leaves open (null, NaN), days and times as ISO 8601."""
    filled = {name: value for name, value in row.items() if value is not None and value == value}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in filled.items()}
