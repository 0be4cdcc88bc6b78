"""Hugging Face datasets: pictures of a column into a collection, the other columns as metadata. Local data; nothing is
asked of the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from indexers.errors import MissingPackage, UsageError
from indexers.types import Failure, Json
from retrieval.collection import Collection
from retrieval.records.reports import AddReport
from retrieval.transfer.importing import drop_empty_values

BATCH = 512
"""Rows that are read at once."""


class Columns(NamedTuple):
    """Which column is what."""

    image: str
    key: str | None
    text: str | None
    metadata: list[str]


class Row(NamedTuple):
    """What is known of one picture: a file's bytes or its path; or else why there is none."""

    picture: bytes | str
    key: str | None
    text: str | None
    metadata: Json
    reason: str = ""


def add(
    collection: Collection,
    dataset: Any,
    *,
    image: str | None = None,
    key: str | None = None,
    text: str | None = None,
    metadata: Sequence[str] | None = None,
    catch_up: bool = True,
    progress: Callable[[int], object] | None = None,
) -> AddReport:
    """Add the pictures of a `datasets.Dataset`, an `IterableDataset`, a Parquet file or a folder of them (which are
    streamed), a batch of rows at a time.

    `image`: the column of pictures, if there are several of type Image or none. `key`: the column of keys; without one,
    a row of a Dataset is known by the dataset's fingerprint (another one after any step, a format too) and its number,
    one that is streamed by the bytes of its picture. `text`: the column of words. `metadata`: the columns to keep, else
    all others that metadata can hold; classes by their names, days and times as ISO 8601. `progress` is told the rows
    done.

    Rows without a picture, or with one that can't be read, are in the report's failures. Raises what `Collection.add`
    raises, UsageError (no such column, several splits), MissingPackage.
    """
    given = _opened(dataset)
    columns = _columns(given.features, image, key, text, metadata)
    reports, done = [_added(collection, [])], 0
    for part in _parts(given, columns):
        reports.append(_added(collection, part))
        done += len(part)
        if progress:
            progress(done)
    if catch_up:
        collection.catch_up()
    return _sum(reports)


def _opened(dataset: Any) -> Any:
    datasets = _package()
    if isinstance(dataset, str | PathLike):
        place = Path(dataset).expanduser()
        files = sorted(map(str, place.rglob("*.parquet"))) if place.is_dir() else [str(place)] * place.is_file()
        if not files:
            raise UsageError(f"{place} is no Parquet file and no folder with one")
        return datasets.Dataset.from_parquet(files, streaming=True)
    if isinstance(dataset, datasets.DatasetDict | datasets.IterableDatasetDict):
        raise UsageError(f"this dataset has several splits; give one of them: {', '.join(dataset)}")
    if not isinstance(dataset, datasets.Dataset | datasets.IterableDataset):
        raise UsageError(f"a datasets.Dataset, an IterableDataset or a path is wanted; got {dataset!r}")
    if dataset.features is None:
        raise UsageError("the dataset does not tell its features; give them, e.g. with dataset.cast(features)")
    return dataset


def _package() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingPackage("this adapter needs the package 'datasets': pip install 'nearkin[datasets]'") from error
    return datasets


# ---- columns


def _columns(
    features: Any, image: str | None, key: str | None, text: str | None, metadata: Sequence[str] | None
) -> Columns:
    """Raises UsageError."""
    pictures = [name for name, feature in features.items() if isinstance(feature, _package().Image)]
    if image is None and len(pictures) != 1:
        found = ", ".join(pictures) or "none"
        raise UsageError(f"name the column of pictures with image=; of type Image: {found}; all: {', '.join(features)}")
    chosen = image or pictures[0]
    taken = {chosen, key, text}
    kept = [name for name, one in features.items() if name not in taken and _is_plain(one)]
    columns = Columns(chosen, key, text, kept if metadata is None else list(metadata))
    for name in (chosen, key, text, *columns.metadata):
        if name is not None and name not in features:
            raise UsageError(f"the dataset has no column {name!r}; it has: {', '.join(features)}")
    return columns


def _is_plain(feature: Any) -> bool:
    """Metadata can hold it."""
    datasets = _package()
    if isinstance(feature, dict):
        return all(map(_is_plain, feature.values()))
    if isinstance(feature, list) or hasattr(feature, "feature"):
        return _is_plain(feature[0] if isinstance(feature, list) else feature.feature)
    if isinstance(feature, datasets.Value):
        return "binary" not in feature.dtype
    return isinstance(feature, datasets.ClassLabel)


# ---- rows


def _parts(dataset: Any, columns: Columns) -> Iterator[list[Row]]:
    """Rows with the files' own bytes: the pictures are decoded where all are."""
    classes = {
        name: dataset.features[name].names
        for name in columns.metadata
        if isinstance(dataset.features[name], _package().ClassLabel)
    }
    stem = getattr(dataset, "_fingerprint", None)
    raw = dataset.with_format(None).cast_column(columns.image, _package().Image(decode=False))
    number = 0
    for part in raw.iter(batch_size=BATCH):
        places = range(number, number := number + len(part[columns.image]))
        keys = part[columns.key] if columns.key else [f"{stem}-{place}" if stem else None for place in places]
        texts = part[columns.text] if columns.text else [None] * len(places)
        said = [_metadata({name: part[name][i] for name in columns.metadata}, classes) for i in range(len(places))]
        pictures = zip(part[columns.image], keys, texts, said, places, strict=True)
        yield [_row(picture or {}, *rest) for picture, *rest in pictures]


def _row(picture: Json, key: Any, text: Any, metadata: Json, place: int) -> Row:
    content, path = picture.get("bytes"), picture.get("path")
    reason = "" if content or path else "it has no picture"
    if not content and path and "://" not in path and not os.path.isfile(path):
        reason = "there is no such file"
    name = None if key is None else str(key)
    return Row(content or path or name or f"row {place}", name, None if text is None else str(text), metadata, reason)


def _metadata(values: Json, classes: dict[str, list[str]]) -> Json:
    named = {
        name: classes[name][value] if name in classes and value is not None and value >= 0 else value
        for name, value in values.items()
    }
    return drop_empty_values(named)


def _added(collection: Collection, part: list[Row]) -> AddReport:
    there = [row for row in part if not row.reason]
    failures = tuple(Failure(str(row.picture), row.reason) for row in part if row.reason)
    report = collection.add(
        [row.picture for row in there],
        keys=[row.key for row in there],
        texts=[row.text for row in there],
        metadata=[row.metadata for row in there],
        catch_up=False,
    )
    return replace(report, failed=report.failed + len(failures), failures=report.failures + failures)


def _sum(reports: list[AddReport]) -> AddReport:
    counts = ("added", "known", "failed", "replaced", "failed_before", "seconds")
    total: Json = {name: sum(getattr(report, name) for report in reports) for name in counts}
    for name in ("failures", "items"):
        total[name] = tuple(one for report in reports for one in getattr(report, name))
    return AddReport(**total, change=reports[-1].change)
