"""What all records share: plain dictionaries, frozen fields, sequences of rows, tables, and pickles."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexers.errors import UsageError
from retrieval import Collection
from retrieval.records.base import Listing, Record, frame
from retrieval.records.clusters import Clusters
from retrieval.records.items import Page
from retrieval.records.reports import Report
from retrieval.records.search import Hit, Hits
from tests.clusters.test_browse import families
from tests.conftest import vectors
from tests.records.test_clusters import build_cluster
from tests.records.test_items import build_item
from tests.records.test_search import hits

__all__ = ["families", "hits"]


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
        "missing": False,
        "chance": None,
        "certainty": None,
        "part": None,
    }


def test_answers_become_tables(ready_made: Collection) -> None:
    pandas = pytest.importorskip("pandas", reason="tables need pandas")
    hits = ready_made.search(item="n0", k=3)
    table = hits.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table["key"].tolist() == [hit.key for hit in hits]
    assert len(ready_made.items().to_pandas()) == 20
    assert len(ready_made.clusters().to_pandas()) == len(ready_made.clusters())
    assert {"change", "what"} <= set(frame(ready_made.cluster_events()).columns) or not ready_made.cluster_events()


CLUSTERS = Clusters(tuple(build_cluster(number, 9 - number) for number in range(5)), "medium", 3, 42)
HITS = Hits(tuple(Hit(number, f"k{number}", 1.0, None, {}) for number in range(5)), 42)
PAGE = Page(tuple(build_item(number) for number in range(5)), 5, 42)


@pytest.mark.parametrize(
    ("listing", "rows"), [(CLUSTERS, CLUSTERS.clusters), (HITS, HITS.hits), (PAGE, PAGE.items)], ids=type
)
def test_a_listing_is_a_sequence_of_its_rows(listing: Listing[Record], rows: tuple[Record, ...]) -> None:
    assert isinstance(listing, Sequence)
    assert len(listing) == 5
    assert (listing[0], listing[-1]) == (rows[0], rows[4])
    assert listing[1:3] == rows[1:3]
    assert list(listing) == list(rows)
    assert list(reversed(listing)) == list(reversed(rows))
    assert rows[2] in listing
    assert listing.index(rows[3]) == 3
    assert listing.count(rows[3]) == 1
    with pytest.raises(IndexError):
        listing[5]


def test_a_listing_shows_a_table_of_its_rows() -> None:
    page = PAGE._repr_html_()
    assert page.count("<tr>") == 1 + 5
    assert "<th>key</th>" in page
    assert "<td>k4</td>" in page
    long = Page(tuple(build_item(number) for number in range(60)), None, 1)._repr_html_()
    assert long.count("<tr>") == 1 + 50
    assert "... 10 more" in long


def test_a_record_shows_a_table_of_its_fields() -> None:
    page = Report(True, ("<b>",), (), ("index",))._repr_html_()
    assert "<tr><th>ok</th><td>true</td></tr>" in page
    assert "[&quot;&lt;b&gt;&quot;]" in page


def test_records_are_pickled_and_come_back_equal_without_their_handles(filled: Collection, folder: Path) -> None:
    filled.add_vectors(vectors(12, dimension=13))
    hits = filled.search(folder / "red.png", group=True)
    records = [hits, hits[0], hits.groups[0], filled.items(), filled.items()[0], filled.info(), filled.verify()]
    records += [filled.clusters(), *filled.clusters(), *filled.partitions(), *filled.outliers(2), filled.add(folder)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(records, protocol)) == records
    assert copy.deepcopy(records) == records
    again = pickle.loads(pickle.dumps(hits))
    assert again[0]._pictures is None
    assert "no picture" in again._repr_html_()
    for same in (copy.copy(hits), copy.deepcopy(hits), dataclasses.replace(hits, as_of=0)):
        assert same[0].thumbnail() == hits[0].thumbnail()
    metadata = copy.deepcopy(hits)[0].metadata
    metadata["changed"] = True
    assert "changed" not in hits[0].metadata


def test_records_have_a_hash_that_leaves_dictionaries_out(filled: Collection, folder: Path) -> None:
    hits, again = filled.search(folder / "red.png"), filled.search(folder / "red.png")
    assert len({*hits, *again}) == len(hits)
    assert hash(filled.items()) == hash(filled.items())
    for record in (filled.info(), filled.verify(), filled.add(folder), filled.clusters(), Hit(1, "k", 1.0, None, {})):
        assert isinstance(hash(record), int)


def test_a_cluster_from_a_pickle_has_its_members_and_no_way_to_their_items(families: Collection) -> None:
    cluster = families.clusters()[0]
    again = pickle.loads(pickle.dumps(cluster))
    assert again.members == cluster.members
    assert len(families.search(item="f1-0", k=99, within=again)) == cluster.size
    for read in (again.items, lambda: next(again.walk())):
        with pytest.raises(UsageError, match=r"not connected to an open collection .*`collection.cluster\(id\)`"):
            read()


def test_a_pickle_is_read_in_another_process(ready_made: Collection) -> None:
    hits = ready_made.search(item="n0", k=3)
    code = "import pickle, sys; print(*[hit.key for hit in pickle.load(sys.stdin.buffer)])"
    process = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(hits), capture_output=True, check=True)
    assert process.stdout.decode().split() == [hit.key for hit in hits]
