"""What was said to belong together or apart so far, while corrections are replayed: later ones keep to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, sort_unique
from indexers.types import LEVELS

MEDIUM = LEVELS.index("medium")


class Bonds:
    """Items by their places among `count`.

    number: int64 (count,), the bond of each item, above 0; 0 where it has none. Items of one bond belong together.
    """

    def __init__(self, count: int) -> None:
        self.number = np.zeros(count, np.int64)
        self._made = 0
        # of groups that belong apart: each item, which groups they are, its group's number in them, and their level
        self._apart = np.empty((4, 0), np.int64)
        self._said = 0

    def bind(self, places: Ints) -> None:
        """Bind items to each other, and to what each is bound to.

        They leave a bond to what belongs apart from one of them: what was said later holds.
        """
        torn = self.number[self.find_partners(places, MEDIUM)]
        self.number[places[np.isin(self.number[places], torn)]] = 0
        self._made += 1
        self.number[self.follow(places)] = self._made

    def follow(self, places: Ints) -> Ints:
        """Return items, and after them all that is bound to them."""
        numbers = sort_unique(self.number[places])
        if not len(numbers) or not numbers[-1]:
            return places
        bound = np.flatnonzero(np.isin(self.number, numbers[numbers > 0]))
        return np.concatenate([places, np.setdiff1d(bound, places)])

    def part(self, groups: Sequence[Ints], column: int, labels: Ints) -> None:
        """Keep groups apart on the level of this number and finer ones.

        Bonds between items of several of them are cut where labels, by item, differ.
        """
        number = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        places = np.concatenate(groups)
        said = np.full((2, len(places)), [[self._said], [column]])
        self._apart = np.concatenate([self._apart, [places, said[0], number, said[1]]], axis=1)
        self._said += 1
        torn = self._find_torn(places, number)
        if not len(torn):
            return
        bound = np.flatnonzero(np.isin(self.number, torn))
        pairs = np.stack([self.number[bound], labels[bound]])
        self.number[bound] = self._made + 1 + np.unique(pairs, axis=1, return_inverse=True)[1].ravel()
        self._made += len(bound)

    def find_partners(self, places: Ints, column: int) -> Ints:
        """Return the items that belong apart from any of these on a level, and are not among them."""
        is_asked = np.zeros(len(self.number), bool)
        is_asked[places] = True
        item, said, group, level = self._apart
        own = is_asked[item] & (level <= column)
        if not own.any():
            return NO_INTS
        width = int(group.max()) + 1
        pairs = said * width + group
        is_other = np.isin(said, said[own]) & ~np.isin(pairs, pairs[own]) & ~is_asked[item]
        return item[is_other]

    def keep_whole(self, owner: Ints, places: Ints, groups: Sequence[Ints]) -> None:
        """Let bound items go with one group, if they are bound to items of no other: theirs, or that of most of them.

        owner: int64, the number of the group that each of the items at `places` goes with; changed.
        """
        number = self.number[places]
        bound = np.flatnonzero(number > 0)
        if not len(bound):
            return
        named = np.full(len(self.number), -1)
        for place, group in enumerate(groups):
            named[group] = place
        numbers, which = np.unique(number[bound], return_inverse=True)
        votes: NDArray[np.int64] = np.zeros((len(numbers), len(groups)), np.int64)
        np.add.at(votes, (which, owner[bound]), 1)
        of = named[places[bound]]
        is_named = np.zeros(votes.shape, bool)
        is_named[which[of >= 0], of[of >= 0]] = True
        theirs = np.where(is_named.any(1), is_named.argmax(1), votes.argmax(1))
        is_whole = is_named.sum(1) <= 1
        owner[bound[is_whole[which]]] = theirs[which[is_whole[which]]]

    def _find_torn(self, places: Ints, number: Ints) -> Ints:
        """Return the bonds between items of several groups. number: the group of each of the items."""
        pairs = np.unique(np.stack([self.number[places], number]), axis=1)[0]
        bonds, counts = np.unique(pairs[pairs > 0], return_counts=True)
        return bonds[counts > 1]
