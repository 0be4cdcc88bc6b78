"""The top of a tree, where all pairs are compared: exact average linkage of a few hundred nodes, kept up to date.

In a *step* all pairs of nodes that are each other's most similar one merge, until one node is left. Every pair is a
candidate, so that this is the tree of hierarchical clustering (see `linkage`). Of each step the nodes, their best ones
and the similarities are kept. An update goes through the steps again. A node that was there in the same step before is
clean: it compares its best one with the dirty ones only, and with everyone only if its best one is gone. Products add
up, so that the products of a dirty node with everyone are a sum of rows of one matrix, which is never computed again.
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
    """nodes: int64 slots, sorted by key, which breaks ties. best: the most similar of each; similarity: float64."""

    nodes: Ints
    best: Ints
    similarity: NDArray[np.float64]


NOTHING = Step(NO_INTS, NO_INTS, np.empty(0))


class Crown:
    """
    base: the nodes that it is made of, int64 (n,), in no order. dots: int64, products of their sums in the first n rows
    and columns. steps: see above. seams: the merges, int64 slots. cap: no merge counts as more similar.
    """

    def __init__(self) -> None:
        self.base = NO_INTS
        self.dots = np.empty((0, 0), np.int64)
        self.steps: list[Step] = []
        self.seams = NO_INTS
        self.cap = 1.0

    def update(self, nodes: Nodes, gone: Ints, fresh: Ints, cap: float) -> tuple[Ints, Ints]:
        """Nodes leave and enter the base. The merges that are new, and those that are no more (slots)."""
        if cap != self.cap or not self.steps:
            self.steps, self.cap = [], cap
        self._rows(nodes, gone, fresh)
        return _Pass(self, nodes).run()

    def clear(self) -> None:
        self.base, self.seams, self.steps = NO_INTS, NO_INTS, []

    def restore(self, nodes: Nodes, base: Ints, seams: Ints) -> None:
        """Take up what was kept; the next update goes through all steps anew, and finds the same merges."""
        self._rows(nodes, NO_INTS, base)
        self.seams = seams

    def _rows(self, nodes: Nodes, gone: Ints, fresh: Ints) -> None:
        """Keep the matrix up to date: the last rows fill the places of those that leave."""
        count = len(self.base)
        place = np.flatnonzero(np.isin(self.base, gone))
        left = count - len(place)
        holes, movers = place[place < left], np.setdiff1d(np.arange(left, count), place)
        self.base[holes] = self.base[movers]
        self.dots[holes] = self.dots[movers]
        self.dots[:, holes] = self.dots[:, movers]
        self.base = np.concatenate([self.base[:left], fresh])
        if len(self.base) > len(self.dots):
            room = len(self.base) * 5 // 4
            dots = np.zeros((room, room), np.int64)
            dots[:left, :left] = self.dots[:left, :left]
            self.dots = dots
        base, size = self.base, nodes.size
        across = nodes.sums.multiply_all(nodes.row[fresh], nodes.row[base], size[fresh], size[base])
        self.dots[left : len(base), : len(base)] = across
        self.dots[: len(base), left : len(base)] = across.T


class _Pass:
    """One walk through the steps. `holder` says of each row of the matrix which node it lies in by now; `rows` holds
    the products of the dirty nodes with every row."""

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
        nodes, crown = self.nodes, self.crown
        alive = crown.base[np.argsort(nodes.key[crown.base], kind="stable")]
        halves = np.stack([alive, alive], 1)
        steps: list[Step] = []
        while len(alive):
            old = crown.steps[len(steps)] if len(steps) < len(crown.steps) else NOTHING
            clean, best, similarity = self._known(alive, old)
            self._take_rows(alive[~clean], halves[~clean])
            self._hold(alive, halves)
            best, similarity = self._best(alive, clean, best, similarity)
            steps.append(Step(alive, alive[best], similarity))
            if len(alive) == 1:
                nodes.parent[alive] = -1
                break
            alive, halves = self._merge(alive, clean, best, similarity, old)
        before, crown.steps, crown.seams = crown.seams, steps, np.concatenate([NO_INTS, *self.seams])
        return np.concatenate([NO_INTS, *self.created]), before[~np.isin(before, crown.seams)]

    def _places(self, slots: Ints, among: Ints) -> Ints:
        """Where the slots are in `among`, or -1."""
        place = self.nodes.place
        place[among] = np.arange(len(among))
        found = place[slots].astype(np.int64)
        place[among] = -1
        return found

    def _known(self, alive: Ints, old: Step) -> tuple[NDArray[np.bool_], Ints, NDArray[np.float64]]:
        """Which nodes are clean, and the best ones that they had (-1: it is gone)."""
        column = self._places(old.nodes, alive)
        there = column >= 0
        clean = np.zeros(len(alive), bool)
        clean[column[there]] = True
        best, similarity = np.full(len(alive), -1), np.full(len(alive), -np.inf)
        best[column[there]] = self._places(old.best[there], alive)
        similarity[column[there]] = old.similarity[there]
        return clean, best, similarity

    def _take_rows(self, dirty: Ints, halves: Ints) -> None:
        """Products of the nodes that are dirty now: those of their halves added up (a node that did not merge is twice
        the same half)."""
        part = halves[:, 0]
        rows = self._products(part)
        two = np.flatnonzero(halves[:, 1] != part)
        rows[two] += self._products(halves[two, 1])
        self.dirty, self.rows = dirty, rows

    def _hold(self, alive: Ints, halves: Ints) -> None:
        merged = np.flatnonzero(alive != halves[:, 0])
        place = self._places(self.holder, halves[merged].T.ravel())
        held = place >= 0
        self.holder[held] = alive[np.concatenate([merged, merged])[place[held]]]

    def _products(self, slots: Ints) -> Ints:
        """Products of nodes of the step before with every row, int64 (n, rows)."""
        place = self._places(slots, self.dirty)
        found = np.empty((len(slots), self.rows.shape[1]), np.int64)
        found[place >= 0] = self.rows[place[place >= 0]]
        rest = np.flatnonzero(place < 0)
        if len(rest):
            owner = self._places(self.holder, slots[rest])
            row = np.argsort(owner, kind="stable")[np.count_nonzero(owner < 0) :]
            starts = np.searchsorted(owner[row], np.arange(len(rest)))
            found[rest] = np.add.reduceat(self.dots[row], starts, axis=0)
        return found

    def _best(
        self, alive: Ints, clean: NDArray[np.bool_], best: Ints, similarity: NDArray[np.float64]
    ) -> tuple[Ints, NDArray[np.float64]]:
        """The most similar node of each, by its column, the first among equals."""
        nodes, place = self.nodes, np.flatnonzero(~clean)
        lost = np.flatnonzero(clean & (best < 0))
        if not len(place) and not len(lost):
            return best, similarity
        column = self._places(self.holder, alive)
        row = np.argsort(column, kind="stable")
        starts = np.searchsorted(column[row], np.arange(len(alive)))
        who = np.concatenate([place, lost])
        rows = np.concatenate([self.rows, self._products(alive[lost])]) if len(lost) else self.rows
        value = np.add.reduceat(rows[:, row], starts, axis=1) / (nodes.size[alive[who]][:, None] * nodes.size[alive])
        value[np.arange(len(who)), who] = -np.inf
        best[who] = value.argmax(1)
        similarity[who] = value[np.arange(len(who)), best[who]]
        if len(place):
            # What is clean and knows its best one has only the dirty ones to compare that with.
            mine = np.delete(np.arange(len(alive)), who)
            met = value[: len(place), mine]
            first = met.argmax(0)
            greatest = met[first, np.arange(len(mine))]
            better = (greatest > similarity[mine]) | ((greatest == similarity[mine]) & (place[first] < best[mine]))
            best[mine[better]], similarity[mine[better]] = place[first[better]], greatest[better]
        return best, similarity

    def _merge(
        self, alive: Ints, clean: NDArray[np.bool_], best: Ints, similarity: NDArray[np.float64], old: Step
    ) -> tuple[Ints, Ints]:
        """Merge all reciprocal pairs. The nodes of the next step, sorted by key, and what each is made of."""
        nodes, here = self.nodes, np.arange(len(alive))
        first = np.flatnonzero((best[best] == here) & (here < best))
        second = best[first]
        left, right = alive[first], alive[second]
        # Two clean nodes that were each other's best before made the same merge before.
        was = np.full(len(alive), -1)
        column = self._places(old.nodes, alive)
        was[column[column >= 0]] = self._places(old.best[column >= 0], alive)
        same = clean[first] & clean[second] & (was[first] == second) & (was[second] == first)
        slot = np.full(len(first), -1)
        slot[same] = nodes.parent[left[same]]
        new = np.flatnonzero(~same)
        if len(new):
            slot[new] = self._write(left[new], right[new], similarity[first[new]])
        self.seams.append(slot)
        keep = np.ones(len(alive), bool)
        keep[second] = False
        after = alive.copy()
        after[first] = slot
        other = alive.copy()
        other[first] = right
        return after[keep], np.stack([alive, other], 1)[keep]

    def _write(self, left: Ints, right: Ints, similarity: NDArray[np.float64]) -> Ints:
        """Slots for merges: those that had the same content, or new ones."""
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
