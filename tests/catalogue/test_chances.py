"""Null distributions in the catalogue: replaced, told apart, and gone with their space."""

from __future__ import annotations

import numpy as np

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.chances import StoredNulls


def test_the_newest_is_kept_for_pictures_and_for_texts(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        space = writing.add_space("a", None, {}, "", 3, "cosine")
    with catalogue.snapshot() as snapshot:
        assert snapshot.chances.find(space.id, False) is None
        assert (snapshot.chances.count_drawn(space.id), snapshot.last_chance) == (0, 0)
    seen = set()
    for drawn in (100, 200):
        with catalogue.transaction() as writing:
            for of_texts in (False, True):
                cohort = np.arange(drawn, drawn + 5)
                writing.chances.put(StoredNulls(space.id, of_texts, drawn, cohort, b"texts" if of_texts else b""))
        with catalogue.snapshot() as snapshot:
            seen.add(snapshot.last_chance)
            for of_texts in (False, True):
                stored = snapshot.chances.find(space.id, of_texts)
                assert stored is not None
                assert (stored.drawn, stored.nulls) == (drawn, b"texts" if of_texts else b"")
                assert stored.cohort.tolist() == list(range(drawn, drawn + 5))
            assert snapshot.chances.count_drawn(space.id) == drawn
    assert len(seen) == 2, "whoever has read the first notices the second"
    with catalogue.transaction() as writing:
        writing.drop_space(space.id)
    with catalogue.snapshot() as snapshot:
        assert snapshot.chances.find(space.id, False) is None
