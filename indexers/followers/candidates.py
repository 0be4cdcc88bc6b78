"""Which pictures may be copies of each other, and are worth a proof: never more than a few dozen for each picture.

Three things nominate: similar vectors, similar perceptual hashes (also those of the picture turned by quarters,
mirrored or inverted), and local features that agree. Of a picture outside the collection many are nominated; of the
collection's own the nearest of each kind, since copies of copies are compared too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PictureHashes
from indexers.catalogue.snapshot import Snapshot
from indexers.followers.base import Followers
from indexers.followers.looks import GUEST, Guest
from indexers.followers.nomination import NominationFollower, read_compact
from indexers.matching import hashes
from indexers.matching.agreement import AGREEING, MANY_POINTS, count_agreeing, find_rough_transform
from indexers.matching.compact import CompactFeatures
from indexers.matching.nomination import Votes
from indexers.types import Ids, Neighbours, Vectors
from indexers.vectors.exact import Exact

HASH_BITS = 14
"""Bits of 64 in which the hashes of candidates differ at most, or that of one with that of the other's mirror image."""
TURNED_BITS = 10
"""The same for pictures turned by quarters, and for inverted ones."""
MAX_BY_HASH = 20
"""Candidates of one picture by their hashes: the nearest."""
MAX_BY_VECTOR = 20
"""Candidates of one picture by their vectors: the nearest."""
NEAREST_BY_VOTES, NEAREST_BY_VECTOR, NEAREST_BY_HASH = 5, 4, 4
"""The same for each picture of the collection."""
MAX_FLAT_BY_VECTOR = 3
"""The same for pictures with too few points to be looked at before the proof."""
MAX_BY_VOTES = 12
"""Candidates of one picture by their local features: those with the most votes."""
MAX_IN_DETAIL = 40
"""The same for pictures of screens, whose words get most of the votes: what they show came up to place 34 of 80."""
MAX_REREAD = 1000
"""If at most so many items have changed, their hashes alone are read again; if more have, all hashes are."""
EMPTY_VOTES = Votes(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))
CHUNK = 32
"""Pictures whose votes are counted at once."""

FindNeighbours = Callable[[Vectors, int], Neighbours]
"""Prepared vectors and k -> their k nearest, by cosine similarity."""


class CandidateFinder:
    """Finds candidates in one space.

    near: the similarity from which on two vectors make a pair a candidate.
    nominations: the one follower of compact features.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        flat: Callable[[], Exact],
        find_neighbours: FindNeighbours,
        follower: NominationFollower,
    ) -> None:
        self._flat, self._find_neighbours, self.near = flat, find_neighbours, 1.0
        self._follower, self._followers = follower, Followers(catalogue, [follower])
        self._hashes: PictureHashes | None = None
        self._hashes_position = -1  # the change that `_hashes` are of

    # ---- hashes in memory

    def read_hashes(self, snapshot: Snapshot) -> PictureHashes:
        """Return the hashes of all items. They stay in memory, and only those of changed items are read again."""
        if self._hashes is not None and snapshot.number == self._hashes_position:
            return self._hashes
        touched = find_touched(snapshot, self._hashes_position)
        if self._hashes is not None and touched is not None:
            self._hashes = merge_hashes(self._hashes, touched, snapshot.duplicates.picture_hashes(touched))
        if self._hashes is None or touched is None or len(self._hashes.item_ids) != snapshot.duplicates.count_hashed():
            self._hashes = snapshot.duplicates.picture_hashes()
        self._hashes_position = snapshot.number
        return self._hashes

    def save(self) -> None:
        """Save the index of compact features, if it has changed by enough."""
        self._followers.save()

    # ---- candidates

    def find_pairs(
        self, pool: Executor, known: PictureHashes, places: Ids, details: Mapping[int, CompactFeatures]
    ) -> tuple[Ids, Ids]:
        """Return the candidate pairs of which one item is at one of `places`: item ids a < b, each pair once.

        details: by item id, the many points of items that may show others as small parts.
        """
        queries = known.item_ids[places]
        with self._followers.complete_snapshot() as snapshot:
            features = read_compact(snapshot, queries.tolist())
            votes = self._count_votes(pool, list(features.values()), NEAREST_BY_VOTES + 1)
            described = np.array(list(features), np.int64)
            flat = self._flat()
            queries_with_vectors = queries[flat.has(queries)]
            vectors = flat.take(queries_with_vectors)
            similar = self._find_similar(queries_with_vectors, vectors, known.item_ids, NEAREST_BY_VECTOR)
            pairs = [(own, other) for own, other, _ in similar]
            for own, detail in details.items():
                pairs += [(own, other) for other in self._find_voted(snapshot, detail, MAX_IN_DETAIL)]
        pairs += zip(described[votes.queries].tolist(), votes.item_ids.tolist(), strict=True)
        words = np.ascontiguousarray(known.hashes[:, 0])
        for place in places.tolist():
            own = int(known.item_ids[place])
            close = find_close(known.hashes[place], words, NEAREST_BY_HASH + 1)
            pairs += [(own, other) for other in known.item_ids[close].tolist()]
        codes = np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)
        codes = np.unique(np.sort(codes, axis=1), axis=0)
        return codes[:, 0], codes[:, 1]

    def _count_votes(self, pool: Executor, features: Sequence[CompactFeatures], limit: int) -> Votes:
        """Return who gets most votes of each of these pictures."""
        parts = list(pool.map(lambda part: self._follower.index.find(part, limit), split_chunks(features, CHUNK)))
        starts = np.repeat(np.arange(len(parts)) * CHUNK, [len(part.queries) for part in parts])
        queries, *columns = (np.concatenate(column) for column in zip(EMPTY_VOTES, *parts, strict=True))
        return Votes(queries + starts, *columns)

    def find_candidates(self, guest: Guest, vector: Vectors, known: PictureHashes) -> list[int]:
        """Return the ids of items that a picture outside the collection may be a copy of.

        vector: the picture's own, prepared for the flat file, float32 (1, dimension).
        """
        own = GUEST
        features = {own: guest.compact}
        with self._followers.complete_snapshot() as snapshot:
            pairs = [(own, other) for row in features.values() for other in self._find_voted(snapshot, row)]
            similar = list(self._find_similar(np.array([own]), vector, known.item_ids, MAX_BY_VECTOR))
            pairs += self._keep_agreeing(snapshot, similar, features)
        close = find_close(guest.hashes, np.ascontiguousarray(known.hashes[:, 0]))
        return sorted({other for _, other in pairs} | set(known.item_ids[close].tolist()))

    def _find_voted(self, snapshot: Snapshot, own: CompactFeatures, limit: int = MAX_BY_VOTES) -> Iterator[int]:
        """Yield the items that a picture's features vote for and agree with, of those with the most votes."""
        votes = self._follower.index.find([own], limit)
        others = read_compact(snapshot, votes.item_ids.tolist())
        for item_id, is_mirrored in zip(votes.item_ids.tolist(), votes.are_mirrored.tolist(), strict=True):
            other = others.get(item_id)
            if other is not None and count_agreeing(own.mirror() if is_mirrored else own, other) >= AGREEING:
                yield item_id

    def _find_similar(self, queries: Ids, vectors: Vectors, items: Ids, limit: int) -> Iterator[tuple[int, int, int]]:
        """Yield the ids of a query and of an item whose vectors are similar, and how many are more similar."""
        if not len(queries) or not len(self._flat()):
            return
        nearest = self._find_neighbours(vectors, limit + 1)
        is_near = (nearest.scores >= self.near) & (nearest.ids >= 0) & (nearest.ids != queries[:, None])
        is_near[is_near] = are_among(nearest.ids[is_near], items)
        ranks = np.cumsum(is_near, axis=1) - 1
        for row, column in np.argwhere(is_near).tolist():
            yield int(queries[row]), int(nearest.ids[row, column]), int(ranks[row, column])

    def _keep_agreeing(
        self, snapshot: Snapshot, similar: Sequence[tuple[int, int, int]], features: dict[int, CompactFeatures]
    ) -> Iterator[tuple[int, int]]:
        """Yield the pairs of similar vectors whose features agree, or of few points and the most similar."""
        others = read_compact(snapshot, sorted({other for _, other, _ in similar}))
        for own_id, other_id, rank in similar:
            own, other = features.get(own_id), others.get(other_id)
            if own is None or other is None:
                yield own_id, other_id
            elif min(len(own.words), len(other.words)) < MANY_POINTS:
                if rank < MAX_FLAT_BY_VECTOR:
                    yield own_id, other_id
            elif find_rough_transform(own, other)[1] is not None:
                yield own_id, other_id


