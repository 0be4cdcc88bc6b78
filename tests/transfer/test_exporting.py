"""Exports, read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.errors import UsageError, WriteFailed
from retrieval import Collection
from retrieval.records.items import FIELDS
from retrieval.transfer.exporting import CLUSTERS


@pytest.fixture
def odd(filled: Collection) -> Collection:
    """Return a collection with metadata that every format has to quote."""
    filled.update(1, {"text": 'a "b", c;\nd\té', "deep": {"list": [1, None, True, {"x": 1.5}]}}, text="words, words")
    return filled


def test_csv(odd: Collection, tmp_path: Path) -> None:
    assert odd.export(tmp_path / "items.csv") == 5
    with (tmp_path / "items.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*FIELDS, *CLUSTERS]
    for row, item in zip(rows, odd.items().items, strict=True):
        assert (int(row["id"]), row["key"], row["uri"], row["text"]) == (item.id, item.key, item.uri, item.text or "")
        assert json.loads(row["metadata"]) == item.metadata
        assert tuple(json.loads(row["uris"])) == item.uris
        assert [row[level] for level in CLUSTERS] == [str(cluster_id) for cluster_id in clusters_of(odd)[item.id]]


def clusters_of(collection: Collection) -> dict[int, list[int | str]]:
    """Return each item's clusters, coarse to fine; empty where it is loose."""
    clusters: dict[int, list[int | str]] = {item.id: ["", "", ""] for item in collection.items().items}
    for place, level in enumerate(CLUSTERS):
        for cluster in collection.clusters(level):
            for item in cluster.members:
                clusters[item][place] = cluster.id or ""
    return clusters


def with_clusters(collection: Collection) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in item.to_dict().items() if name != "clusters"}
        | {
            level: cluster_id or None
            for level, cluster_id in zip(CLUSTERS, clusters_of(collection)[item.id], strict=True)
        }
        for item in collection.items().items
    ]


