"""All that a cluster tree holds, in one place: the tree works on it, and `persistence` saves and restores it."""

from __future__ import annotations

from indexers.tree.crown import Crown
from indexers.tree.fixed_point import check_dimension
from indexers.tree.groups import Groups
from indexers.tree.leaves import Items
from indexers.tree.nodes import Nodes
from indexers.tree.parts import Parts
from indexers.tree.rounds import STAGES, Rounds


class TreeState:
    """The nodes of a tree, the groups of its rounds, its items, its crown, the sizes of its rounds, and the parts of
    each stage of rounds but the first.

    dimension: of the vectors. limit: the number of nodes from which on all pairs are compared.

    Raises BadSetting (a dimension beyond that of exact products).
    """

    def __init__(self, dimension: int, limit: int = 1000) -> None:
        check_dimension(dimension)
        self.dimension, self.limit = dimension, limit
        self.nodes = Nodes(dimension)
        self.groups = Groups()
        self.items = Items()
        self.crown = Crown()
        self.rounds = Rounds()
        self.parts = [Parts() for _ in range(STAGES)]
