"""What people say of clusters, applied to the levels that a tree was cut into.

Corrections are replayed in the order in which they were made, as edits of the cut: a function of the tree, its levels,
the vectors and the corrections alone. An update therefore still equals a full run, corrections outlive whatever is made
again, and one that a later one contradicts gives way. What does not contradict those before leaves them as they are:
items that belong together move together, and not to where something is that belongs apart from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from indexers.arrays import NO_INTS, Ints, scale_to_unit, sort_unique
from indexers.tree.bonds import Bonds
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.level_cut import LevelLabels
from indexers.types import LEVELS, CorrectionRow, Ids, Vectors

PieceFinder = Callable[[Sequence[Ids]], Ints]
"""Returns for each of all items its piece: the largest branch of the tree with items of one of the groups at most."""
VectorReader = Callable[[Ids], Vectors]


def correct_levels(
    labels: LevelLabels,
    items: Ids,
    corrections: Sequence[CorrectionRow],
    find_pieces: PieceFinder,
    take: VectorReader,
) -> LevelLabels:
    """Return the levels after all corrections: the cluster of each of `items`, above 0; 0 where it is in none.

    labels: the levels of the tree. items: int64 (n,), sorted. take: reads vectors by item, float32 (m, dimension).
    """
    if not corrections:
        return labels
    replay = _Replay(labels, items, find_pieces, take)
    for correction in corrections:
        replay.apply(correction)
    return replay.finish()


class _Replay:
    """The levels while corrections are applied. labels: the cluster of each item, by level from coarse to fine."""

    def __init__(self, labels: LevelLabels, items: Ids, find_pieces: PieceFinder, take: VectorReader) -> None:
        self.labels: list[Ints] = [np.array(level, np.int64) for level in labels]
        self.items, self._find_pieces, self._take = items, find_pieces, take
        self._pieces: Ints | None = None
        self._bonds = Bonds(len(items))
        self._next = 1 + max((int(level.max(initial=0)) for level in self.labels), default=0)

    def apply(self, correction: CorrectionRow) -> None:
        groups = [self._find_places(group) for group in correction.groups]
        level = LEVELS.index(correction.level)
        if correction.kind == "merge":
            self._unite(level, groups, [len(group) for group in correction.groups])
        elif correction.kind == "move":
            moved, anchor = groups
            for column in range(level, -1, -1):  # above a level at which all of the cluster is loose by now
                if home := self._find_home(column, anchor):
                    self._move(column, self._bonds.follow(moved), home)
                    break
        elif correction.kind == "together":
            self._bonds.bind(groups[0])
            for column in range(len(LEVELS)):
                self._gather(column, groups[0])
        elif correction.kind == "apart":
            self._split_all(groups)
        elif correction.kind == "split":
            self._split_all(groups, level)
            for group in groups:
                self._gather(level, group)

    def _find_places(self, group: Sequence[int]) -> Ints:
        """Return where the items of a group lie; those that are gone are left out."""
        wanted = np.array(group, np.int64)
        places = np.minimum(np.searchsorted(self.items, wanted), max(len(self.items) - 1, 0))
        return places[self.items[places] == wanted] if len(self.items) else places[:0]

    def _find_home(self, column: int, places: Ints, shunned: Ints = NO_INTS) -> int:
        """Return the cluster that holds most of these items, of several the first; 0 if all of them are loose.

        shunned: clusters that are not meant.
        """
        held = self.labels[column][places]
        held = held[(held > 0) & ~np.isin(held, shunned)]
        if not len(held):
            return 0
        numbers, first, counts = np.unique(held, return_index=True, return_counts=True)
        return int(numbers[np.lexsort((first, -counts))[0]])

    def _make_label(self) -> int:
        self._next += 1
        return self._next - 1

    def _move(self, column: int, places: Ints, home: int) -> None:
        """Put items into a cluster, and where it lies in coarser ones; of finer ones that they leave they are taken
        out."""
        moved = places[self.labels[column][places] != home]
        members = np.flatnonzero(self.labels[column] == home)
        self.labels[column][moved] = home
        for coarser in range(column if len(members) else 0):
            self.labels[coarser][moved] = self._find_home(coarser, members)
        for labels in self.labels[column + 1 :]:
            for label in sort_unique(labels[moved][labels[moved] > 0]).tolist():
                members = moved[labels[moved] == label]
                if len(members) < np.count_nonzero(labels == label):
                    labels[members] = self._make_label()

    def _gather(self, column: int, places: Ints) -> None:
        """Put items, and all that is bound to them, into the cluster that holds most of them, or else into a new one.

        Into none, nor into one within one, that holds what belongs apart from them, nor into one that is too small.
        """
        places = self._bonds.follow(places)
        labels = self.labels[column]
        held = sort_unique(labels[places])
        shunned = [held[[np.count_nonzero(labels == label) < MIN_CLUSTER_SIZE for label in held.tolist()]]]
        for coarser in range(column + 1):
            upper = self.labels[coarser]
            partners = sort_unique(upper[self._bonds.find_partners(places, coarser)])
            if len(partners):
                shunned.append(labels[np.isin(upper, partners[partners > 0])])
        self._move(column, places, self._find_home(column, places, np.concatenate(shunned)) or self._make_label())

    def _unite(self, level: int, groups: Sequence[Ints], named: Sequence[int]) -> None:
        """Join the clusters of the groups, and gather those of their items that lie elsewhere.

        A cluster is joined if it holds half of a group, or little else than their items: what is left of a group whose
        items are mostly gone takes no other cluster along. named: the items of each group when it was said.
        """
        labels, places = self.labels[level], np.concatenate(groups)
        homes = set()
        for group, count in zip(groups, named, strict=True):
            home = self._find_home(level, group)
            homes |= {home} if 2 * np.count_nonzero(labels[group] == home) >= count else set()
        homes -= {0}
        inside = np.bincount(labels[places], minlength=self._next)
        homes |= set(np.flatnonzero(2 * inside > np.bincount(labels, minlength=self._next)).tolist()) - {0}
        home = self._find_home(level, places) or self._make_label()
        labels[np.isin(labels, sorted(homes))] = home
        self._move(level, self._bonds.follow(places), home)
        whole = np.flatnonzero(labels == home)
        for column in range(level):  # all of it, so that nothing finer is taken apart
            self.labels[column][whole] = self._find_home(column, whole) or self._make_label()

    def _split_all(self, groups: Sequence[Ints], level: int = 0) -> None:
        """Take clusters of a level and finer ones apart; coarse after medium, by whose clusters it is taken apart."""
        self._pieces = None
        for column in (1, 2, 0):
            if column >= level:
                self._split(column, groups)
        self._bonds.part(groups, level, self.labels[max(level, 1)])

    def _split(self, column: int, groups: Sequence[Ints]) -> None:
        """Take apart each cluster that holds items of several groups.

        What lies in one branch with items of one group goes with it; the rest goes to the group that it is most like.
        """
        labels = self.labels[column]
        held = [sort_unique(labels[group][labels[group] > 0]) for group in groups]
        numbers, counts = np.unique(np.concatenate(held), return_counts=True)
        contested = numbers[counts > 1].tolist()
        if not contested:
            return
        pieces = self._find_units(column, groups)
        for label in contested:
            places = np.flatnonzero(labels == label)
            owner = self._find_owners(places, pieces[places], groups)
            for number in range(1, len(groups)):
                labels[places[owner == number]] = self._make_label()

    def _find_units(self, column: int, groups: Sequence[Ints]) -> Ints:
        """Return for each item what it stays with: its cluster of medium in coarse, else its piece of the tree."""
        if column:
            if self._pieces is None:
                self._pieces = self._find_pieces([self.items[group] for group in groups])
            return self._pieces
        medium = self.labels[1]
        return np.where(medium > 0, medium, -1 - np.arange(len(medium)))

    def _find_owners(self, places: Ints, units: Ints, groups: Sequence[Ints]) -> Ints:
        """Return the number of the group that each of a cluster's items goes with."""
        inside = [np.searchsorted(places, group[np.isin(group, places)]) for group in groups]
        _, unit = np.unique(units, return_inverse=True)
        claimed = np.full(int(unit.max()) + 1, -1)
        for number, members in enumerate(inside):
            theirs = sort_unique(unit[members])
            claimed[theirs] = np.where(claimed[theirs] == -1, number, -2)  # -2: claimed by several
        owner = claimed[unit]
        for number, members in enumerate(inside):
            owner[members] = number
        free = np.flatnonzero(owner < 0)
        if len(free):
            rows = scale_to_unit(self._take(self.items[places])).astype(np.float64)
            present = [number for number, members in enumerate(inside) if len(members)]
            means = np.stack([rows[inside[number]].mean(0) for number in present])
            _, place = np.unique(unit[free], return_inverse=True)
            sums = np.zeros((int(place.max()) + 1, rows.shape[1]))
            np.add.at(sums, place, rows[free])
            owner[free] = np.array(present)[np.argmax(sums @ means.T, axis=1)][place]
        self._bonds.keep_whole(owner, places, groups)
        return owner

    def finish(self) -> LevelLabels:
        """Return the levels, each within the one above, without clusters that have become too small."""
        coarse, medium, fine = self.labels
        medium = _drop_small(medium)
        inside = medium > 0
        numbers, place = np.unique(medium[inside], return_inverse=True)
        if len(numbers):
            width = int(coarse.max()) + 1
            both = place * width + coarse[inside]
            pairs, first, pair_counts = np.unique(both, return_index=True, return_counts=True)
            lower, upper = np.divmod(pairs, width)
            order = np.lexsort((first, -pair_counts, upper == 0, lower))  # numbers of clusters are chance
            above = upper[order[np.searchsorted(lower[order], np.arange(len(numbers)))]]
            above = np.where(above > 0, above, self._next + np.arange(len(numbers)))
            coarse[inside] = above[place]
        is_part = inside & (fine > 0)
        parts = np.zeros(len(fine), np.int64)
        within = fine[is_part] * (int(medium.max(initial=0)) + 1) + medium[is_part]
        parts[is_part] = 1 + np.unique(within, return_inverse=True)[1]
        return LevelLabels(_drop_small(coarse), medium, _drop_small(parts))


def _drop_small(labels: Ints) -> Ints:
    """Return labels with 0 for clusters of fewer than MIN_CLUSTER_SIZE items."""
    return np.where(np.bincount(labels)[labels] >= MIN_CLUSTER_SIZE, labels, 0) if len(labels) else labels