def find_close(views: hashes.Words, words: hashes.Words, limit: int = MAX_BY_HASH) -> Ids:
    """Return the places of the hashes that are close to one of a picture's views, the closest `limit`, nearest first.

    `views` uint64 (8,), the first two upright; `words` uint64 (n,).
    """
    distances = hashes.count_bits(views[:, None] ^ words[None, :]).astype(np.int16)
    limits = np.array([HASH_BITS] * 2 + [TURNED_BITS] * (hashes.VIEWS - 2), np.int16)
    over = np.minimum((distances - limits[:, None]).min(axis=0), hashes.BITS - distances[:2].max(axis=0) - TURNED_BITS)
    close = np.flatnonzero(over <= 0)
    return np.asarray(close[np.argsort(over[close], kind="stable")[:limit]], np.int64)


def are_among(item_ids: Ids, items: Ids) -> NDArray[np.bool_]:
    """Return for each of the ids whether it is one of `items`, sorted: np.isin looks at each of a hundred thousand."""
    places = np.searchsorted(items, item_ids)
    are_here: NDArray[np.bool_] = places < len(items)
    are_here[are_here] = items[places[are_here]] == item_ids[are_here]
    return are_here


def find_places(items: Ids, item_ids: Sequence[int]) -> dict[int, int]:
    """Return the place in `items`, sorted, of those of these ids that are there."""
    wanted = np.array(item_ids, np.int64)
    wanted = wanted[are_among(wanted, items)]
    return dict(zip(wanted.tolist(), np.searchsorted(items, wanted).tolist(), strict=True))


def find_touched(snapshot: Snapshot, since: int) -> list[int] | None:
    """Return the items that have changed since then; None if they are too many, or no longer known."""
    if since < max(snapshot.oldest, 1):
        return None
    item_ids = snapshot.changed_item_ids(since)
    return item_ids if len(item_ids) <= MAX_REREAD else None


def merge_hashes(known: PictureHashes, items: Sequence[int], current: PictureHashes) -> PictureHashes:
    """Replace the hashes of `items` in `known` by those in `current`, which lacks items that were removed."""
    keep = ~np.isin(known.item_ids, items)
    if keep.all() and not len(current.item_ids):
        return known
    if keep.all() and (not len(keep) or current.item_ids[0] > known.item_ids[-1]):  # most often; the rest takes 10 ms
        return PictureHashes(*(np.concatenate(columns) for columns in zip(known, current, strict=True)))
    columns = [np.concatenate([old[keep], new]) for old, new in zip(known, current, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return PictureHashes(*(column[order] for column in columns))
