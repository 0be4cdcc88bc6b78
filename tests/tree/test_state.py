from __future__ import annotations

import numpy as np

from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.state import TreeState
from tests.support.trees import angles


def test_a_new_state_holds_nothing() -> None:
    state = TreeState(7, limit=3)
    assert (state.dimension, state.limit) == (7, 3)
    assert state.items.ids().tolist() == []
    assert not state.nodes.size.any()
    assert (state.groups.used, len(state.crown.base), state.rounds.crown_round) == (0, 0, 0)


def test_the_tree_is_its_state_and_shares_it_with_no_other() -> None:
    first, second = ClusterTree(2), ClusterTree(2)
    assert isinstance(first, TreeState)
    first.update([0, 1], angles(0, 9))
    assert len(second) == 0
    assert not second.rounds.counts.any()
    assert np.count_nonzero(first.nodes.size) == 3
