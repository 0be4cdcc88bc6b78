"""Items and the leaves that they lie in: exact copies share a leaf, and edges between items become edges of leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints, contains, grow_array, sort_unique
from indexers.errors import BadVector, UsageError
from indexers.tree.fixed_point import compute_fingerprints, hash_contents, round_vectors
from indexers.tree.nodes import NEVER, Nodes
from indexers.tree.rounds import THRESHOLDS, LeafChanges

LARGEST = 2**31 - 1


@dataclass(frozen=True)
class TreeChange:
    """What a caller brings: see ClusterTree.update."""

    added: Ints
    vectors: NDArray[np.floating]
    removed: Ints
    new_pairs: Ints
    gone_pairs: Ints


class Items:
    """leaf: int32 by item id, -1 where there is no such item. items: ids by leaf. leaves: leaf by fingerprint."""

    def __init__(self) -> None:
        self.leaf = np.full(16, -1, np.int32)
        self.first = np.full(16, -1, np.int32)  # by slot: one item of a leaf
        self.more: dict[int, list[int]] = {}  # the others, where there are any
        self.leaves: dict[int, int] = {}

    def ids(self) -> Ints:
        return np.flatnonzero(self.leaf >= 0)

    def has(self, ids: Ints) -> NDArray[np.bool_]:
        inside = (ids >= 0) & (ids < len(self.leaf))
        inside[inside] = self.leaf[ids[inside]] >= 0
        return inside

    def restore(self, nodes: Nodes, ids: Ints, leaves: Ints) -> None:
        """Fill an empty record from what was kept."""
        self.first = np.full(nodes.capacity, -1, np.int32)
        if len(ids):
            self.leaf = np.full(int(ids.max()) + 1, -1, np.int32)
        self._put(ids, leaves)
        distinct_leaves = sort_unique(leaves)
        self.leaves = dict(zip(nodes.key[distinct_leaves].tolist(), distinct_leaves.tolist(), strict=True))

    def in_leaves(self, leaves: Ints) -> Ints:
        """The items of the given leaves, sorted."""
        found = [self.first[leaves].astype(np.int64)]
        if self.more:
            found += [np.array(self.more[leaf], np.int64) for leaf in leaves.tolist() if leaf in self.more]
        return np.sort(np.concatenate(found))

    def _take(self, ids: Ints) -> None:
        """Items leave their leaves."""
        for item, leaf in zip(ids.tolist(), self.leaf[ids].tolist(), strict=True):
            more = self.more.get(leaf)
            if more is None:
                self.first[leaf] = -1
                continue
            if self.first[leaf] == item:
                self.first[leaf] = more.pop()
            else:
                more.remove(item)
            if not more:
                del self.more[leaf]
        self.leaf[ids] = -1

    def _put(self, ids: Ints, leaves: Ints) -> None:
        """Items enter leaves."""
        _, place = np.unique(leaves, return_index=True)
        alone = place[self.first[leaves[place]] < 0]
        self.first[leaves[alone]] = ids[alone]
        rest = np.ones(len(ids), bool)
        rest[alone] = False
        for item, leaf in zip(ids[rest].tolist(), leaves[rest].tolist(), strict=True):
            self.more.setdefault(leaf, []).append(item)
        self.leaf[ids] = leaves

    def _move(self, before: Ints, after: Ints) -> None:
        """All items of a leaf are now in another."""
        for old, new in zip(before.tolist(), after.tolist(), strict=True):
            if self.first[old] < 0:
                continue
            items = [int(self.first[old]), *self.more.get(old, [])]
            self.leaf[items] = new
            self.first[new], self.first[old] = self.first[old], -1
            if old in self.more:
                self.more[new] = self.more.pop(old)


def check_change(items: Items, dimension: int, change: TreeChange) -> None:
    """Refuse what can't be done before anything is done."""
    added, removed = change.added, change.removed
    if change.vectors.shape != (len(added), dimension):
        raise BadVector(
            f"the vectors' shape is {change.vectors.shape}; {len(added)} items of {dimension} dimensions need "
            f"{(len(added), dimension)}"
        )
    if not np.isfinite(change.vectors).all():
        raise BadVector("a vector holds NaN or infinity; leave its item out")
    if len(added) and (added.min() < 0 or added.max() > LARGEST):
        raise UsageError(f"the item id {added.min() if added.min() < 0 else added.max()} is not within 0 .. {LARGEST}")
    for what, ids in (("added", added), ("removed", removed)):
        if len(sort_unique(ids)) < len(ids):
            raise UsageError(f"an item is {what} twice in one update; name it once")
    unknown = removed[~items.has(removed)]
    if len(unknown):
        raise UsageError(f"item {unknown[0]} is to be removed and is not in the tree")
    for what, pairs, fine in (
        ("new", change.new_pairs, _after(items, change)),
        ("gone", change.gone_pairs, items.has(change.gone_pairs.ravel())),
    ):
        if not fine.all():
            raise UsageError(f"a {what} pair names item {pairs.ravel()[~fine][0]}, which is not in the tree")


