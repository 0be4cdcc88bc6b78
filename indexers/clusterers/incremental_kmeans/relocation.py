"""Moves of clusters to where they are needed: some are split, and for each of these splits two others are merged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, sort_unique
from indexers.clusterers.incremental_kmeans.centres import MEMORY, Centres, Reservoir, Rows
from indexers.clusterers.incremental_kmeans.split_merge import (
    MIN_ROWS,
    Merges,
    find_cheapest_merges,
    find_nearest,
    split_in_halves,
    split_into_parts,
)

MAX_SPLITS = 128
"""The largest number of splits that are tried in one batch."""
MORE_SPLITS = 4
"""Each split that succeeds allows this many in the next batch."""
QUIET = 4
"""While nothing moves, one split is tried in every fourth batch."""
LARGE = 4
"""A cluster with this many times the usual number of rows is split into more than two parts."""
REST = 2
"""The number of batches for which a cluster that could not be split is left alone."""
MERGE_CANDIDATES = 256
"""The number of clusters, those with the fewest rows, whose cheapest merge is computed in one batch."""
TRIED_SHARE, MIN_TRIED = 1 / 400, 128
"""The number of rows by which splits are tried in one batch, per row of the batch and per cluster: a fraction of the
cost of assigning the batch. And the least number."""
MEMBERS = 64
"""The largest number of rows of one cluster by which its split is tried."""
REPEATS = 4
"""The number of times that halves are split again in a thorough run."""
AT_ONCE = 2048
"""The number of rows that are tried at the same time: they fit into the processor's cache."""
MARGIN = 1.1
"""A split must gain this many times the cost of the merge."""


