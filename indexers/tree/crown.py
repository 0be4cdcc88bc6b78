"""The top of a tree, where all pairs are compared: exact average linkage of a few hundred nodes, kept up to date.

In a *step* all pairs of nodes that are each other's most similar one merge, until one node is left. Every pair is a
candidate, so that this is the tree of hierarchical clustering (see `linkage`). Each step is stored: its nodes, the most
similar node (the *best*) of each, and the similarities. An update goes through the steps again. A node that was in the
same step before is clean: it compares its best one with the dirty nodes only, and with all nodes only if its best one
is gone. Products add up, so that the products of a dirty node with all others are a sum of rows of one matrix, which is
never computed again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints
from indexers.tree.fixed_point import UNIT
from indexers.tree.nodes import Nodes


@dataclass(frozen=True)
class Step:
    """One step. nodes: int64 slots, sorted by key, which breaks ties. best: the slot of the most similar node of each;
    similarity: float64, to that one."""

    nodes: Ints
    best: Ints
    similarity: NDArray[np.float64]


EMPTY_STEP = Step(NO_INTS, NO_INTS, np.empty(0))


class Crown:
    """The merges of the top of a tree.

    base: the nodes that it is made of, int64 (n,), in no order. dots: int64, the products of their sums modulo 2^64, in
    the first n rows and columns. steps: see the module. seams: the merges, int64 slots. cap: no merge counts as more
    similar.
    """

    def __init__(self) -> None:
        self.base = NO_INTS
        self.dots = np.empty((0, 0), np.int64)
        self.steps: list[Step] = []
        self.seams = NO_INTS
        self.cap = 1.0

    def update(self, nodes: Nodes, gone: Ints, fresh: Ints, cap: float) -> tuple[Ints, Ints]:
        """Take `gone` out of the base and put `fresh` in; return the slots of new merges and of those that vanished."""
        if cap != self.cap or not self.steps:
            self.steps, self.cap = [], cap
        self._update_products(nodes, gone, fresh)
        return _Pass(self, nodes).run()

    def clear(self) -> None:
        """Empty the crown."""
        self.base, self.seams, self.steps = NO_INTS, NO_INTS, []

    def restore(self, nodes: Nodes, base: Ints, seams: Ints) -> None:
        """Fill an empty crown with what was stored; the next update goes through all steps and gets the same merges."""
        self._update_products(nodes, NO_INTS, base)
        self.seams = seams

    def _update_products(self, nodes: Nodes, gone: Ints, fresh: Ints) -> None:
        """Bring base and matrix up to date: the last rows fill the places of those that leave."""
        count = len(self.base)
        place = np.flatnonzero(np.isin(self.base, gone))
        remaining = count - len(place)
        holes, movers = place[place < remaining], np.setdiff1d(np.arange(remaining, count), place)
        self.base[holes] = self.base[movers]
        self.dots[holes] = self.dots[movers]
        self.dots[:, holes] = self.dots[:, movers]
        self.base = np.concatenate([self.base[:remaining], fresh])
        if len(self.base) > len(self.dots):
            room = len(self.base) * 5 // 4
            dots = np.zeros((room, room), np.int64)
            dots[:remaining, :remaining] = self.dots[:remaining, :remaining]
            self.dots = dots
        base, size = self.base, nodes.size
        across = nodes.sums.multiply_all(nodes.row[fresh], nodes.row[base], size[fresh], size[base])
        self.dots[remaining : len(base), : len(base)] = across
        self.dots[: len(base), remaining : len(base)] = across.T


class _Pass:
    """One walk through the steps of a crown.

    holder: the node of the current step that holds the base node of each row of the matrix. rows: the products of the
    dirty nodes with every row.
    """

    def __init__(self, crown: Crown, nodes: Nodes) -> None:
        self.crown, self.nodes = crown, nodes
        self.dots = crown.dots[: len(crown.base), : len(crown.base)]
        self.holder = crown.base.copy()
        self.dirty, self.rows = NO_INTS, np.empty((0, len(crown.base)), np.int64)
        self.created: list[Ints] = []
        self.seams: list[Ints] = []
        order = np.argsort(nodes.content[crown.seams])
        self.known, self.known_content = crown.seams[order], nodes.content[crown.seams][order]

    def run(self) -> tuple[Ints, Ints]:
        """Replace the steps and seams of the crown; return the slots of new merges and of those that vanished."""
        nodes, crown = self.nodes, self.crown
        alive = crown.base[np.argsort(nodes.key[crown.base], kind="stable")]
        halves = np.stack([alive, alive], 1)
        steps: list[Step] = []
        while len(alive):
            old = crown.steps[len(steps)] if len(steps) < len(crown.steps) else EMPTY_STEP
            clean, best, similarity = self._recall_step(alive, old)
            self._compute_rows(alive[~clean], halves[~clean])
            self._update_holders(alive, halves)
            best, similarity = self._find_best(alive, clean, best, similarity)
            steps.append(Step(alive, alive[best], similarity))
            if len(alive) == 1:
                nodes.parent[alive] = -1
                break
            alive, halves = self._merge_pairs(alive, clean, best, similarity, old)
        before, crown.steps, crown.seams = crown.seams, steps, np.concatenate([NO_INTS, *self.seams])
        return np.concatenate([NO_INTS, *self.created]), before[~np.isin(before, crown.seams)]

    def _find_places(self, slots: Ints, among: Ints) -> Ints:
        """Return the place of each slot in `among`, or -1."""
        scratch = self.nodes.place
        scratch[among] = np.arange(len(among))
        places = scratch[slots].astype(np.int64)
        scratch[among] = -1
        return places

    def _recall_step(self, alive: Ints, old: Step) -> tuple[NDArray[np.bool_], Ints, NDArray[np.float64]]:
        """Return which nodes are clean, the column of the best that each had (-1: it is gone), and its similarity."""
        column = self._find_places(old.nodes, alive)
        is_alive = column >= 0
        clean = np.zeros(len(alive), bool)
        clean[column[is_alive]] = True
        best, similarity = np.full(len(alive), -1), np.full(len(alive), -np.inf)
        best[column[is_alive]] = self._find_places(old.best[is_alive], alive)
        similarity[column[is_alive]] = old.similarity[is_alive]
        return clean, best, similarity

    def _compute_rows(self, dirty: Ints, halves: Ints) -> None:
        """Compute the products of the dirty nodes: those of their halves added up.

        A node that did not merge has itself for both halves.
        """
        left = halves[:, 0]
        rows = self._compute_products(left)
        merged = np.flatnonzero(halves[:, 1] != left)
        rows[merged] += self._compute_products(halves[merged, 1])
        self.dirty, self.rows = dirty, rows

    def _update_holders(self, alive: Ints, halves: Ints) -> None:
        """Enter the nodes that were just merged as holders of the rows that their halves held."""
        merged = np.flatnonzero(alive != halves[:, 0])
        place = self._find_places(self.holder, halves[merged].T.ravel())
        is_held = place >= 0
        self.holder[is_held] = alive[np.concatenate([merged, merged])[place[is_held]]]

    def _compute_products(self, slots: Ints) -> Ints:
        """Return the products of nodes of the step before with every row, int64 (n, rows)."""
        place = self._find_places(slots, self.dirty)
        products = np.empty((len(slots), self.rows.shape[1]), np.int64)
        products[place >= 0] = self.rows[place[place >= 0]]
        rest = np.flatnonzero(place < 0)
        if len(rest):
            owner = self._find_places(self.holder, slots[rest])
            row = np.argsort(owner, kind="stable")[np.count_nonzero(owner < 0) :]
            starts = np.searchsorted(owner[row], np.arange(len(rest)))
            products[rest] = np.add.reduceat(self.dots[row], starts, axis=0)
        return products

    def _find_best(
        self, alive: Ints, clean: NDArray[np.bool_], best: Ints, similarity: NDArray[np.float64]
    ) -> tuple[Ints, NDArray[np.float64]]:
        """Return the column of the most similar node of each, the first among equals, and the similarity."""
        nodes, dirty = self.nodes, np.flatnonzero(~clean)
        bereft = np.flatnonzero(clean & (best < 0))
        if not len(dirty) and not len(bereft):
            return best, similarity
        column = self._find_places(self.holder, alive)
        row = np.argsort(column, kind="stable")
        starts = np.searchsorted(column[row], np.arange(len(alive)))
        seeking = np.concatenate([dirty, bereft])
        rows = np.concatenate([self.rows, self._compute_products(alive[bereft])]) if len(bereft) else self.rows
        value = nodes.average(np.add.reduceat(rows[:, row], starts, axis=1), alive[seeking], alive)
        value[np.arange(len(seeking)), seeking] = -np.inf
        best[seeking] = value.argmax(1)
        similarity[seeking] = value[np.arange(len(seeking)), best[seeking]]
        if len(dirty):
            # A clean node that has its best one still has only the dirty nodes to compare it with.
            settled = np.delete(np.arange(len(alive)), seeking)
            met = value[: len(dirty), settled]
            first = met.argmax(0)
            greatest = met[first, np.arange(len(settled))]
            is_tied = (greatest == similarity[settled]) & (dirty[first] < best[settled])
            is_better = (greatest > similarity[settled]) | is_tied
            best[settled[is_better]], similarity[settled[is_better]] = dirty[first[is_better]], greatest[is_better]
        return best, similarity

    def _merge_pairs(
        self, alive: Ints, clean: NDArray[np.bool_], best: Ints, similarity: NDArray[np.float64], old: Step
    ) -> tuple[Ints, Ints]:
        """Merge all pairs of mutual best ones.

        Returns the nodes of the next step, sorted by key, and the two halves of each, (n, 2).
        """
        nodes, columns = self.nodes, np.arange(len(alive))
        first = np.flatnonzero((best[best] == columns) & (columns < best))
        second = best[first]
        left, right = alive[first], alive[second]
        # Two clean nodes that were each other's best before made the same merge before.
        best_before = np.full(len(alive), -1)
        column = self._find_places(old.nodes, alive)
        best_before[column[column >= 0]] = self._find_places(old.best[column >= 0], alive)
        same = clean[first] & clean[second] & (best_before[first] == second) & (best_before[second] == first)
        slot = np.full(len(first), -1)
        slot[same] = nodes.parent[left[same]]
        new = np.flatnonzero(~same)
        if len(new):
            slot[new] = self._write_merges(left[new], right[new], similarity[first[new]])
        self.seams.append(slot)
        keep = np.ones(len(alive), bool)
        keep[second] = False
        after = alive.copy()
        after[first] = slot
        right_half = alive.copy()
        right_half[first] = right
        return after[keep], np.stack([alive, right_half], 1)[keep]

    def _write_merges(self, left: Ints, right: Ints, similarity: NDArray[np.float64]) -> Ints:
        """Write merges; return their slots, which are those that had the same content, or new ones."""
        nodes = self.nodes
        content = nodes.content[left] + nodes.content[right]
        slot = np.full(len(left), -1)
        if len(self.known):
            place = np.minimum(np.searchsorted(self.known_content, content), len(self.known) - 1)
            slot = np.where(self.known_content[place] == content, self.known[place], -1)
        missing = np.flatnonzero(slot < 0)
        slot[missing] = nodes.allocate(len(missing))
        self.created.append(slot[missing])
        nodes.left[slot], nodes.right[slot] = left, right
        nodes.parent[left] = nodes.parent[right] = slot
        nodes.size[slot], nodes.content[slot] = nodes.size[left] + nodes.size[right], content
        nodes.key[slot], nodes.least[slot] = nodes.key[left], nodes.least[left]
        nodes.height[slot] = np.minimum(similarity / UNIT, self.crown.cap)
        nodes.seam[slot] = True
        return slot
