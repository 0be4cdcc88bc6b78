"""Pictures of Hugging Face datasets, in memory, from files and streamed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from indexers.errors import UsageError
from retrieval import Collection
from retrieval.adapters.datasets import BATCH, add
from tests.conftest import COLOURS
from tests.support import pictures

datasets = pytest.importorskip("datasets", reason="needs the package datasets")


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep everything in the test's folder, and ask nothing of the hub."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def content(colour: str) -> bytes:
    stream = io.BytesIO()
    pictures.disc(colour).save(stream, "PNG")
    return stream.getvalue()


FEATURES = {
    "image": datasets.Image(),
    "name": datasets.Value("string"),
    "kind": datasets.ClassLabel(names=["warm", "cold"]),
    "weight": datasets.Value("float32"),
    "at": datasets.Value("timestamp[s]"),
    "tags": datasets.Sequence(datasets.Value("string")),
    "data": datasets.Value("binary"),
}


@pytest.fixture
def discs() -> Any:
    """Return the five discs with columns of many types."""
    columns = {
        "image": [{"bytes": content(colour), "path": f"{colour}.png"} for colour in COLOURS],
        "name": list(COLOURS),
        "kind": [0, 1, 1, 0, None],
        "weight": [1.5, None, 0.25, float("nan"), 2.0],
        "at": [datetime(2020, 1, 2, 3), None, None, None, None],
        "tags": [["a", "b"], [], ["c"], None, []],
        "data": [b"\0"] * 5,
    }
    return datasets.Dataset.from_dict(columns, features=datasets.Features(FEATURES))


def test_rows_become_items(collection: Collection, discs: Any) -> None:
    report = add(collection, discs, text="name")
    assert (report.added, report.known, report.failed, report.items) == (5, 0, 0, (1, 2, 3, 4, 5))
    first, second, *_ = collection.items().items
    assert first.key == f"{discs._fingerprint}-0"
    assert (first.text, first.format) == ("red", "PNG")
    assert first.metadata == {"kind": "warm", "weight": 1.5, "at": "2020-01-02T03:00:00", "tags": ["a", "b"]}
    assert second.metadata == {"kind": "cold", "tags": []}
    assert collection.search(content("blue"), k=1)[0].item == 3
    assert collection.catch_up() == report.change


def test_the_same_rows_are_known(collection: Collection, discs: Any) -> None:
    add(collection, discs)
    again = add(collection, discs)
    assert (again.added, again.known, again.replaced) == (0, 5, 0)
    formatted = add(collection, discs.with_format("numpy"), key="name", metadata=["weight"])
    assert (formatted.added, collection.get("red").metadata) == (5, {"weight": 1.5})
    later = add(collection, discs.select([1, 0]))  # another dataset, by its fingerprint
    assert (later.added, collection.count()) == (2, 12)


def test_keys_and_metadata_can_be_chosen(collection: Collection, discs: Any) -> None:
    add(collection, discs, image="image", key="name", metadata=["weight"])
    assert [item.key for item in collection.items().items] == list(COLOURS)
    assert collection.get("red").metadata == {"weight": 1.5}
    assert collection.get("yellow").metadata == {}


def test_a_folder_of_parquet_is_streamed(collection: Collection, discs: Any, tmp_path: Path) -> None:
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    discs.select(range(3)).to_parquet(tmp_path / "parts" / "a.parquet")
    discs.select(range(2, 5)).to_parquet(tmp_path / "parts" / "deep" / "b.parquet")
    seen: list[int] = []
    report = add(collection, tmp_path / "parts", text="name", progress=seen.append)
    assert (report.added, report.known, seen[-1]) == (5, 1, 6)
    assert [item.text for item in collection.items().items] == list(COLOURS)
    assert all(item.key == item.hash for item in collection.items().items)
    assert add(collection, str(tmp_path / "parts" / "a.parquet"), key="name").added == 3


def test_pictures_that_are_files_keep_their_place(collection: Collection, folder: Path) -> None:
    paths = [str(folder / f"{colour}.png") for colour in COLOURS]
    column = datasets.Dataset.from_dict({"file": paths})
    assert add(collection, column, image="file").added == 5
    assert [item.uri for item in collection.items().items] == paths
    assert collection.add(folder).known == 5


def test_more_than_a_batch(collection: Collection) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for number in range(BATCH + 10):
            yield {"image": {"bytes": content(COLOURS[number % 5]), "path": None}, "number": number}

    features = datasets.Features({"image": datasets.Image(), "number": datasets.Value("int64")})
    many = datasets.IterableDataset.from_generator(rows, features=features)
    report = add(collection, many, key="number")
    assert (report.added, len(report.items)) == (BATCH + 10, BATCH + 10)
    assert collection.get(str(BATCH + 9)).metadata == {}


def test_what_can_not_be_read_is_reported(collection: Collection, tmp_path: Path) -> None:
    column: list[Any] = [
        {"bytes": content("red"), "path": None},
        None,
        {"bytes": b"no picture", "path": None},
        {"bytes": None, "path": str(tmp_path / "nowhere.png")},
        {"bytes": None, "path": "https://example.org/a.png"},
    ]
    rows = datasets.Dataset.from_dict(
        {"image": column, "id": list("abcde")},
        features=datasets.Features({"image": datasets.Image(), "id": datasets.Value("string")}),
    )
    report = add(collection, rows, key="id")
    assert (report.added, report.failed) == (1, 4)
    reasons = {failure.uri: failure.reason for failure in report.failures}
    assert reasons["b"] == "it has no picture"
    assert reasons[str(tmp_path / "nowhere.png")] == "its file does not exist"
    assert set(reasons) == {"b", "c", str(tmp_path / "nowhere.png"), "https://example.org/a.png"}


def test_nothing_is_nothing(collection: Collection, discs: Any) -> None:
    report = add(collection, discs.select([]))
    assert (report.added, report.failed, report.items) == (0, 0, ())


def test_what_does_not_fit_is_refused(collection: Collection, discs: Any, tmp_path: Path) -> None:
    two = discs.add_column("second", [None] * 5).cast_column("second", datasets.Image())
    unknown = datasets.IterableDataset.from_generator(lambda: iter([{"image": 1}]))
    for source, options, message in [
        (two, {}, "name the column of pictures with image=; of type Image: image, second"),
        (discs.remove_columns("image"), {}, "of type Image: none; all: name, kind"),
        (discs, {"key": "id"}, "no column 'id'; it has: image, name"),
        (discs, {"metadata": ["name", "place"]}, "no column 'place'"),
        (datasets.DatasetDict({"train": discs, "test": discs}), {}, "several splits; pass one of them: train, test"),
        (unknown, {}, "has no known features"),
        (tmp_path / "nowhere", {}, "no Parquet file and no folder with one"),
        (tmp_path, {}, "no Parquet file and no folder with one"),
        ([1, 2], {}, r"or a path; got \[1, 2\]"),
    ]:
        with pytest.raises(UsageError, match=message):
            add(collection, source, **options)
    assert collection.count() == 0