def test_json_lines(odd: Collection, tmp_path: Path) -> None:
    assert odd.export(tmp_path / "items.jsonl") == 5
    lines = (tmp_path / "items.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == with_clusters(odd)


def test_parquet(odd: Collection, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    assert odd.export(tmp_path / "items.PARQUET") == 5
    rows = parquet.read_table(tmp_path / "items.PARQUET").to_pylist()
    for row, item in zip(rows, with_clusters(odd), strict=True):
        assert row | {"metadata": json.loads(row["metadata"]), "uris": json.loads(row["uris"])} == item


def test_numpy(odd: Collection, tmp_path: Path) -> None:
    odd.add_vectors(np.ones((1, 13)), keys=["no place"])
    assert odd.export(tmp_path / "items.npz") == 6
    with np.load(tmp_path / "items.npz", allow_pickle=False) as arrays:
        items = odd.items().items
        assert arrays["ids"].tolist() == [item.id for item in items]
        assert arrays["keys"].tolist() == [item.key for item in items]
        assert arrays["uris"].tolist() == [item.uri or "" for item in items]
        assert arrays["vectors"].shape == (6, 13)
        assert arrays["levels"].tolist() == list(CLUSTERS)
        assert arrays["clusters"].tolist() == [
            [cluster_id or 0 for cluster_id in clusters_of(odd)[item.id]] for item in items
        ]
        assert [json.loads(line) for line in arrays["items"].tobytes().splitlines()] == with_clusters(odd)
        again = odd.search_many(arrays["vectors"], k=1)
    assert again.ids[:, 0].tolist() == [item.id for item in items]


def test_parquet_with_vectors(odd: Collection, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    odd.make_clustering("mine", k=2)
    assert odd.export(tmp_path / "items.parquet", vectors=True) == 5
    table = parquet.read_table(tmp_path / "items.parquet")
    assert table.column_names == [*FIELDS, *CLUSTERS, "mine", "vector"]
    assert str(table.schema.field("vector").type) == "fixed_size_list<element: float>[13]"
    rows = np.array(table["vector"].to_pylist(), np.float32)
    assert odd.search_many(rows, k=1).ids[:, 0].tolist() == table["id"].to_pylist()
    clusters = {item: cluster.id for cluster in odd.clusters("mine") for item in cluster.members}
    assert dict(zip(table["id"].to_pylist(), table["mine"].to_pylist(), strict=True)) == clusters


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_text_takes_no_vectors(odd: Collection, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"can't hold vectors; export them to \.parquet or \.npz"):
        odd.export(tmp_path / name, vectors=True)


def test_a_table_in_memory(odd: Collection) -> None:
    pandas = pytest.importorskip("pandas", reason="tables need pandas")
    odd.make_clustering("mine", k=2)
    table = odd.to_pandas()
    assert table.columns.tolist()[:14] == list(FIELDS[:-1])
    assert table.columns.tolist()[14:] == [*CLUSTERS, "mine", "colour", "metadata.text", "deep"]
    first = table.iloc[0]
    assert (first["text"], first["metadata.text"]) == ("words, words", 'a "b", c;\nd\té')
    assert first["deep"] == {"list": [1, None, True, {"x": 1.5}]}
    assert table["colour"].tolist() == [item.metadata["colour"] for item in odd.items().items]
    assert table["id"].tolist() == [item.id for item in odd.items().items]
    assert {str(table[name].dtype) for name in ("id", "width", "coarse", "mine")} == {"Int64"}
    for place, level in enumerate(CLUSTERS):
        expected = [path[place] for path in clusters_of(odd).values()]
        assert ["" if value is pandas.NA else value for value in table[level]] == expected
    assert odd.to_pandas(where={"colour": "red"})["colour"].tolist() == ["red"]
    assert odd.to_pandas(where={"nobody": 1}).columns.tolist() == [*FIELDS[:-1], *CLUSTERS, "mine"]


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl", "items.parquet", "items.npz"])
def test_a_filter_chooses(ready_made: Collection, tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    assert ready_made.export(tmp_path / name, where={"number": {"$lt": 3}}) == 3
    assert ready_made.export(tmp_path / name, where={"nobody": 1}) == 0
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]


@pytest.mark.parametrize("name", ["items.xlsx", "items", ".csv", "items.csv.gz"])
def test_an_unknown_format_is_named(ready_made: Collection, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"the formats are: \.csv, \.jsonl, \.parquet, \.npz"):
        ready_made.export(tmp_path / name)


def test_a_place_that_can_not_be_written_is_named(ready_made: Collection, tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match=r"cannot write .*nowhere/items\.csv: No such file"):
        ready_made.export(tmp_path / "nowhere" / "items.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(WriteFailed):
        ready_made.export(tmp_path / "folder.csv")
    assert list(tmp_path.glob(".*")) == []


def test_what_is_there_is_replaced_whole(ready_made: Collection, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("old" * 10_000)
    ready_made.export(tmp_path / "items.csv")
    assert "old" not in (tmp_path / "items.csv").read_text()


def test_without_vectors_there_is_no_npz(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no vectors yet"):
        collection.export(tmp_path / "items.npz")
    with pytest.raises(UsageError, match="no vectors yet"):
        collection.export(tmp_path / "items.parquet", vectors=True)
    assert collection.export(tmp_path / "items.parquet") == 0


def test_a_path_may_begin_at_home(ready_made: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ready_made.export("~/items.csv")
    assert (tmp_path / "items.csv").is_file()


def test_many_items_are_exported_in_their_order(ready_made: Collection, tmp_path: Path) -> None:
    ready_made.add_vectors(np.random.default_rng(0).random((2500, 8)))
    ready_made.export(tmp_path / "items.jsonl")
    ids = [json.loads(line)["id"] for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert ids == list(range(1, 2521))