def _after(items: Items, change: TreeChange) -> NDArray[np.bool_]:
    ids = change.new_pairs.ravel()
    kept = items.has(ids) & ~contains(np.sort(change.removed), ids)
    return kept | contains(np.sort(change.added), ids)


def apply_change(nodes: Nodes, items: Items, change: TreeChange) -> LeafChanges:
    """Bring items, leaves and their edges up to date. Raises UsageError before anything is written if an edge is said
    to vanish that is not there, or one of an item that goes is not said to vanish."""
    added = change.added
    leaving = sort_unique(np.concatenate([change.removed, added[items.has(added)]]))
    vectors = round_vectors(change.vectors)
    prints = compute_fingerprints(vectors)
    entered = np.array([items.leaves.get(value, -1) for value in prints.tolist()], np.int64)
    # Leaves whose number of items changes are other leaves from now on.
    met, moves = _counted(items.leaf[leaving].astype(np.int64), entered[entered >= 0])
    before, moves = met[moves != 0], moves[moves != 0]
    copies = nodes.size[before] + moves
    gone_pairs = items.leaf[change.gone_pairs].astype(np.int64).reshape(-1, 2)
    gone_pairs = gone_pairs[gone_pairs[:, 0] != gone_pairs[:, 1]]
    beside = nodes.near.get(before)[1]
    direct = sort_unique(gone_pairs.ravel())
    owners = sort_unique(np.concatenate([direct, before, beside]))
    owner, near = _without(nodes, owners, gone_pairs, before[copies == 0])

    # From here on things are written.
    fresh_prints, first, fresh_of = np.unique(prints[entered < 0], return_index=True, return_inverse=True)
    slots = nodes.allocate(int(np.count_nonzero(copies)) + len(fresh_prints))
    if len(items.first) < nodes.capacity:
        items.first = grow_array(items.first, nodes.capacity, -1)
    after = np.full(len(before), -1)
    after[copies > 0] = slots[: len(slots) - len(fresh_prints)]
    fresh = slots[len(slots) - len(fresh_prints) :]
    stays = copies > 0
    rows = nodes.sums.get(nodes.row[before[stays]], "i8") // nodes.size[before[stays]][:, None]
    _new_leaves(nodes, after[stays], nodes.key[before[stays]], copies[stays], rows, np.arange(len(rows)))
    alone = np.flatnonzero(entered < 0)[first]
    _new_leaves(nodes, fresh, fresh_prints, np.bincount(fresh_of, minlength=len(fresh)), vectors, alone)
    for old_key, new in zip(nodes.key[before].tolist(), after.tolist(), strict=True):
        if new < 0:
            del items.leaves[old_key]
        else:
            items.leaves[old_key] = new
    items.leaves.update(zip(fresh_prints.tolist(), fresh.tolist(), strict=True))
    if len(added) and added.max() >= len(items.leaf):
        items.leaf = grow_array(items.leaf, int(added.max()) * 9 // 8 + 16, -1)
    items._take(leaving)
    items._move(before, after)
    target = np.empty(len(added), np.int64)
    target[entered < 0] = fresh[fresh_of]
    target[entered >= 0] = _mapped(before, after, entered[entered >= 0])
    items._put(added, target)
    nodes.new.birth[before], nodes.new.death[before] = NEVER, -1

    new_pairs = items.leaf[change.new_pairs].astype(np.int64).reshape(-1, 2)
    new_pairs = new_pairs[new_pairs[:, 0] != new_pairs[:, 1]]
    dirty = np.sort(np.concatenate([after[stays], fresh]))
    _write_edges(
        nodes, _mapped(before, after, owners), _mapped(before, after, owner), _mapped(before, after, near), new_pairs
    )
    ends = sort_unique(np.concatenate([direct[~contains(before, direct)], new_pairs.ravel()]))
    return LeafChanges(
        dirty,
        before,
        ends[~contains(dirty, ends)],
        new_pairs[~contains(dirty, new_pairs.ravel()).reshape(-1, 2).any(1)],
        gone_pairs[~contains(before, gone_pairs.ravel()).reshape(-1, 2).any(1)],
    )


def _counted(lost: Ints, won: Ints) -> tuple[Ints, Ints]:
    leaves, place = np.unique(np.concatenate([lost, won]), return_inverse=True)
    signs = np.concatenate([np.full(len(lost), -1), np.full(len(won), 1)])
    return leaves, np.bincount(place, signs, len(leaves)).astype(np.int64)


def _mapped(before: Ints, after: Ints, slots: Ints) -> Ints:
    if not len(before):
        return slots
    place = np.minimum(np.searchsorted(before, slots), len(before) - 1)
    return np.where(before[place] == slots, after[place], slots)


def _without(nodes: Nodes, owners: Ints, gone: Ints, dying: Ints) -> tuple[Ints, Ints]:
    """The lists of the owners without the vanished edges: owner and neighbour."""
    owner, near = nodes.near.get(owners)
    listed = np.sort(owners[owner] * nodes.capacity + near)
    both = np.concatenate([gone, gone[:, ::-1]])
    wanted = np.sort(both[:, 0] * nodes.capacity + both[:, 1])
    # The i-th mention of an edge takes away its i-th place in the list.
    mention = np.arange(len(wanted)) - np.searchsorted(wanted, wanted)
    place = np.searchsorted(listed, wanted) + mention
    fine = place < len(listed)
    fine[fine] = listed[place[fine]] == wanted[fine]
    if not fine.all():
        raise UsageError("a pair is said to be gone that the tree does not have")
    rest = np.delete(listed, place)
    owner, near = rest // nodes.capacity, rest % nodes.capacity
    if contains(dying, owner).any():
        raise UsageError("an item is removed or its vector replaced, and not all of its pairs are said to be gone")
    return owner, near


def _new_leaves(
    nodes: Nodes, slots: Ints, prints: NDArray[np.uint64], copies: Ints, vectors: NDArray[np.integer], order: Ints
) -> None:
    """Leaves of the vectors that `order` names, one after another."""
    nodes.size[slots], nodes.key[slots], nodes.least[slots] = copies, prints, slots
    nodes.content[slots] = hash_contents(prints, copies)
    one, more = np.flatnonzero(copies == 1), np.flatnonzero(copies > 1)
    nodes.row[slots[one]] = nodes.sums.add(vectors, order[one])
    nodes.row[slots[more]] = nodes.sums.add(vectors[order[more]].astype(np.int64) * copies[more, None])
    nodes.new.birth[slots], nodes.new.death[slots], nodes.new.above[slots] = 0, len(THRESHOLDS), -1
    nodes.parent[slots] = -1


def _write_edges(nodes: Nodes, owners: Ints, owner: Ints, near: Ints, new: Ints) -> None:
    """Write the lists of `owners` and of all that new edges touch: what is left, and the new edges."""
    untouched = sort_unique(new.ravel())
    untouched = untouched[~contains(np.sort(owners), untouched)]
    place, listed = nodes.near.get(untouched)
    owner = np.concatenate([owner, untouched[place], new[:, 0], new[:, 1]])
    near = np.concatenate([near, listed, new[:, 1], new[:, 0]])
    everyone = sort_unique(np.concatenate([owners[owners >= 0], untouched]))
    order = np.lexsort((near, owner))
    lengths = np.bincount(np.searchsorted(everyone, owner), minlength=len(everyone))
    nodes.near.put(everyone, lengths, near[order])