class Relocation:
    """The search for splits and merges.

    n_moved: the splits that the last batch brought.
    resting: int64 (k,), the number of batches for which each cluster is still left alone.
    """

    def __init__(self, centres: Centres, reservoir: Reservoir) -> None:
        self.centres, self.reservoir = centres, reservoir
        self.resting = NO_INTS
        self.max_splits, self.n_batches, self.n_moved = MAX_SPLITS, 0, 0

    def notice_arrivals(self, labels: Ints) -> None:
        """Wake clusters that take far more of a batch than their share of the sample: something new arrives there."""
        if len(self.reservoir):
            arrived = np.bincount(labels, minlength=len(self.centres))
            share = self._count_members() * (len(labels) / len(self.reservoir))
            flooded = np.flatnonzero(arrived > 3 * share + 8)
            self.resting = self.get_resting()
            self.resting[flooded] = 0
            self.max_splits = min(max(self.max_splits, 2 * len(flooded)), MAX_SPLITS)

    def get_resting(self) -> Ints:
        """Return the number of batches that each cluster has still to rest, (k,); 0 for clusters added since."""
        return np.append(self.resting, np.zeros(len(self.centres) - len(self.resting), np.int64))

    def run(self, target: int, batch_size: int) -> None:
        """Split clusters after a batch where that gains most, and merge equally many others, except for those that are
        missing from the `target` number. Halves are split again while there are rows left to try it with."""
        self.n_moved = 0
        self.n_batches += 1
        if not self.max_splits and self.n_batches % QUIET == 0:
            self.max_splits = 1
        max_splits, n_tried = self.max_splits, 0
        rows_left = max(round(TRIED_SHARE * batch_size * len(self.centres)), MIN_TRIED)
        self.resting = np.maximum(self.get_resting() - 1, 0)
        merges: Merges | None = None
        while n_tried < max(max_splits, target - len(self.centres)) and rows_left > 0:
            loosest, looseness = self._find_loosest(max(max_splits - n_tried, target - len(self.centres)))
            rows_needed = np.cumsum(np.minimum(self._count_members()[loosest], MEMBERS))
            loosest = loosest[: int(np.searchsorted(rows_needed, rows_left)) + 1]
            merges = self._find_merges(loosest, max_splits) if merges is None else merges.exclude(loosest)
            missing = target - len(self.centres)
            changed = self._split(loosest, looseness[: len(loosest)], missing, merges, MEMBERS)
            if not len(changed):
                break
            merges = merges.exclude(changed)
            n_tried, rows_left = n_tried + len(loosest), rows_left - int(rows_needed[len(loosest) - 1])
        self.max_splits = min(MORE_SPLITS * self.n_moved, MAX_SPLITS)

    def run_thoroughly(self, target: int) -> None:
        """Split and merge as `run` does, but among all clusters and at any cost."""
        self.n_moved, self.max_splits = 0, MAX_SPLITS
        self.resting = np.maximum(self.get_resting() - 1, 0)
        self._split_large()
        for _ in range(REPEATS):
            before = self.n_moved
            loosest, looseness = self._find_loosest(len(self.centres))
            merges = self._find_merges(loosest, len(self.centres), len(self.centres))
            self._split(loosest, looseness, target - len(self.centres), merges, 4 * MEMBERS)
            if self.n_moved == before:
                break

    def _count_members(self) -> Ints:
        return self.reservoir.count_members(len(self.centres))

    def _split_large(self) -> None:
        """Split clusters with far more rows than others into as many as they should be: if many groups are equally far
        from each other, two halves gain little."""
        count = self._count_members()
        usual = max(len(self.reservoir) / len(count), MIN_ROWS / 2)
        large = np.flatnonzero(count >= LARGE * usual)
        large = large[np.argsort(-count[large], kind="stable")]
        if not len(large):
            return
        merges = self._find_merges(large, len(count), len(count))
        for cluster, members in zip(large.tolist(), self.reservoir.draw_members(large, len(count)), strict=True):
            parts = min(int(len(members) / usual), len(merges.cost) + 1)
            if parts < LARGE:
                break
            centres, gain = split_into_parts(self.reservoir.rows[members], parts, self.reservoir.random)
            if gain <= MARGIN * float(merges.cost[: parts - 1].sum()):
                continue
            keep, drop = merges.keep[: parts - 1], merges.drop[: parts - 1]
            self._merge(keep, drop)
            self._distribute(np.append(cluster, drop), members, centres)
            self.n_moved += parts - 1
            merges = merges.exclude(np.concatenate([keep, drop]))

    def _distribute(self, clusters: Ints, members: Ints, centres: Rows) -> None:
        """Assign members to the nearest of the new centres; the largest part goes to the first cluster."""
        rows = self.reservoir.rows[members]
        labels = find_nearest(rows, centres)[0]
        order = np.argsort(-np.bincount(labels, minlength=len(centres)), kind="stable")
        for cluster, part in zip(clusters.tolist(), order.tolist(), strict=True):
            is_member = labels == part
            count = int(np.count_nonzero(is_member))
            self.centres.rows[cluster] = rows[is_member].mean(0) if count else centres[part]
            self.centres.weight[cluster] = max(count, 1)
            self.reservoir.label[members[is_member]] = cluster
        self.resting[clusters] = 0

    def _find_loosest(self, limit: int) -> tuple[Ints, NDArray[np.float64]]:
        """Find the clusters with the largest sums of squared distances, and these sums: the mean squared distance of
        unit rows to their mean is 1 - |mean|^2. A cluster that is split is not merged, so three in four are left to be
        merged."""
        rows, count = self.centres.rows, self._count_members()
        looseness = np.maximum(1 - np.einsum("ij,ij->i", rows, rows, dtype=np.float64), 0) * count
        looseness[(self.resting > 0) | (count < MIN_ROWS)] = 0
        loosest = np.argsort(-looseness, kind="stable")[: min(limit, -(-len(count) // 4))]
        loosest = loosest[looseness[loosest] > 0]
        return loosest, looseness[loosest]

    def _find_merges(self, excluded: Ints, limit: int, n_candidates: int = MERGE_CANDIDATES) -> Merges:
        """Find the cheapest merges of the clusters with the fewest rows, without the clusters that may be split."""
        count = self._count_members()
        candidates = np.setdiff1d(np.arange(len(count)), excluded)
        if len(candidates) > n_candidates:
            candidates = np.sort(candidates[np.argpartition(count[candidates], n_candidates)[:n_candidates]])
        return find_cheapest_merges(self.centres.rows, count, candidates, excluded, limit)

    def _split(
        self, loosest: Ints, looseness: NDArray[np.float64], missing: int, merges: Merges, max_members: int
    ) -> Ints:
        """Split the clusters for which it gains more than a merge costs, the greatest gain first. For as many as are
        `missing`, nothing has to be merged. Return the clusters that changed."""
        missing = max(missing, 0)
        cost = np.concatenate([np.zeros(missing), merges.cost])[: len(loosest)]
        loosest = loosest[: len(cost)][looseness[: len(cost)] > MARGIN * cost]
        if not len(loosest):
            return NO_INTS
        count = self._count_members()[loosest]
        members = self.reservoir.draw_members(loosest, len(self.centres))
        centres, gain = self._try_halves(members, max_members)
        gain *= count
        order = np.argsort(-gain, kind="stable")
        pays = gain[order] > MARGIN * cost[: len(order)]
        self.resting[loosest[order[~pays]]] = REST
        chosen = order[pays]
        n_merges = max(len(chosen) - missing, 0)
        self._merge(merges.keep[:n_merges], merges.drop[:n_merges])
        new = np.concatenate([self._add_centres(len(chosen) - n_merges), merges.drop[:n_merges]])
        for place, second in zip(chosen.tolist(), new.tolist(), strict=True):
            self._halve(int(loosest[place]), second, members[place], centres[place])
        self.n_moved += len(chosen)
        return np.concatenate([loosest[chosen], new, merges.keep[:n_merges]])

    def _try_halves(self, members: list[Ints], max_members: int) -> tuple[Rows, NDArray[np.float64]]:
        """Compute two centres for each cluster, (m, 2, d), and the gain per row, (m,), from at most `max_members` rows
        of each cluster."""
        length = np.minimum([len(rows) for rows in members], max_members)
        centres, gain = np.empty((len(members), 2, self.centres.rows.shape[1]), np.float32), np.empty(len(members))
        order, start = np.argsort(-length, kind="stable"), 0
        while start < len(order):
            width = int(length[order[start]])
            block = order[start : start + max(AT_ONCE // width, 1)]
            rows = np.stack([members[place][np.arange(width) % length[place]] for place in block.tolist()])
            halves = split_in_halves(self.reservoir.rows[rows], np.arange(width) < length[block, None])
            centres[block], gain[block] = halves.centres, halves.gain
            start += len(block)
        return centres, gain

    def _merge(self, keep: Ints, drop: Ints) -> None:
        """Merge each cluster of `drop` into that of `keep`. The dropped places get new ids and are free for use."""
        centres, reservoir = self.centres, self.reservoir
        if not len(drop):
            return
        count = self._count_members().astype(np.float32)
        merged = sort_unique(keep)
        sums = centres.rows[merged] * count[merged, None]
        np.add.at(sums, np.searchsorted(merged, keep), centres.rows[drop] * count[drop, None])
        total = count.copy()
        np.add.at(total, keep, count[drop])
        is_filled = total[merged] > 0
        centres.rows[merged[is_filled]] = sums[is_filled] / total[merged[is_filled], None]
        np.add.at(centres.weight, keep, centres.weight[drop])
        centres.weight[merged] = np.minimum(centres.weight[merged], MEMORY)
        now = np.arange(len(centres))
        now[drop] = keep
        reservoir.label = now[reservoir.label]
        centres.ids[drop] = centres.create_ids(len(drop))

    def _add_centres(self, count: int) -> Ints:
        """Add centres at zero. Return their places."""
        self.centres.add(np.zeros((count, self.centres.rows.shape[1]), np.float32))
        self.resting = np.append(self.resting, np.zeros(count, np.int64))
        return np.arange(len(self.centres) - count, len(self.centres))

    def _halve(self, first: int, second: int, members: Ints, centres: Rows) -> None:
        """Divide the members of cluster `first` between it and `second`; the larger half stays in `first`."""
        rows = self.reservoir.rows[members]
        squared_length = np.einsum("ij,ij->i", centres, centres)
        in_second = rows @ (centres[1] - centres[0]) > (squared_length[1] - squared_length[0]) / 2
        if 2 * np.count_nonzero(in_second) > len(in_second):
            in_second, centres = ~in_second, centres[::-1]
        for cluster, is_member, centre in ((first, ~in_second, centres[0]), (second, in_second, centres[1])):
            count = int(np.count_nonzero(is_member))
            self.centres.rows[cluster] = is_member.astype(np.float32) @ rows / count if count else centre
            self.centres.weight[cluster] = max(count, 1)
        self.reservoir.label[members[in_second]] = second
        self.resting[second] = 0
