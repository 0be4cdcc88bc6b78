"""Corrections as edits of a cut: what each does, what it leaves alone, and that the later one holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.corrections import correct_levels
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.level_cut import LevelLabels
from indexers.types import LEVELS, CorrectionKind, CorrectionRow, Level
from tests.support.trees import angles
from tests.tree.test_levels import are_same_partition, nested, tree_of

ROWS, GROUP = nested(4, 3, 12, seed=1)
TREE = tree_of(ROWS, 8)
CUT = TREE.cut_levels(TREE.choose_levels())
MEDIUM = [np.flatnonzero(CUT.medium == label).tolist() for label in np.unique(CUT.medium) if label]


def correct(
    *corrections: tuple[CorrectionKind, Level, Sequence[Sequence[int]]],
    tree: ClusterTree = TREE,
    labels: LevelLabels = CUT,
    rows: np.ndarray = ROWS,
) -> LevelLabels:
    made = [
        CorrectionRow(number, kind, level, tuple(tuple(group) for group in groups), (), 0)
        for number, (kind, level, groups) in enumerate(corrections)
    ]
    return correct_levels(labels, tree.items.ids(), made, tree.make_piece_finder(), lambda items: rows[items])


def is_nested(labels: LevelLabels) -> bool:
    pairs = ((labels.medium, labels.coarse), (labels.fine, labels.medium))
    return all(
        len(np.unique(below[below > 0])) == len(np.unique(np.stack([below, above])[:, below > 0], axis=1).T)
        and (above[below > 0] > 0).all()
        for below, above in pairs
    )


def test_without_corrections_nothing_changes() -> None:
    assert correct() is CUT


def test_two_clusters_are_joined_and_all_others_stay() -> None:
    labels = correct(("merge", "medium", MEDIUM[:2]))
    joined = MEDIUM[0] + MEDIUM[1]
    assert len(set(labels.medium[joined].tolist())) == 1
    others = np.setdiff1d(np.arange(len(ROWS)), joined)
    assert are_same_partition(labels.medium[others], CUT.medium[others])
    assert labels.medium[joined[0]] not in labels.medium[others]
    assert is_nested(labels)


def test_new_items_follow_a_merge() -> None:
    """The clusters were joined by four of their items each, as if all others had come since."""
    labels = correct(("merge", "medium", [MEDIUM[0][:4], MEDIUM[1][:4]]))
    assert len(set(labels.medium[MEDIUM[0] + MEDIUM[1]].tolist())) == 1


def test_moved_items_are_where_the_others_are_on_that_level_and_above() -> None:
    moved = MEDIUM[0][:2]
    labels = correct(("move", "medium", [moved, MEDIUM[5]]))
    for column in (labels.coarse, labels.medium):
        assert set(column[moved].tolist()) == set(column[MEDIUM[5]].tolist())
    assert is_nested(labels)


def test_items_kept_together_share_a_cluster_of_each_level() -> None:
    items = [MEDIUM[0][0], MEDIUM[3][0], MEDIUM[3][1]]
    labels = correct(("together", "medium", [items]))
    assert set(labels.medium[items].tolist()) == set(labels.medium[MEDIUM[3]].tolist())
    assert len(set(labels.coarse[items].tolist())) == 1


def test_two_items_kept_apart_take_their_cluster_apart_where_their_branches_meet() -> None:
    """Two bundles that were joined by hand are two again."""
    merge: tuple[CorrectionKind, Level, list[list[int]]] = ("merge", "medium", MEDIUM[:2])
    labels = correct(merge, ("apart", "medium", [[MEDIUM[0][0]], [MEDIUM[1][0]]]))
    assert are_same_partition(labels.medium, CUT.medium)
    pair = MEDIUM[2][:2]
    labels = correct(("apart", "medium", [[pair[0]], [pair[1]]]))
    for column in labels:
        assert column[pair[0]] != column[pair[1]] or column[pair[0]] == 0
    assert is_nested(labels)


def test_a_cluster_is_taken_apart_by_a_few_items_of_each_part() -> None:
    joined = np.concatenate(MEDIUM[:2])
    labels = correct(
        ("merge", "medium", MEDIUM[:2]),
        ("split", "medium", [MEDIUM[0][:2], MEDIUM[1][:2]]),
    )
    assert are_same_partition(labels.medium[joined], CUT.medium[joined])


def test_identical_items_can_be_kept_apart_and_a_part_of_few_is_loose() -> None:
    rows = angles(*[0.0] * 6, *np.arange(1, 7) / 10)
    tree = tree_of(rows, 4)
    cut = LevelLabels(*[np.ones(12, np.int64)] * 3)
    labels = correct(("apart", "medium", [[0], [1]]), tree=tree, labels=cut, rows=rows)
    assert labels.medium[0] != labels.medium[1]
    assert all(column[0] == 0 or column[1] == 0 or column[0] != column[1] for column in labels)


def test_what_belongs_together_stays_so_when_others_of_its_cluster_are_told_apart() -> None:
    """The two were in different branches before; the cluster is taken apart between these by others."""
    a, b = MEDIUM[0][0], MEDIUM[1][0]
    others = ("apart", "medium", [[MEDIUM[0][1]], [MEDIUM[1][1]]])
    labels = correct(("merge", "medium", MEDIUM[:2]), ("together", "medium", [[a, b]]), others)  # type: ignore[arg-type]
    assert labels.medium[a] == labels.medium[b] > 0
    assert labels.medium[MEDIUM[0][1]] != labels.medium[MEDIUM[1][1]]


def test_what_belongs_together_goes_not_to_where_one_belongs_apart_from_it() -> None:
    """Both clusters hold one of the two that are to be together; one of them holds the third."""
    a, b, c = MEDIUM[0][0], MEDIUM[0][1], MEDIUM[1][0]
    for first in ([a, c], [c, a]):
        labels = correct(("apart", "medium", [[b], [c]]), ("together", "medium", [first]))
        assert labels.medium[a] == labels.medium[c] > 0
        assert not any(column[b] == column[c] > 0 for column in labels)
    labels = correct(("apart", "medium", [[a], [b]]), ("together", "medium", [[a, b]]))  # the later one holds
    assert labels.medium[a] == labels.medium[b] > 0


def test_what_belongs_together_is_moved_together() -> None:
    a, b = MEDIUM[0][:2]
    labels = correct(("together", "medium", [[a, b]]), ("move", "medium", [[a], MEDIUM[3]]))
    assert set(labels.medium[[a, b]].tolist()) == set(labels.medium[MEDIUM[3]].tolist())


def test_items_that_are_gone_are_left_out() -> None:
    labels = correct(
        ("merge", "medium", [[*MEDIUM[0], 10_000], [*MEDIUM[1], 20_000]]), ("together", "medium", [[77_777]])
    )
    assert len(set(labels.medium[MEDIUM[0] + MEDIUM[1]].tolist())) == 1


def test_loose_items_kept_together_are_a_cluster_if_they_are_five() -> None:
    loose = LevelLabels(*[np.zeros(len(ROWS), np.int64)] * 3)
    few = correct(("together", "medium", [range(4)]), labels=loose)
    assert not few.medium.any()
    five = correct(("together", "medium", [range(5)]), labels=loose)
    assert np.flatnonzero(five.medium).tolist() == list(range(5))
    assert is_nested(five)


@pytest.mark.parametrize("level", LEVELS)
def test_clusters_of_every_level_can_be_joined_and_taken_apart(level: Level) -> None:
    column = CUT[LEVELS.index(level)]
    first, second = (np.flatnonzero(column == label).tolist() for label in np.unique(column[column > 0])[:2])
    joined = correct(("merge", level, [first, second]))
    assert len(set(joined[LEVELS.index(level)][first + second].tolist())) == 1
    assert is_nested(joined)
    apart = correct(("split", level, [first[:6], first[6:]]))[LEVELS.index(level)]
    assert not set(apart[first[:6]].tolist()) & set(apart[first[6:]].tolist()) - {0}


GROUPS = st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=20, unique=True)


SAID = st.tuples(
    st.sampled_from(["merge", "split", "move", "together", "apart"]), st.sampled_from(LEVELS), GROUPS, GROUPS
)


@settings(max_examples=60, deadline=None)
@example([("split", "medium", [25], [35, 36, 84, 85, 24])], 0)  # each was wrong once
@example([("move", "medium", [0], [60, 1, 12]), ("split", "coarse", [0], [48])], 0)
@example([("split", "medium", [0], [1, 62]), ("split", "coarse", [0], [62])], 0)
@given(st.lists(SAID, max_size=6), st.integers(0, 9))
def test_whatever_is_said_levels_are_nested_and_the_last_holds(
    said: list[tuple[CorrectionKind, Level, list[int], list[int]]], seed: int
) -> None:
    corrections = [
        (kind, level, [first] if kind == "together" else [first, [item for item in second if item not in first]])
        for kind, level, first, second in said
    ]
    corrections = [row for row in corrections if all(row[2])]
    labels = correct(*corrections)
    assert is_nested(labels)
    for column in labels:
        assert not len(column[column > 0]) or np.bincount(column[column > 0])[np.unique(column[column > 0])].min() >= 5
    assert MIN_CLUSTER_SIZE == 5
    if corrections:
        kind, level, groups = corrections[-1]
        held = [labels[LEVELS.index(level)][group] for group in groups]
        if kind in ("apart", "split"):
            assert not set(held[0].tolist()) & set(held[1].tolist()) - {0}
        elif kind == "together":
            assert len(set(labels.medium[groups[0]].tolist())) == 1
    order = np.random.default_rng(seed).permutation(len(ROWS))  # other numbers for clusters change nothing
    renamed = LevelLabels(*(np.where(column > 0, order[column % len(order)] + 1, 0) for column in CUT))
    if all(are_same_partition(old, new) for old, new in zip(CUT, renamed, strict=True)):
        again = correct(*corrections, labels=renamed)
        assert all(are_same_partition(old, new) for old, new in zip(labels, again, strict=True))
