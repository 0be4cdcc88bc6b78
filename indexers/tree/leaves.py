"""Items and their leaves: items of identical vectors share a leaf, and edges between items become edges of leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints, contains, grow_array, sort_unique
from indexers.errors import BadVector, UsageError
from indexers.tree.fixed_point import compute_fingerprints, hash_contents, round_vectors
from indexers.tree.nodes import NEVER, Nodes
from indexers.tree.rounds import THRESHOLDS, NodeChanges

LARGEST_ID = 2**31 - 1


@dataclass(frozen=True)
class TreeChange:
    """What a caller changes: see ClusterTree.update."""

    added: Ints
    vectors: NDArray[np.floating]
    removed: Ints
    new_pairs: Ints
    gone_pairs: Ints


class Items:
    """Which item lies in which leaf.

    leaf: int32 by item id, -1 where there is no such item. first: int32 by slot, one item of a leaf; more: the others
    of leaves that have several. leaves: the leaf of each fingerprint.
    """

    def __init__(self) -> None:
        self.leaf = np.full(16, -1, np.int32)
        self.first = np.full(16, -1, np.int32)
        self.more: dict[int, list[int]] = {}
        self.leaves: dict[int, int] = {}

    def ids(self) -> Ints:
        """Return the ids of all items, sorted."""
        return np.flatnonzero(self.leaf >= 0)

    def has(self, ids: Ints) -> NDArray[np.bool_]:
        """Return which of the ids are in the tree."""
        inside = (ids >= 0) & (ids < len(self.leaf))
        inside[inside] = self.leaf[ids[inside]] >= 0
        return inside

    def restore(self, nodes: Nodes, ids: Ints, leaves: Ints) -> None:
        """Fill an empty object with the ids of items and the leaf of each."""
        self.first = np.full(nodes.capacity, -1, np.int32)
        if len(ids):
            self.leaf = np.full(int(ids.max()) + 1, -1, np.int32)
        self._add(ids, leaves)
        distinct_leaves = sort_unique(leaves)
        self.leaves = dict(zip(nodes.key[distinct_leaves].tolist(), distinct_leaves.tolist(), strict=True))

    def in_leaves(self, leaves: Ints) -> Ints:
        """Return the items of the given leaves, sorted."""
        parts = [self.first[leaves].astype(np.int64)]
        if self.more:
            parts += [np.array(self.more[leaf], np.int64) for leaf in leaves.tolist() if leaf in self.more]
        return np.sort(np.concatenate(parts))

    def move(self, removed: Ints, before: Ints, after: Ints, added: Ints, leaves: Ints) -> None:
        """Take `removed` out, move the items of each leaf of `before` to that of `after`, put `added` in `leaves`."""
        if len(added) and added.max() >= len(self.leaf):
            self.leaf = grow_array(self.leaf, int(added.max()) * 9 // 8 + 16, -1)
        self._remove(removed)
        self._move_leaves(before, after)
        self._add(added, leaves)

    def _remove(self, ids: Ints) -> None:
        for item_id, leaf in zip(ids.tolist(), self.leaf[ids].tolist(), strict=True):
            more = self.more.get(leaf)
            if more is None:
                self.first[leaf] = -1
                continue
            if self.first[leaf] == item_id:
                self.first[leaf] = more.pop()
            else:
                more.remove(item_id)
            if not more:
                del self.more[leaf]
        self.leaf[ids] = -1

    def _add(self, ids: Ints, leaves: Ints) -> None:
        _, place = np.unique(leaves, return_index=True)
        alone = place[self.first[leaves[place]] < 0]
        self.first[leaves[alone]] = ids[alone]
        rest = np.ones(len(ids), bool)
        rest[alone] = False
        for item_id, leaf in zip(ids[rest].tolist(), leaves[rest].tolist(), strict=True):
            self.more.setdefault(leaf, []).append(item_id)
        self.leaf[ids] = leaves

    def _move_leaves(self, before: Ints, after: Ints) -> None:
        for old, new in zip(before.tolist(), after.tolist(), strict=True):
            if self.first[old] < 0:
                continue
            items = [int(self.first[old]), *self.more.get(old, [])]
            self.leaf[items] = new
            self.first[new], self.first[old] = self.first[old], -1
            if old in self.more:
                self.more[new] = self.more.pop(old)


def check_change(items: Items, dimension: int, change: TreeChange) -> None:
    """Raise UsageError (BadVector for vectors) for a change that is not possible."""
    added, removed = change.added, change.removed
    if change.vectors.shape != (len(added), dimension):
        raise BadVector(
            f"the vectors' shape is {change.vectors.shape}; {len(added)} items of {dimension} dimensions need "
            f"{(len(added), dimension)}"
        )
    if not np.isfinite(change.vectors).all():
        raise BadVector("a vector holds NaN or infinity; leave its item out")
    if len(added) and (added.min() < 0 or added.max() > LARGEST_ID):
        wrong = added.min() if added.min() < 0 else added.max()
        raise UsageError(f"the item id {wrong} is not within 0 .. {LARGEST_ID}")
    for kind, ids in (("added", added), ("removed", removed)):
        if len(sort_unique(ids)) < len(ids):
            raise UsageError(f"an item is {kind} twice in one update; name it once")
    unknown = removed[~items.has(removed)]
    if len(unknown):
        raise UsageError(f"item {unknown[0]} is to be removed and is not in the tree")
    for kind, pairs, is_known in (
        ("new", change.new_pairs, _are_known_afterwards(items, change)),
        ("gone", change.gone_pairs, items.has(change.gone_pairs.ravel())),
    ):
        if not is_known.all():
            raise UsageError(f"a {kind} pair names item {pairs.ravel()[~is_known][0]}, which is not in the tree")


def _are_known_afterwards(items: Items, change: TreeChange) -> NDArray[np.bool_]:
    """Return for both items of each new pair whether the tree has it after the change."""
    ids = change.new_pairs.ravel()
    stays = items.has(ids) & ~contains(np.sort(change.removed), ids)
    return stays | contains(np.sort(change.added), ids)


def apply_change(nodes: Nodes, items: Items, change: TreeChange) -> NodeChanges:
    """Bring items, leaves and the edges of leaves up to date.

    A leaf whose number of items changes gets another slot, since it is another set of items. Raises UsageError before
    anything is written if a gone pair is no edge, or if an edge of an item that leaves is not among the gone pairs.
    """
    added = change.added
    leaving = sort_unique(np.concatenate([change.removed, added[items.has(added)]]))
    vectors = round_vectors(change.vectors)
    fingerprints = compute_fingerprints(vectors)
    known_leaf = np.array([items.leaves.get(value, -1) for value in fingerprints.tolist()], np.int64)
    is_new = known_leaf < 0
    before, moves = _count_moves(items.leaf[leaving].astype(np.int64), known_leaf[~is_new])
    before, moves = before[moves != 0], moves[moves != 0]
    copies = nodes.size[before] + moves
    gone_pairs = items.leaf[change.gone_pairs].astype(np.int64).reshape(-1, 2)
    gone_pairs = gone_pairs[gone_pairs[:, 0] != gone_pairs[:, 1]]
    beside = nodes.near.get(before)[1]
    direct = sort_unique(gone_pairs.ravel())
    owners = sort_unique(np.concatenate([direct, before, beside]))
    owner, near = _remove_edges(nodes, owners, gone_pairs, before[copies == 0])

    # From here on, things are written.
    new_fingerprints, first, leaf_of = np.unique(fingerprints[is_new], return_index=True, return_inverse=True)
    slots = nodes.allocate(int(np.count_nonzero(copies)) + len(new_fingerprints))
    if len(items.first) < nodes.capacity:
        items.first = grow_array(items.first, nodes.capacity, -1)
    stays = copies > 0
    after = np.full(len(before), -1)
    after[stays] = slots[: len(slots) - len(new_fingerprints)]
    fresh = slots[len(slots) - len(new_fingerprints) :]
    rows = nodes.sums.get(nodes.row[before[stays]], "i8") // nodes.size[before[stays]][:, None]
    _write_leaves(nodes, after[stays], nodes.key[before[stays]], copies[stays], rows, np.arange(len(rows)))
    counts = np.bincount(leaf_of, minlength=len(fresh))
    _write_leaves(nodes, fresh, new_fingerprints, counts, vectors, np.flatnonzero(is_new)[first])
    for key, leaf in zip(nodes.key[before].tolist(), after.tolist(), strict=True):
        if leaf < 0:
            del items.leaves[key]
        else:
            items.leaves[key] = leaf
    items.leaves.update(zip(new_fingerprints.tolist(), fresh.tolist(), strict=True))
    target = np.empty(len(added), np.int64)
    target[is_new] = fresh[leaf_of]
    target[~is_new] = _replace_slots(before, after, known_leaf[~is_new])
    items.move(leaving, before, after, added, target)
    nodes.new.birth[before], nodes.new.death[before] = NEVER, -1

    new_pairs = items.leaf[change.new_pairs].astype(np.int64).reshape(-1, 2)
    new_pairs = new_pairs[new_pairs[:, 0] != new_pairs[:, 1]]
    dirty = np.sort(np.concatenate([after[stays], fresh]))
    owners, owner, near = (_replace_slots(before, after, part) for part in (owners, owner, near))
    _write_edges(nodes, owners, owner, near, new_pairs)
    ends = sort_unique(np.concatenate([direct[~contains(before, direct)], new_pairs.ravel()]))
    return NodeChanges(
        dirty,
        before,
        ends[~contains(dirty, ends)],
        new_pairs[~contains(dirty, new_pairs.ravel()).reshape(-1, 2).any(1)],
        gone_pairs[~contains(before, gone_pairs.ravel()).reshape(-1, 2).any(1)],
    )


def _count_moves(lost: Ints, won: Ints) -> tuple[Ints, Ints]:
    """Return the leaves that lose or win items, sorted, and how many more items each has; one entry is one item."""
    leaves, place = np.unique(np.concatenate([lost, won]), return_inverse=True)
    signs = np.concatenate([np.full(len(lost), -1), np.full(len(won), 1)])
    return leaves, np.bincount(place, signs, len(leaves)).astype(np.int64)


def _replace_slots(before: Ints, after: Ints, slots: Ints) -> Ints:
    """Return the slots with each that is in `before` (sorted) replaced by that in `after`."""
    if not len(before):
        return slots
    place = np.minimum(np.searchsorted(before, slots), len(before) - 1)
    return np.where(before[place] == slots, after[place], slots)


def _remove_edges(nodes: Nodes, owners: Ints, gone: Ints, dying: Ints) -> tuple[Ints, Ints]:
    """Return the neighbour lists of the owners without the vanished edges: owner and neighbour of each entry.

    Raises UsageError if an edge is not listed, or if a dying leaf keeps one.
    """
    owner, near = nodes.near.get(owners)
    listed = np.sort(owners[owner] * nodes.capacity + near)
    directed = np.concatenate([gone, gone[:, ::-1]])
    links = np.sort(directed[:, 0] * nodes.capacity + directed[:, 1])
    # The i-th mention of an edge takes away its i-th place in the list.
    mention = np.arange(len(links)) - np.searchsorted(links, links)
    place = np.searchsorted(listed, links) + mention
    is_listed = place < len(listed)
    is_listed[is_listed] = listed[place[is_listed]] == links[is_listed]
    if not is_listed.all():
        raise UsageError("a gone pair is an edge that the tree does not have; name only edges that it has, each once")
    rest = np.delete(listed, place)
    owner, near = rest // nodes.capacity, rest % nodes.capacity
    if contains(dying, owner).any():
        raise UsageError("an item is removed or gets another vector, and not all of its pairs are named as gone")
    return owner, near


def _write_leaves(
    nodes: Nodes,
    slots: Ints,
    fingerprints: NDArray[np.uint64],
    copies: Ints,
    vectors: NDArray[np.integer],
    order: Ints,
) -> None:
    """Write leaves of `copies` items each, with the vectors at the places `order`."""
    nodes.size[slots], nodes.key[slots], nodes.least[slots] = copies, fingerprints, slots
    nodes.content[slots] = hash_contents(fingerprints, copies)
    single, several = np.flatnonzero(copies == 1), np.flatnonzero(copies > 1)
    nodes.row[slots[single]] = nodes.sums.add(vectors, order[single])
    nodes.row[slots[several]] = nodes.sums.add(vectors[order[several]].astype(np.int64) * copies[several, None])
    nodes.new.birth[slots], nodes.new.death[slots], nodes.new.above[slots] = 0, len(THRESHOLDS), -1
    nodes.parent[slots] = -1


def _write_edges(nodes: Nodes, owners: Ints, owner: Ints, near: Ints, new: Ints) -> None:
    """Write the lists of `owners` and of all leaves that new edges touch: the entries that are left, and the new edges.

    owner, near: the entries that are left. owners may hold -1 for leaves that are no more.
    """
    untouched = sort_unique(new.ravel())
    untouched = untouched[~contains(np.sort(owners), untouched)]
    place, listed = nodes.near.get(untouched)
    owner = np.concatenate([owner, untouched[place], new[:, 0], new[:, 1]])
    near = np.concatenate([near, listed, new[:, 1], new[:, 0]])
    slots = sort_unique(np.concatenate([owners[owners >= 0], untouched]))
    order = np.lexsort((near, owner))
    lengths = np.bincount(np.searchsorted(slots, owner), minlength=len(slots))
    nodes.near.write(slots, lengths, near[order])
