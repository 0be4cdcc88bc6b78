"""The records that answers are made of."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexers.types import Failure
from retrieval import Collection
from retrieval.records.base import frame
from retrieval.records.search import Hit, Hits


@pytest.fixture
def hits() -> Hits:
    return Hits(tuple(Hit(n, f"k{n}", 1 - n / 10, f"/{n}.jpg" if n else None, {"n": n}) for n in range(7)), 42)


def test_hits_are_a_sequence(hits: Hits) -> None:
    assert isinstance(hits, Sequence)
    assert len(hits) == 7
    assert hits[0].key == "k0"
    assert [hit.item for hit in hits[2:4]] == [2, 3]
    assert hits[-1] in hits
    assert [hit.item for hit in reversed(hits)] == [6, 5, 4, 3, 2, 1, 0]
    assert not Hits((), 0)


def test_their_repr_is_honest(hits: Hits) -> None:
    lines = repr(hits).splitlines()
    assert lines[0] == "<7 hits as of change 42"
    assert lines[1].split() == ["+1.0000", "0", "k0"]
    assert lines[2].split() == ["+0.9000", "1", "/1.jpg"]
    assert lines[-1] == "  ... 2 more>"
    assert repr(Hits((), 3)) == "<0 hits as of change 3>"


def test_records_are_frozen(hits: Hits) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        hits.as_of = 5  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        hits[0].score = 5  # type: ignore[misc]


def test_everything_becomes_json(filled: Collection, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"")
    for record in (
        filled.add(folder),
        filled.sync(folder),
        filled.search(folder / "red.png"),
        filled.items(),
        filled.items().items[0],
        filled.info(),
        filled.verify(),
    ):
        data = record.to_dict()
        assert json.loads(json.dumps(data)) == data
        assert set(data) == set(type(record).__dataclass_fields__)


def test_records_within_records_become_dictionaries(hits: Hits) -> None:
    assert hits.to_dict()["hits"][1] == {
        "item": 1,
        "key": "k1",
        "score": 0.9,
        "uri": "/1.jpg",
        "metadata": {"n": 1},
        "clusters": [],
        "text": None,
    }


def test_failures_count_as_equal_whenever_they_happened() -> None:
    assert Failure("/a", "broken", at="1") == Failure("/a", "broken", at="2")
    assert Failure("/a", "broken").to_dict()["attempts"] == 1


def test_answers_become_tables(ready_made: Collection) -> None:
    pandas = pytest.importorskip("pandas", reason="tables need pandas")
    hits = ready_made.search(item="n0", k=3)
    table = hits.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table["key"].tolist() == [hit.key for hit in hits]
    assert len(ready_made.items().to_pandas()) == 20
    assert len(ready_made.clusters().to_pandas()) == len(ready_made.clusters())
    assert {"change", "what"} <= set(frame(ready_made.cluster_events()).columns) or not ready_made.cluster_events()
