"""Which nodes are nearest: how the lists of a neighbour graph become right after nodes have come and gone.

Up to EXACT nodes the lists are exact after every update, and so depend on the vectors alone, not on the order in which
they came. New nodes are compared with all others in one matrix product, which tells their own neighbours and into whose
lists they come; a list that has lost its spare entries is made again likewise. Only if more than FILL nodes come at
once, they search in the index, which may miss some where nodes lie far apart: these lists are made again, those of the
least similar neighbours first, until hardly any is wrong, and the others in turn, some in each update.

Beyond EXACT nodes, all search in the index. New nodes are offered to those that they find, and to those that list what
they find; and in each update the lists that were made longest ago are made again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints
from indexers.tree.neighbour_lists import Fingerprints, NeighbourLists
from indexers.tree.rounded_vectors import RoundedVectors
from indexers.types import Ids, Vectors

EXACT = 100_000
"""Nodes up to which all lists are exact: a new one costs 1.2 ms of a core there, with 512 dimensions."""
FILL = 30_000
"""New nodes up to which they are compared with all others: for more, an index is quicker."""
QUERIES = 512
"""Nodes that are compared with all others at once."""
WIDE_SEARCH, NARROW_SEARCH = 64, 24
"""Neighbours searched for in an index: wide for a few new nodes among many, which may enter lists of nodes far down
their own list; narrow if most nodes are searched for."""
WAITING = 100
"""Offers for each query that wait for each other: lists take them together. Meanwhile, more is offered than need be."""
HEAD = 512
"""Rows of the first block that tell how near a node must be at least to be among the nearest of a query."""
GROWTH = 4
"""By this factor more is searched for if items of identical vectors fill the result."""
NEW_PER_AGAIN = 4
"""Lists that may be wrong are made again in each update: one for so many new nodes, one at least."""
FEW_QUERIES = 4
"""Vectors up to which several products of a matrix and one of them are quicker than one of two matrices."""
SEARCHED_AGAIN, SEARCHES_AGAIN = 8, 3
"""Lists that are made again in each update beyond EXACT: at least so many, and so many for each new node. When dense
groups came into a sparse set, .966 of the places were right without, .983 with one and .991 with three. A list costs
1 ms there: a hundred of them would be most of an update of one item."""
WRONG = 0.0005
"""Lists of a fill are made again until no more than this share of their places turns out wrong."""
OFFERS = 4096
"""New nodes that are offered at once to those that list their neighbours."""

FindNeighbours = Callable[[Ids, int], tuple[Ids, Vectors]]
"""Item ids (n,) and a count -> the nearest items of each, int64 (n, count), -1 where there are no more, and their
similarities, float32."""


class NeighbourSearch:
    """The search of one update.

    lists, fingerprints: of the graph's nodes, by slot. item: int64, an item of each node, -1 where there is none.
    slot: int32, the slot of each item. vectors: of all items.
    """

    def __init__(
        self,
        lists: NeighbourLists,
        item: Ids,
        slot: NDArray[np.int32],
        fingerprints: Fingerprints,
        vectors: RoundedVectors,
    ) -> None:
        self.lists, self.item, self.slot, self.fingerprints, self.vectors = lists, item, slot, fingerprints, vectors

    # ---- comparing with all nodes

    def compare(self, fresh: Ids, present: Ids, again: Ids = NO_INTS) -> None:
        """Make the lists of fresh nodes, let them enter those of all others, which are `present`, and make the lists of
        some of these, `again`, anew."""
        self.lists.clear(again)
        for chunk in _split(np.concatenate([fresh, again]), QUERIES):
            new, fresh = fresh[: len(chunk)], fresh[len(chunk) :]
            last = self.lists.find_last(present, len(present) - 1, self.fingerprints) if len(new) else None
            present = np.concatenate([present, new])
            self._compare(chunk, present, last, len(new))

    def look_again_while_wrong(self, slots: Ids, present: Ids) -> Ids:
        """Make the lists of the least similar neighbours again until hardly any is wrong; return those of which nodes.

        An index misses neighbours where nodes lie far apart: of 12,000 pictures of Fashion-MNIST, half of the places
        that hnswlib got wrong were in the hundredth of all lists whose neighbours are least similar.
        """
        k = self.lists.k
        order = slots[np.argsort(self.lists.similarity[slots, k - 1], kind="stable")]
        for number, chunk in enumerate(_split(order, QUERIES), 1):
            before = self.lists.near[chunk, :k]
            last = self.lists.find_last(present, len(present) - 1, self.fingerprints)
            self._compare(chunk, present, last, len(chunk))
            if np.mean(before != self.lists.near[chunk, :k]) <= WRONG:
                return order[: number * QUERIES]
        return order

    def _compare(
        self, queries: Ids, present: Ids, last: tuple[Vectors, Fingerprints] | None, offered_count: int
    ) -> None:
        """Offer all nodes to the queries, and the first queries to those of whose lists the last entries are given.

        last: the similarities and fingerprints of `find_last`, for the first ones of `present`. offered_count: how many
        of the queries are offered.
        """
        product = self.vectors.float
        columns = self.vectors.take(self.item[queries]).astype(product).T
        if last is not None:  # those of the queries that are present now take nothing this way
            bounds = np.append(last[0], np.full(len(present) - len(last[0]), np.float32(np.inf)))
            keys = np.append(last[1], self.fingerprints[present[len(last[1]) :]])
        offers: list[tuple[Ids, Ids, Vectors]] = []
        waiting = 0
        for places, rows in self.vectors.blocks(self.item[present]):
            similarity = _multiply(rows.astype(product), columns).astype(np.float32, copy=False)
            slots = present[places]
            offers.append(self._offer_to_queries(queries, slots, similarity))
            waiting += len(offers[-1][0])
            if last is not None:
                row, column = _find_true(similarity[:, :offered_count] >= bounds[places][:, None])
                value, place = similarity[row, column], places[row]
                # (-inf is below every similarity: such a list has no last entry that matters)
                owner, offered = slots[row], queries[column]
                is_before = (value > bounds[place]) | (self.fingerprints[offered] < keys[place])
                is_before &= owner != offered
                offers.append((owner[is_before], offered[is_before], value[is_before]))
            if waiting > WAITING * len(queries):
                self._merge(offers)
                offers, waiting = [], 0
        self._merge(offers)

    def _merge(self, offers: list[tuple[Ids, Ids, Vectors]]) -> None:
        """Let lists take what is offered to them: owners, offered nodes, similarities."""
        if offers:
            owner, offered, similarity = (np.concatenate(parts) for parts in zip(*offers, strict=True))
            self.lists.merge(owner, offered, similarity, self.fingerprints)

    def _offer_to_queries(self, queries: Ids, slots: Ids, similarity: Vectors) -> tuple[Ids, Ids, Vectors]:
        """Return the rows that may be among the nearest of the queries (columns): owner, offered, similarity."""
        width = self.lists.width
        least = self.lists.similarity[queries, width - 1]
        head = similarity[:HEAD]
        if len(head) > width and not np.isfinite(least).all():
            last = len(head) - width - 1  # one more than a list holds, since a query may meet itself
            least = np.maximum(least, np.partition(head, last, axis=0)[last])
        row, column = _find_true(similarity >= least)
        is_other = slots[row] != queries[column]
        row, column = row[is_other], column[is_other]
        return queries[column], slots[row], similarity[row, column]

    # ---- searching in an index

    def search(self, slots: Ids, find_neighbours: FindNeighbours, count: int, other_count: int) -> None:
        """Make lists by searches in an index, and offer each node to those that it finds.

        count: the neighbours to search for. other_count: the number of nodes besides the owner of a list.
        """
        short, offers = slots, [(slots[:0], slots[:0], np.empty(0, np.float32))]
        while len(short):
            owner, near = self._find_nodes(short, find_neighbours, count)
            similarity = self.vectors.multiply_pairs(self.item[owner], self.item[near])
            self.lists.merge(owner, near, similarity, self.fingerprints)
            offers.append((near, owner, similarity))
            if count >= len(self.slot):
                break
            is_lacking = self.lists.lengths(short) < min(self.lists.k, other_count)
            short, count = short[is_lacking], count * GROWTH
        owner, offered, similarity = (np.concatenate(parts) for parts in zip(*offers, strict=True))
        self._offer(owner, offered, similarity, other_count)

    def offer_to_reverse_neighbours(self, slots: Ids, present: Ids, other_count: int) -> None:
        """Offer nodes to those that list one of their neighbours: whoever lies near these may lie near the nodes."""
        for chunk in _split(slots, OFFERS):
            near = self.lists.near[chunk]
            source, column = np.nonzero(near >= 0)
            target = near[source, column].astype(np.int64)
            order = np.argsort(target, kind="stable")
            target, source = target[order], chunk[source[order]]
            is_target = np.zeros(len(self.item) + 1, bool)  # the last: of no neighbour, which is -1
            is_target[target] = True
            owner, column = _find_true(is_target[self.lists.near])
            is_present = np.zeros(len(self.item), bool)
            is_present[present] = True
            owner, column = owner[is_present[owner]], column[is_present[owner]]
            common = self.lists.near[owner, column]
            start = np.searchsorted(target, common)
            length = np.searchsorted(target, common, side="right") - start
            ends = np.cumsum(length)
            place = np.repeat(start - (ends - length), length) + np.arange(int(ends[-1]) if len(ends) else 0)
            pair = np.unique(np.repeat(owner, length) * len(self.item) + source[place])
            owner, offered = pair // len(self.item), pair % len(self.item)
            owner, offered = owner[owner != offered], offered[owner != offered]
            self._offer(owner, offered, self.vectors.multiply_pairs(self.item[owner], self.item[offered]), other_count)

    def _find_nodes(self, slots: Ids, find_neighbours: FindNeighbours, count: int) -> tuple[Ints, Ints]:
        """Search for other nodes near these; return of each result the node that it was found for, and its slot."""
        ids, _ = find_neighbours(self.item[slots], count + 1)
        owner, column = np.nonzero((ids >= 0) & (ids < len(self.slot)))
        near = self.slot[ids[owner, column]].astype(np.int64)
        is_other = (near >= 0) & (near != slots[owner])
        return slots[owner[is_other]], near[is_other]

    def _offer(self, owner: Ids, offered: Ids, similarity: Vectors, other_count: int) -> None:
        """Let nodes enter lists in which they come before the last entry."""
        least, key = self.lists.find_last(owner, other_count, self.fingerprints)
        is_before = (similarity > least) | ((similarity == least) & (self.fingerprints[offered] < key))
        self.lists.merge(owner[is_before], offered[is_before], similarity[is_before], self.fingerprints)


def _split(slots: Ids, size: int) -> list[Ids]:
    return [slots[start : start + size] for start in range(0, len(slots), size)]


def _multiply(rows: NDArray[np.floating], columns: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the products of matrices of whole numbers, which are the same in any order of summing."""
    if columns.shape[1] > FEW_QUERIES:
        return np.asarray(rows @ columns)
    return np.stack([rows @ column for column in columns.T], axis=1)


def _find_true(cells: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the rows and columns of true cells; np.nonzero takes longer."""
    place = np.flatnonzero(cells)
    return place // cells.shape[1], place % cells.shape[1]
