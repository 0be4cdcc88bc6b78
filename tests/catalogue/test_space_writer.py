"""What a transaction writes of spaces, followers and settings."""

from __future__ import annotations

from indexers.catalogue.catalogue import Catalogue
from indexers.types import Arrival, Space
from tests.catalogue.test_transaction import put_items, read_log, read_number, space
from tests.conftest import vectors

__all__ = ["space"]  # a fixture


def test_changes_are_pruned_below_the_slowest_follower(catalogue: Catalogue, space: Space) -> None:
    for n in range(10):
        put_items(catalogue, Arrival(f"k{n}", vector=vectors(1, n)[0]), space=space)
    assert read_number(catalogue) == 20

    def prune(keep: int, **positions: int) -> tuple[int, int]:
        with catalogue.transaction() as writing:
            for name, position in positions.items():
                writing.record_follower(name, space.id, position, 1)
            writing.prune(keep)
        with catalogue.snapshot() as snapshot:
            return snapshot.oldest, len(read_log(catalogue))

    assert prune(0) == (0, 20)  # nobody has saved anything
    assert prune(0, flat=12, index=8) == (8, 13)
    assert prune(15, flat=20, index=20) == (8, 13)  # the newest are kept for idle readers
    assert prune(0) == (20, 1)
    assert prune(0, index=8) == (20, 1)  # never backwards


def test_what_was_pruned_is_still_in_the_state(catalogue: Catalogue, space: Space) -> None:
    put_items(catalogue, Arrival("a", vector=vectors(1)[0]), space=space)
    with catalogue.transaction() as writing:
        writing.record_follower("flat", space.id, 2, 1)
        writing.prune(0)
    put_items(catalogue, Arrival("b", vector=vectors(1, 1)[0]), space=space)
    with catalogue.snapshot() as snapshot:
        assert [change.item_id for change in snapshot.changes(0, space.id)] == [1, 2]
        assert [change.item_id for change in snapshot.changes(2, space.id)] == [2]


def test_settings_are_json(catalogue: Catalogue) -> None:
    for value in ({"a": [1, None, True]}, "text", None, 0):
        with catalogue.transaction() as writing:
            writing.set_setting("key", value)
        with catalogue.snapshot() as snapshot:
            assert snapshot.setting("key") == value


def test_the_first_space_is_the_current_one(catalogue: Catalogue, space: Space) -> None:
    with catalogue.transaction() as writing:
        second = writing.add_space("t", "tiny", {"size": 3}, "f", 13, "l2")
    with catalogue.snapshot() as snapshot:
        assert [listed.current for listed in snapshot.spaces()] == [True, False]
        assert snapshot.spaces()[1] == second
