from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from indexers.catalogue import schema
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import CatalogueDamaged
from indexers.types import Arrival
from tests.conftest import vectors

pytestmark = pytest.mark.databases


def fill(catalogue: Catalogue) -> int:
    """Put three items into a catalogue, and return its change number."""
    with catalogue.transaction() as writing:
        writing.put([Arrival(key=f"k{number}") for number in range(3)])
    with catalogue.snapshot() as snapshot:
        return snapshot.number


def test_what_was_said_is_read_in_order_until_it_is_undone(catalogue: Catalogue) -> None:
    before = fill(catalogue)
    with catalogue.transaction() as writing:
        first = writing.corrections.add("merge", "fine", [[1, 2], [3]])
        second = writing.corrections.add("hide", "medium", [[2]], [7])
    with catalogue.snapshot() as snapshot:
        rows = snapshot.corrections.rows()
        assert [(row.id, row.kind, row.level, row.groups, row.clusters) for row in rows] == [
            (first, "merge", "fine", ((1, 2), (3,)), ()),
            (second, "hide", "medium", ((2,),), (7,)),
        ]
        assert snapshot.number > before  # time goes on, so that whoever follows notices
        assert snapshot.duplicates.decisions() == []  # they are no decisions about pictures
        number, version = snapshot.number, snapshot.corrections.version()
    with catalogue.transaction() as writing:
        assert writing.duplicates.undo(second)
        writing.corrections.undo(second, None, writing.number)
    with catalogue.snapshot() as snapshot:
        assert [row.id for row in snapshot.corrections.rows()] == [first]
        assert snapshot.number > number
        assert snapshot.corrections.version() != version


def test_items_that_are_gone_are_no_obstacle(catalogue: Catalogue) -> None:
    fill(catalogue)
    with catalogue.transaction() as writing:
        writing.remove([1])
        decision = writing.corrections.add("together", "medium", [[1, 3]])
        writing.corrections.add("together", "medium", [[99]])
    with catalogue.snapshot() as snapshot:
        assert snapshot.corrections.rows()[0].id == decision
        assert len(snapshot.corrections.rows()) == 2
        assert vectors(1).dtype == np.float32


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "burn"},
        {"level": "none"},
        {"groups": []},
        {"groups": [[1]], "kind": "apart"},
        {"groups": [["x"]], "kind": "together"},
        {"groups": {}},
        {"clusters": [None], "kind": "hide"},
    ],
)
def test_what_is_no_correction_is_damage(catalogue: Catalogue, wrong: dict[str, object]) -> None:
    fill(catalogue)
    with catalogue.transaction() as writing:
        decision = writing.corrections.add("together", "medium", [[1, 2]])
    with catalogue.database.connect(writing=True) as connection:
        connection.execute(sa.update(schema.correction).where(schema.correction.c.decision == decision).values(**wrong))
        connection.commit()
    with pytest.raises(CatalogueDamaged, match="is damaged"), catalogue.snapshot() as snapshot:
        snapshot.corrections.rows()
