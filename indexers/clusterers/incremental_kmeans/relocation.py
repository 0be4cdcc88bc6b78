"""Clusters move to where they are needed: some are split, and for each of them two others are merged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NONE, Ints, distinct
from indexers.clusterers.incremental_kmeans.centres import MEMORY, Centres, Reservoir, Rows
from indexers.clusterers.incremental_kmeans.split_merge import (
    FEWEST,
    Merges,
    cheapest_merges,
    halves,
    nearest_of,
    parted,
)

MOVES = 128
"""Splits that are tried in one batch at most."""
MORE = 4
"""One that succeeds allows so many in the next batch."""
QUIET = 4
"""Where nothing moved, a split is tried in every fourth batch."""
LARGE = 4
"""A cluster of as many times the usual rows is split in more than two."""
REST = 2
"""Batches for which a cluster that could not be split is left alone."""
LOOKED_AT = 256
"""Clusters for which the cheapest merge is looked for in one batch: those of the fewest rows."""
TRIED, LEAST = 1 / 400, 128
"""Rows by which splits are tried in one batch, for each row of the batch and each cluster: a part of what it takes to
find the nearest cluster of every row. And at least."""
MEMBERS = 64
"""Of one cluster, at most."""
AGAIN = 4
"""Halves are split again as often where it may cost what it costs."""
AT_ONCE = 2048
"""Rows that are tried at the same time: they fit the processor's cache."""
EASE = 1.1
"""A split must gain as many times what a merge costs."""


