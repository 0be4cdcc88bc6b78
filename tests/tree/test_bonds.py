"""Bonds between items, groups apart, and which bonds later groups cut."""

from __future__ import annotations

import numpy as np

from indexers.tree.bonds import Bonds


def places(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_bonds_join_what_was_bound_before() -> None:
    bonds = Bonds(6)
    bonds.bind(places(0, 1))
    bonds.bind(places(2, 3))
    assert bonds.follow(places(1)).tolist() == [1, 0]
    bonds.bind(places(3, 1))
    assert sorted(bonds.follow(places(2)).tolist()) == [0, 1, 2, 3]
    assert bonds.follow(places(5)).tolist() == [5]
    assert not len(bonds.follow(places()))


def test_partners_are_those_of_other_groups_of_that_level_or_a_coarser_one() -> None:
    bonds = Bonds(6)
    labels = np.arange(6)
    bonds.part([places(0), places(1)], 0, labels)
    bonds.part([places(0, 2), places(3), places(4)], 1, labels)
    assert bonds.find_partners(places(0), 0).tolist() == [1]
    assert sorted(bonds.find_partners(places(0), 1).tolist()) == [1, 3, 4]
    assert bonds.find_partners(places(0, 1), 0).tolist() == []  # who is asked about is none
    assert bonds.find_partners(places(5), 2).tolist() == []


def test_groups_cut_the_bonds_between_them_where_clusters_differ() -> None:
    bonds = Bonds(6)
    bonds.bind(places(0, 1, 2, 3))
    bonds.part([places(0), places(3)], 0, np.array([1, 1, 2, 2, 2, 2]))
    assert sorted(bonds.follow(places(0)).tolist()) == [0, 1]
    assert sorted(bonds.follow(places(3)).tolist()) == [2, 3]


def test_who_is_bound_anew_leaves_a_bond_to_what_belongs_apart() -> None:
    bonds = Bonds(6)
    bonds.bind(places(0, 1, 2))
    bonds.part([places(0), places(5)], 0, np.zeros(6, np.int64))
    bonds.part([places(3), places(1)], 0, np.zeros(6, np.int64))
    bonds.bind(places(3, 2))  # 2 is bound to 1, which belongs apart from 3
    assert sorted(bonds.follow(places(3)).tolist()) == [2, 3]
    assert sorted(bonds.follow(places(0)).tolist()) == [0, 1]


def test_bound_items_go_with_one_group() -> None:
    bonds = Bonds(8)
    bonds.bind(places(0, 1, 2))  # 0 is named
    bonds.bind(places(3, 4, 5))  # none is; two of them go with the second group
    bonds.bind(places(6, 7))  # both are named
    owner = places(0, 1, 1, 0, 1, 1, 0, 1)
    bonds.keep_whole(owner, np.arange(8), [places(0, 6), places(7)])
    assert owner.tolist() == [0, 0, 0, 1, 1, 1, 0, 1]
