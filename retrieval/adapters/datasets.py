"""Hugging Face datasets: the pictures of a column go into a collection, the other columns become metadata.

Only local data is read; no request goes to the hub.
"""

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
"""Rows that are read at a time."""


class Columns(NamedTuple):
    """The names of the columns."""

    image: str
    key: str | None
    text: str | None
    metadata: list[str]


class Row(NamedTuple):
    """A picture, as a file's bytes or path, and its values; `reason` says why there is no picture, if so."""

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
    """Add the pictures of a dataset, a batch of rows at a time.

    `dataset`: a `datasets.Dataset`, an `IterableDataset`, or a Parquet file or a folder of them, which are streamed.
    `image`: the column of pictures; needed unless exactly one column has the type Image.
    `key`: the column of keys. Without one, a row of a Dataset has the dataset's fingerprint (which changes with any
        step, also with the format) and its number for a key; a streamed row is known by the bytes of its picture.
    `text`: the column of words.
    `metadata`: the columns to keep; by default all others that metadata can hold. Classes are kept by their names,
        dates and times as ISO 8601.
    `progress`: called with the number of rows done.

    Rows without a picture, or with one that can't be read, are in the report's failures. Raises what `Collection.add`
    raises, UsageError (no such column, several splits), MissingPackage.
    """
    rows = _open_dataset(dataset)
    columns = _choose_columns(rows.features, image, key, text, metadata)
    reports, done = [_add_rows(collection, [])], 0
    for part in _read_parts(rows, columns):
        reports.append(_add_rows(collection, part))
        done += len(part)
        if progress:
            progress(done)
    if catch_up:
        collection.catch_up()
    return _sum_reports(reports)


def _open_dataset(dataset: Any) -> Any:
    """Return a dataset with known features. Raises UsageError, MissingPackage."""
    datasets = _import_datasets()
    if isinstance(dataset, str | PathLike):
        path = Path(dataset).expanduser()
        files = sorted(map(str, path.rglob("*.parquet"))) if path.is_dir() else [str(path)] * path.is_file()
        if not files:
            raise UsageError(f"{path} is no Parquet file and no folder with one")
        return datasets.Dataset.from_parquet(files, streaming=True)
    if isinstance(dataset, datasets.DatasetDict | datasets.IterableDatasetDict):
        raise UsageError(f"this dataset has several splits; pass one of them: {', '.join(dataset)}")
    if not isinstance(dataset, datasets.Dataset | datasets.IterableDataset):
        raise UsageError(f"dataset is a datasets.Dataset, an IterableDataset or a path; got {dataset!r}")
    if dataset.features is None:
        raise UsageError("the dataset has no known features; set them, e.g. with dataset.cast(features)")
    return dataset


def _import_datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingPackage("this adapter needs the package 'datasets': pip install 'nearkin[datasets]'") from error
    return datasets


# ---- columns


def _choose_columns(
    features: Any, image: str | None, key: str | None, text: str | None, metadata: Sequence[str] | None
) -> Columns:
    """Find the column of each kind. Raises UsageError if one is missing or can't be told."""
    image_columns = [name for name, feature in features.items() if isinstance(feature, _import_datasets().Image)]
    if image is None and len(image_columns) != 1:
        names = ", ".join(image_columns) or "none"
        raise UsageError(f"name the column of pictures with image=; of type Image: {names}; all: {', '.join(features)}")
    image = image or image_columns[0]
    used = {image, key, text}
    plain = [name for name, feature in features.items() if name not in used and _is_plain(feature)]
    columns = Columns(image, key, text, plain if metadata is None else list(metadata))
    for name in (image, key, text, *columns.metadata):
        if name is not None and name not in features:
            raise UsageError(f"the dataset has no column {name!r}; it has: {', '.join(features)}")
    return columns


def _is_plain(feature: Any) -> bool:
    """Return True if metadata can hold the values of a feature."""
    datasets = _import_datasets()
    if isinstance(feature, dict):
        return all(map(_is_plain, feature.values()))
    if isinstance(feature, list) or hasattr(feature, "feature"):
        return _is_plain(feature[0] if isinstance(feature, list) else feature.feature)
    if isinstance(feature, datasets.Value):
        return "binary" not in feature.dtype
    return isinstance(feature, datasets.ClassLabel)


# ---- rows


def _read_parts(dataset: Any, columns: Columns) -> Iterator[list[Row]]:
    """Yield rows with the undecoded bytes of the files, which the collection decodes as it does all others."""
    classes = {
        name: dataset.features[name].names
        for name in columns.metadata
        if isinstance(dataset.features[name], _import_datasets().ClassLabel)
    }
    stem = getattr(dataset, "_fingerprint", None)
    raw = dataset.with_format(None).cast_column(columns.image, _import_datasets().Image(decode=False))
    number = 0
    for part in raw.iter(batch_size=BATCH):
        numbers = range(number, number := number + len(part[columns.image]))
        keys = part[columns.key] if columns.key else [f"{stem}-{row}" if stem else None for row in numbers]
        texts = part[columns.text] if columns.text else [None] * len(numbers)
        metadata = [
            _build_metadata({name: part[name][place] for name in columns.metadata}, classes)
            for place in range(len(numbers))
        ]
        rows = zip(part[columns.image], keys, texts, metadata, numbers, strict=True)
        yield [_build_row(picture or {}, *values) for picture, *values in rows]


def _build_row(picture: Json, key: Any, text: Any, metadata: Json, number: int) -> Row:
    content, path = picture.get("bytes"), picture.get("path")
    reason = "" if content or path else "it has no picture"
    if not content and path and "://" not in path and not os.path.isfile(path):
        reason = "its file does not exist"
    name = None if key is None else str(key)
    return Row(content or path or name or f"row {number}", name, None if text is None else str(text), metadata, reason)


def _build_metadata(values: Json, classes: dict[str, list[str]]) -> Json:
    named = {
        name: classes[name][value] if name in classes and value is not None and value >= 0 else value
        for name, value in values.items()
    }
    return drop_empty_values(named)


def _add_rows(collection: Collection, rows: list[Row]) -> AddReport:
    good = [row for row in rows if not row.reason]
    failures = tuple(Failure(str(row.picture), row.reason) for row in rows if row.reason)
    report = collection.add(
        [row.picture for row in good],
        keys=[row.key for row in good],
        texts=[row.text for row in good],
        metadata=[row.metadata for row in good],
        catch_up=False,
    )
    return replace(report, failed=report.failed + len(failures), failures=report.failures + failures)


def _sum_reports(reports: list[AddReport]) -> AddReport:
    counts = ("added", "known", "failed", "replaced", "failed_before", "seconds")
    total: Json = {name: sum(getattr(report, name) for report in reports) for name in counts}
    for name in ("failures", "items"):
        total[name] = tuple(entry for report in reports for entry in getattr(report, name))
    return AddReport(**total, change=reports[-1].change)