class Relocation:
    """moved: splits that the last batch brought. resting: int64 (k,), batches for which a cluster is left alone."""

    def __init__(self, centres: Centres, sample: Reservoir) -> None:
        self.centres, self.sample = centres, sample
        self.resting = NONE
        self.tries, self.batches, self.moved = MOVES, 0, 0

    def notice(self, label: Ints) -> None:
        """A cluster that takes far more of a batch than its share of the sample is where something new arrives."""
        if len(self.sample):
            came = np.bincount(label, minlength=len(self.centres))
            share = self.sample.counts(len(self.centres)) * (len(label) / len(self.sample))
            flooded = np.flatnonzero(came > 3 * share + 8)
            self.resting = self.rested()
            self.resting[flooded] = 0
            self.tries = min(max(self.tries, 2 * len(flooded)), MOVES)

    def rested(self) -> Ints:
        """How long each cluster has still to rest, (k,)."""
        return np.append(self.resting, np.zeros(len(self.centres) - len(self.resting), np.int64))

    def run(self, wanted: int, batch: int) -> None:
        """After a batch of so many rows: split where that gains most; merge as many, but for the clusters that are
        missing from `wanted`. Halves are split again as long as there are rows left to try it with."""
        self.moved = 0
        self.batches += 1
        if not self.tries and self.batches % QUIET == 0:
            self.tries = 1
        most, tried, rows = self.tries, 0, max(round(TRIED * batch * len(self.centres)), LEAST)
        self.resting = np.maximum(self.rested() - 1, 0)
        merges: Merges | None = None
        while tried < max(most, wanted - len(self.centres)) and rows > 0:
            loosest, loose = self._loosest(max(most - tried, wanted - len(self.centres)))
            size = np.cumsum(np.minimum(self.sample.counts(len(self.centres))[loosest], MEMBERS))
            loosest = loosest[: int(np.searchsorted(size, rows)) + 1]
            merges = self._merges(loosest, most) if merges is None else merges.without(loosest)
            done = self._split(loosest, loose[: len(loosest)], wanted - len(self.centres), merges, MEMBERS)
            if not len(done):
                break
            merges = merges.without(done)
            tried, rows = tried + len(loosest), rows - int(size[len(loosest) - 1])
        self.tries = min(MORE * self.moved, MOVES)

    def thoroughly(self, wanted: int) -> None:
        """The same, whatever it costs."""
        self.moved, self.tries = 0, MOVES
        self.resting = np.maximum(self.rested() - 1, 0)
        self._burst()
        for _ in range(AGAIN):
            before = self.moved
            loosest, loose = self._loosest(len(self.centres))
            merges = self._merges(loosest, len(self.centres), len(self.centres))
            self._split(loosest, loose, wanted - len(self.centres), merges, 4 * MEMBERS)
            if self.moved == before:
                break

    def _burst(self) -> None:
        """Split clusters that hold far more than others in as many as they should be: where many groups are equally far
        from each other, halves gain little."""
        count = self.sample.counts(len(self.centres))
        usual = max(len(self.sample) / len(count), FEWEST / 2)
        large = np.flatnonzero(count >= LARGE * usual)
        large = large[np.argsort(-count[large], kind="stable")]
        if not len(large):
            return
        merges = self._merges(large, len(count), len(count))
        for cluster, members in zip(large.tolist(), self.sample.members(large, len(count)), strict=True):
            parts = min(int(len(members) / usual), len(merges.cost) + 1)
            if parts < LARGE:
                break
            centres, gain = parted(self.sample.rows[members], parts, self.sample.random)
            if gain <= EASE * float(merges.cost[: parts - 1].sum()):
                continue
            keep, drop = merges.keep[: parts - 1], merges.drop[: parts - 1]
            self._merge(keep, drop)
            self._part(np.append(cluster, drop), members, centres)
            self.moved += parts - 1
            merges = merges.without(np.concatenate([keep, drop]))

    def _part(self, places: Ints, members: Ints, centres: Rows) -> None:
        """Members go to the nearest of the new centres, of which the largest comes first."""
        rows = self.sample.rows[members]
        label = nearest_of(rows, centres)[0]
        order = np.argsort(-np.bincount(label, minlength=len(centres)), kind="stable")
        for place, part in zip(places.tolist(), order.tolist(), strict=True):
            mine = label == part
            number = int(np.count_nonzero(mine))
            self.centres.rows[place] = rows[mine].mean(0) if number else centres[part]
            self.centres.weight[place] = max(number, 1)
            self.sample.label[members[mine]] = place
        self.resting[places] = 0

    def _loosest(self, most: int) -> tuple[Ints, NDArray[np.float64]]:
        """Clusters by the squared distances of their rows: unit rows are 1 - |mean|^2 from their mean. What is split is
        not merged, so that three in four are left to be merged."""
        rows, count = self.centres.rows, self.sample.counts(len(self.centres))
        loose = np.maximum(1 - np.einsum("ij,ij->i", rows, rows, dtype=np.float64), 0) * count
        loose[(self.resting > 0) | (count < FEWEST)] = 0
        found = np.argsort(-loose, kind="stable")[: min(most, -(-len(count) // 4))]
        found = found[loose[found] > 0]
        return found, loose[found]

    def _merges(self, but: Ints, most: int, among: int = LOOKED_AT) -> Merges:
        """The cheapest merges among clusters other than those that may be split."""
        count = self.sample.counts(len(self.centres))
        ones = np.setdiff1d(np.arange(len(count)), but)
        if len(ones) > among:
            ones = np.sort(ones[np.argpartition(count[ones], among)[:among]])
        return cheapest_merges(self.centres.rows, count, ones, but, most)

    def _split(self, loosest: Ints, loose: NDArray[np.float64], missing: int, merges: Merges, most: int) -> Ints:
        """Try to split the clusters, and do it where it gains more than the merges cost, the greatest gain first; for
        as many as are missing nothing has to be merged. The clusters that are no longer what they were."""
        missing = max(missing, 0)
        cost = np.concatenate([np.zeros(missing), merges.cost])[: len(loosest)]
        loosest = loosest[: len(cost)][loose[: len(cost)] > EASE * cost]
        if not len(loosest):
            return NONE
        count = self.sample.counts(len(self.centres))[loosest]
        members = self.sample.members(loosest, len(self.centres))
        centres, gain = self._tried(members, most)
        gain *= count
        order = np.argsort(-gain, kind="stable")
        good = gain[order] > EASE * cost[: len(order)]
        self.resting[loosest[order[~good]]] = REST
        done = order[good]
        merged = max(len(done) - missing, 0)
        self._merge(merges.keep[:merged], merges.drop[:merged])
        new = np.concatenate([self._add(len(done) - merged), merges.drop[:merged]])
        for place, other in zip(done.tolist(), new.tolist(), strict=True):
            self._halve(int(loosest[place]), other, members[place], centres[place])
        self.moved += len(done)
        return np.concatenate([loosest[done], new, merges.keep[:merged]])

    def _tried(self, members: list[Ints], most: int) -> tuple[Rows, NDArray[np.float64]]:
        """Two centres for each cluster, (m, 2, d), and what a row gains by them; by at most so many rows of each."""
        length = np.minimum([len(rows) for rows in members], most)
        centres, gain = np.empty((len(members), 2, self.centres.rows.shape[1]), np.float32), np.empty(len(members))
        order, start = np.argsort(-length, kind="stable"), 0
        while start < len(order):
            wide = int(length[order[start]])
            part = order[start : start + max(AT_ONCE // wide, 1)]
            rows = np.stack([members[place][np.arange(wide) % length[place]] for place in part.tolist()])
            found = halves(self.sample.rows[rows], np.arange(wide) < length[part, None])
            centres[part], gain[part] = found.centres, found.gain
            start += len(part)
        return centres, gain

    def _merge(self, keep: Ints, drop: Ints) -> None:
        """Merge. The places of those that are dropped are free then."""
        centres, sample = self.centres, self.sample
        if not len(drop):
            return
        count = sample.counts(len(centres)).astype(np.float32)
        into = distinct(keep)
        sums = centres.rows[into] * count[into, None]
        np.add.at(sums, np.searchsorted(into, keep), centres.rows[drop] * count[drop, None])
        total = count.copy()
        np.add.at(total, keep, count[drop])
        some = total[into] > 0
        centres.rows[into[some]] = sums[some] / total[into[some], None]
        np.add.at(centres.weight, keep, centres.weight[drop])
        centres.weight[into] = np.minimum(centres.weight[into], MEMORY)
        now = np.arange(len(centres))
        now[drop] = keep
        sample.label = now[sample.label]
        centres.ids[drop] = centres.create_ids(len(drop))

    def _add(self, count: int) -> Ints:
        self.centres.add(np.zeros((count, self.centres.rows.shape[1]), np.float32))
        self.resting = np.append(self.resting, np.zeros(count, np.int64))
        return np.arange(len(self.centres) - count, len(self.centres))

    def _halve(self, one: int, other: int, members: Ints, centres: Rows) -> None:
        """The larger half of the members stays in `one`."""
        rows = self.sample.rows[members]
        length = np.einsum("ij,ij->i", centres, centres)
        second = rows @ (centres[1] - centres[0]) > (length[1] - length[0]) / 2
        if 2 * np.count_nonzero(second) > len(second):
            second, centres = ~second, centres[::-1]
        for cluster, part, centre in ((one, ~second, centres[0]), (other, second, centres[1])):
            number = int(np.count_nonzero(part))
            self.centres.rows[cluster] = part.astype(np.float32) @ rows / number if number else centre
            self.centres.weight[cluster] = max(number, 1)
        self.sample.label[members[second]] = other
        self.resting[other] = 0
