from __future__ import annotations

import numpy as np
import pytest

from indexers.errors import SpaceNotFound
from retrieval import Collection
from retrieval.records.parts import Part
from retrieval.search.hits import Ranking, SpaceSwitched, build_hits, check_space


def test_a_ranking_is_cut_with_its_chances() -> None:
    ranking = Ranking(np.array([3, 5, 7]), np.array([0.9, 0.8, 0.7], np.float32), None, np.array([0.1, 0.2, 0.3]))
    cut = ranking.choose(slice(2))
    assert (cut.ids.tolist(), cut.chances is not None and cut.chances.tolist()) == ([3, 5], [0.1, 0.2])
    assert ranking._replace(chances=None).choose([2]).ids.tolist() == [7]


def test_hits_carry_what_the_catalogue_says_and_their_parts(filled: Collection) -> None:
    view = filled._spaces.current
    assert view is not None
    ranking = Ranking(np.array([2, 1]), np.array([0.5, 0.25], np.float32))
    with view.followers.current_snapshot() as snapshot:
        part = Part(9, 2, "tiles", (0, 0, 1, 1))
        hits = build_hits(view, snapshot, ranking, None, [part, Part(10, 1, "tiles", None)])
        assert [(hit.item, hit.score) for hit in hits] == [(2, 0.5), (1, 0.25)]
        assert hits[0].part is part
        assert hits[0].metadata["colour"]
        assert build_hits(view, snapshot, ranking)[0].part is None
        check_space(view, snapshot, True)
        filled.fill("classic")
        filled.use("classic")
    with filled._catalogue.snapshot() as snapshot:
        with pytest.raises(SpaceSwitched):
            check_space(view, snapshot, True)
        check_space(view, snapshot, False)
    filled.drop_space("tiny")
    with filled._catalogue.snapshot() as snapshot, pytest.raises(SpaceNotFound, match="dropped"):
        check_space(view, snapshot, False)
