"""Grouping verified copies: chains don't glue, the answer does not depend on the order of arrival, decisions hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.catalogue.duplicates import Decision, PairRow
from indexers.errors import BadQuery
from indexers.types import ItemRow
from retrieval.duplicates.grouping import build_groups, group_repeated_files
from retrieval.duplicates.keeping import rank_to_keep
from retrieval.records.duplicates import DuplicateGroup


def row(number: int, **facts: Any) -> ItemRow:
    about: dict[str, Any] = {
        "width": 100,
        "height": 80,
        "format": "JPEG",
        "bytes": 1000,
        "text": None,
        "taken_at": None,
    }
    about |= facts
    uris = about.pop("uris", (f"/p/{number}.jpg",))
    metadata = about.pop("metadata", {})
    content = bytes([number]) * 20
    return ItemRow(number, f"k{number}", content, added_at=0, metadata=metadata, uris=uris, missing=False, **about)


def pair(a: int, b: int, score: float = 0.9, kind: str = "same picture") -> PairRow:
    return PairRow(min(a, b), max(a, b), kind, score, {"differs": []})


def sets(found: list[DuplicateGroup]) -> list[set[int]]:
    return [set(group.items) for group in found]


ROWS = {number: row(number, bytes=1000 - number) for number in range(1, 12)}


def test_a_chain_of_likenesses_does_not_glue_strangers() -> None:
    """1 is the one to keep; 3 is like 2, but nobody has found it like 1."""
    chain = [pair(1, 2), pair(2, 3)]
    assert sets(build_groups(chain, ROWS, [])) == [{1, 2}]
    assert sets(build_groups(chain, ROWS, [], rule="every pair")) == [{1, 2}]
    assert sets(build_groups(chain, ROWS, [], rule="connected")) == [{1, 2, 3}]


def test_a_chain_is_named_with_its_weakest_link() -> None:
    found = build_groups([pair(1, 2), pair(2, 3, 0.6), pair(3, 4)], ROWS, [], rule="connected")[0]
    assert (found.path, found.weakest_pair, found.weakest, found.diameter) == ((1, 2, 3, 4), (2, 3), 0.6, 1.0)
    whole = build_groups([pair(1, 2), pair(2, 3, 0.6), pair(1, 3)], ROWS, [])[0]
    assert (whole.path, whole.weakest_pair, whole.diameter) == ((), (2, 3), pytest.approx(0.4))


def test_every_member_is_a_copy_of_the_one_to_keep() -> None:
    star = [pair(1, 2), pair(1, 3), pair(1, 4)]
    found = build_groups(star, ROWS, [])
    assert sets(found) == [{1, 2, 3, 4}]
    assert found[0].keep == 1
    assert sets(build_groups(star, ROWS, [], rule="every pair")) == [{1, 2}]


def test_groups_say_their_weakest_pair_and_kind() -> None:
    found = build_groups([pair(1, 2, 0.7), pair(1, 3, 1.0, "same pixels"), pair(2, 3, 0.95)], ROWS, [])[0]
    assert (found.weakest, found.kind, len(found.pairs)) == (0.7, "same picture", 3)
    assert build_groups([pair(1, 3, 1.0, "same pixels")], ROWS, [])[0].kind == "same pixels"


@pytest.mark.parametrize("what", ["not duplicates", "keep both", "keep"])
def test_what_is_decided_is_settled(what: str) -> None:
    decided = [Decision(1, what, ROWS[2].hash or b"", ROWS[1].hash or b"", 0)]
    assert build_groups([pair(1, 2)], ROWS, decided) == []
    assert sets(build_groups([pair(1, 2), pair(1, 3)], ROWS, decided)) == [{1, 3}]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(BadQuery, match="there is no rule 'x'; there are: kept, every pair, connected"):
        build_groups([], {}, [], rule="x")


def test_one_item_in_several_places_is_a_group_of_its_own() -> None:
    found = group_repeated_files([ROWS[4], ROWS[2]])
    assert [(group.kind, group.items, group.keep) for group in found] == [
        ("same bytes", group.items, group.items[0]) for group in found
    ]
    assert {group.items for group in found} == {(2,), (4,)}


@pytest.mark.parametrize("rule", ["kept", "connected"])
def test_shots_of_one_burst_are_in_no_group_together_by_way_of_a_third(rule: str) -> None:
    order = sorted(range(1, 5), key=lambda item_id: rank_to_keep(ROWS[item_id]))
    kept, other, *shots = order
    links = [pair(kept, other), pair(kept, shots[0], score=0.8), pair(kept, shots[1], score=0.95)]
    (group,) = build_groups(links, ROWS, [], rule=rule, are_apart=lambda a, b: {a, b} == set(shots))
    assert set(group.items) == {kept, other, shots[1]}
    (group,) = build_groups([*links, pair(*shots)], ROWS, [], rule=rule, are_apart=lambda a, b: {a, b} == set(shots))
    assert set(group.items) == set(order)  # that their pixels are equal was proved


edges = st.sets(st.tuples(st.integers(1, 11), st.integers(1, 11)).filter(lambda one: one[0] < one[1]), max_size=25)


@given(edges, st.sampled_from(["kept", "every pair", "connected"]), st.permutations(range(1, 12)))
def test_groups_are_what_the_rule_says_whatever_the_ids(
    links: set[tuple[int, int]], rule: str, order: list[int]
) -> None:
    pairs = [pair(a, b) for a, b in sorted(links)]
    found = build_groups(pairs, ROWS, [], rule=rule)
    seen: set[int] = set()
    for group in found:
        assert len(group.items) > 1
        assert not seen & set(group.items)
        seen |= set(group.items)
        assert group.keep == min(group.items, key=lambda one: rank_to_keep(ROWS[one]))
        others = set(group.items) - {group.keep}
        if rule == "kept":
            assert all(tuple(sorted((group.keep, one))) in links for one in others)
        if rule == "every pair":
            assert all((a, b) in links for a in group.items for b in group.items if a < b)
    # the same contents under other ids
    name = dict(zip(range(1, 12), order, strict=True))
    rows = {name[old]: ROWS[old].__class__(**{**_fields(ROWS[old]), "id": name[old]}) for old in ROWS}
    again = build_groups([pair(name[a], name[b]) for a, b in links], rows, [], rule=rule)
    assert sorted(sorted(name[one] for one in group.items) for group in found) == sorted(
        sorted(group.items) for group in again
    )
    assert {group.id for group in found} == {group.id for group in again}


def _fields(one: ItemRow) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}
