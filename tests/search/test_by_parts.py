"""Searching by parts: items, each by its nearest part, as brute force over all parts finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.catalogue.parts import Finding
from indexers.errors import BadQuery, UsageError
from indexers.finders.base import FoundPart
from indexers.types import Arrival
from retrieval import Collection

ITEMS, DIMENSION = 300, 8


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """300 items with 0 to 9 parts each, in four groups by metadata; the vectors of the parts."""
    random = np.random.default_rng(0)
    made = Collection.open(tmp_path_factory.mktemp("parted") / "c", create=True, scan_below=50)
    keys = [f"k{number}" for number in range(ITEMS)]
    whole = random.standard_normal((ITEMS, DIMENSION)).astype(np.float32)
    made.add_vectors(whole, keys=keys, metadata=[{"group": number % 4} for number in range(ITEMS)])
    vectors: dict[int, Any] = {}
    catalogue = made._catalogue
    with catalogue.transaction() as writing:
        writing.put([Arrival(key, hash=key.encode().ljust(20)) for key in keys])
        space = writing.add_part_space(writing.spaces()[0], "tiles")
        for item in writing.items(writing.ids().tolist()):
            rows = random.standard_normal((item.id % 10, DIMENSION)).astype(np.float32)
            found = tuple(FoundPart((0, 0, 1, 1)) for _ in rows)
            writing.put_findings("tiles", [Finding(item.id, item.hash or b"", "tiles", "1", found, rows)], space.id)
            vectors[item.id] = scale_to_unit(rows)
    made.add_vectors(whole, keys=keys)
    yield made, vectors
    made.close()


def brute(vectors: dict[int, Any], query: Any, kept: Any = lambda item: True) -> list[int]:
    unit = scale_to_unit(np.asarray(query, np.float32)[None])[0]
    best = {item: float((rows @ unit).max()) for item, rows in vectors.items() if len(rows) and kept(item)}
    return sorted(best, key=lambda item: (-best[item], item))


def test_hits_are_items_by_their_nearest_part(parted: Any) -> None:
    made, vectors = parted
    for seed in range(3):
        query = np.random.default_rng(seed + 9).standard_normal(DIMENSION)
        hits = made.search(vector=query, by="tiles", k=40, exact=True)
        assert [hit.item for hit in hits] == brute(vectors, query)[:40]
        assert all(hit.part is not None and hit.part.item == hit.item for hit in hits)
        assert hits.proof == "no other item can be nearer"
        everything = made.search(vector=query, by="tiles", k=ITEMS)
        assert [hit.item for hit in everything] == brute(vectors, query)
        unit = scale_to_unit(query[None].astype(np.float32))[0]
        assert np.isclose(hits[0].score, max((rows @ unit).max() for rows in vectors.values() if len(rows)), atol=1e-5)


def test_filters_radius_and_certainty_are_about_items(parted: Any) -> None:
    made, vectors = parted
    query = np.random.default_rng(5).standard_normal(DIMENSION)
    groups = {item.id: item.metadata["group"] for item in made.items(limit=1000)}
    hits = made.search(vector=query, by="tiles", k=10, where={"group": 2})
    assert [hit.item for hit in hits] == brute(vectors, query, lambda item: groups[item] == 2)[:10]
    near = made.search(vector=query, by="tiles", radius=0.5)
    assert [hit.item for hit in near] == brute(vectors, query)[: len(near)]
    assert min(hit.score for hit in near) >= 0.5 > made.search(vector=query, by="tiles", k=len(near) + 1)[-1].score
    assert near.proof
    assert all(hit.chance is not None for hit in near)
    assert len(made.search(vector=query, by="tiles", k=50, at_least="certain")) < 50


def test_clusters_are_those_of_items(parted: Any) -> None:
    made, vectors = parted
    made.make_clustering("quarters", k=4)
    members = {cluster.id: {item.id for item in cluster.items()} for cluster in made.clusters("quarters")}
    query = np.random.default_rng(6).standard_normal(DIMENSION)
    cluster = next(iter(members))
    hits = made.search(vector=query, by="tiles", k=5, within=[cluster])
    assert {hit.item for hit in hits} <= members[cluster]
    hits = made.search(vector=query, by="tiles", k=50, exclude=[cluster])
    assert not {hit.item for hit in hits} & members[cluster]
    hits = made.search(vector=query, by="tiles", k=8, per_cluster=2, level="quarters")
    ranked = brute(vectors, query)
    expected: list[int] = []
    for item in ranked:
        own = next((key for key, ids in members.items() if item in ids), None)
        if own is None or sum(other in members[own] for other in expected) < 2:
            expected.append(item)
    assert [hit.item for hit in hits] == expected[:8]


def test_what_makes_no_sense_is_refused(parted: Any) -> None:
    made, _ = parted
    query = [1.0] * DIMENSION
    with pytest.raises(UsageError, match="nearkin parts find subject"):
        made.search(vector=query, by="subject")
    with pytest.raises(BadQuery, match="no parts of the kind 'dogs'; kinds are: frames, pages, "):
        made.search(vector=query, by="dogs")
    for options in ({"diversify": 0.5}, {"rerank": "diffusion"}, {"query": "words"}):
        with pytest.raises(BadQuery, match="by= can't be combined"):
            made.search(vector=query, by="tiles", **options)
    with pytest.raises(BadQuery, match="no parts of the kind 3"):
        made.search(vector=query, by=3)
    assert len(made.search(item="k5", by="tiles", k=3, group=True).groups) >= 1


def test_an_empty_collection_has_no_hits(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as made:
        assert len(made.search(vector=[1.0], by="tiles")) == 0
