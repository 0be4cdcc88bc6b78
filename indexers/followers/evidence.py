"""Evidence about copies, followed on demand: hashes of what has none, candidates, and a proof of each pair.

A pair becomes a candidate if its vectors are near or its perceptual hashes are (of one picture's mirror image, too).
Candidates are verified by their features, and what comes out is stored whatever it is, so that any threshold can be
answered later. Adding a picture compares only that picture with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from PIL.Image import Image

from indexers.arrays import scale_to_unit
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PairRow, PictureHashes, UnhashedPicture
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import PictureError
from indexers.matching import features as seeing
from indexers.matching import hashes
from indexers.matching.descriptors import opencv
from indexers.matching.features import Features
from indexers.matching.verification import SAME, Evidence, verify
from indexers.types import Ids, Vectors
from indexers.vectors.exact import Exact

RADIUS = 14
"""Bits of 64 in which the hashes of candidates differ at most."""
EXACT = 3
"""Bits in which those of equal pixels may differ, since a decoder may round otherwise."""
BATCH = 256
"""Pictures in one transaction."""
FEW = 1000
"""Items that are read again one by one; more: all."""
SINGLY = 8
"""So few are looked up in the flat file one by one."""
MEMBERS = 40
"""Of copies that hang together by chains so many are compared with each other, each with each."""
DUPLICATE_KINDS = ("same pixels", "same picture")
"""Kinds of pairs that are copies, the stronger one first."""
ROWS = 8192
"""Vectors compared at a time."""

Load = Callable[[int, int], Image]
"""An item and the least edge wanted (0: in full) -> its picture. Raises PictureError."""
Watch = Callable[[int, int], object]
"""How many pictures were looked at, of how many."""


@dataclass(frozen=True)
class EvidenceReport:
    """What a run did: pictures hashed, pictures that could not be read, pairs verified."""

    hashed: int
    unread: tuple[int, ...]
    verified: int


class EvidenceCollector:
    """`near`: the similarity from which on two vectors make a candidate."""

    def __init__(self, catalogue: Catalogue, flat: Callable[[], Exact], load: Load, workers: int) -> None:
        self._catalogue, self._flat, self._load = catalogue, flat, load
        self._workers, self.near = workers, 1.0
        self._done = -1  # the change up to which everything was compared
        self._known: PictureHashes | None = None
        self._number = -1  # the change that they are of

    def read_hashes(self, snapshot: Snapshot) -> PictureHashes:
        """The hashes of all items; kept in memory, and only what has changed is read again."""
        touched = self._touched(snapshot, self._number)
        if self._known is not None and touched is not None:
            self._known = merge_hashes(self._known, touched, snapshot.duplicates.prints(touched))
        if self._known is None or touched is None or len(self._known.item_ids) != snapshot.duplicates.count_prints():
            self._known = snapshot.duplicates.prints()
        self._number = snapshot.number
        return self._known

    @staticmethod
    def _touched(snapshot: Snapshot, since: int) -> list[int] | None:
        """Items that have changed since; None: too many, or not known."""
        if since < max(snapshot.oldest, 1):
            return None
        found = snapshot.touched(since)
        return found if len(found) <= FEW else None

    def advance(self, watch: Watch | None = None) -> EvidenceReport:
        """Bring the evidence up to date. Raises WriterBusy, WriteFailed."""
        with self._catalogue.snapshot() as snapshot:
            if snapshot.number == self._done:
                return EvidenceReport(0, (), 0)
            number = snapshot.number
            missing = snapshot.duplicates.unprinted(self._touched(snapshot, self._done))
        unread: list[int] = []
        opencv()  # imported here: several threads at once would meet half of it
        with ThreadPoolExecutor(self._workers) as pool:
            for start in range(0, len(missing), BATCH):
                part = missing[start : start + BATCH]
                made = list(pool.map(self._hashed, part))
                unread += [one.item_id for one, two in zip(part, made, strict=True) if two is None]
                self._put([(one, *two) for one, two in zip(part, made, strict=True) if two is not None])
                if watch:
                    watch(start + len(part), len(missing))
            verified = self._compare(pool)
            if verified:
                verified += self._complete(pool)
        self._done = number
        return EvidenceReport(len(missing) - len(unread), tuple(unread), verified)

    def _put(self, prints: Sequence[tuple[UnhashedPicture, int, int]]) -> None:
        items = [one.item_id for one, _, _ in prints]
        with self._catalogue.transaction() as writing:
            writing.duplicates.put_prints(prints)
            if self._known is not None:
                self._known = merge_hashes(self._known, items, writing.duplicates.prints(items))

    def _hashed(self, one: UnhashedPicture) -> tuple[int, int] | None:
        try:
            return hashes.perceptual(self._load(one.item_id, 64))
        except PictureError:
            return None

    # ---- a picture that is not there

    def find_candidates(self, snapshot: Snapshot, image: Image, vector: Vectors) -> Iterable[int]:
        """The items that it may be a copy of. `vector`: its own, prepared for the flat file, float32 (1, dimension)."""
        prints, found = self.read_hashes(snapshot), hashes.perceptual(image)
        bits = np.minimum(
            hashes.distance(np.uint64(found.picture), prints.hashes[:, None]),
            hashes.distance(np.uint64(found.mirrored), prints.hashes[:, None]),
        )
        near = self._flat().search_radius(vector, self.near, metric="cosine")[0]
        chosen: list[int] = np.union1d(near, prints.item_ids[bits <= RADIUS]).tolist()
        return chosen

    def verify_candidates(self, image: Image, items: Iterable[int]) -> Iterator[tuple[int, str, Evidence]]:
        """What is proven about the picture, in full, and each item whose own picture can be had; and the kind."""
        some, mine = list(items), seeing.features(image)
        with self._catalogue.snapshot() as snapshot:
            kept = snapshot.duplicates.features(some)
        for one in some:
            theirs = self._features(one, kept.get(one))
            if theirs is None:
                continue
            found = verify(mine, theirs)
            twins = found.kind == "same picture" and image.size == (theirs.width, theirs.height)
            equal = twins and self._pixels(one) == hashes.pixel_hash(image)
            yield one, "same pixels" if equal else found.kind, found

    # ---- candidates

    def _compare(self, pool: ThreadPoolExecutor) -> int:
        with self._catalogue.snapshot() as snapshot:
            prints = self.read_hashes(snapshot)
        fresh = np.flatnonzero(~prints.are_compared)
        verified = 0
        for start in range(0, len(fresh), BATCH):
            part = fresh[start : start + BATCH]
            a, b = self._candidates(prints, part)
            with self._catalogue.snapshot() as snapshot:
                new = ~snapshot.duplicates.compared(a, b)
            verified += self._verify(pool, a[new], b[new], prints, prints.item_ids[part])
        return verified

    def _candidates(self, prints: PictureHashes, part: Ids) -> tuple[Ids, Ids]:
        """Items a < b, each pair once, of which one is in `part` (places)."""
        one, other = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for place in part.tolist():
            bits = hashes.distance(prints.hashes[place], prints.hashes[:, None])
            mirrored = hashes.distance(prints.mirrored_hashes[place], prints.hashes[:, None])
            close = np.flatnonzero(np.minimum(bits, mirrored) <= RADIUS)
            one.append(np.full(len(close), prints.item_ids[place]))
            other.append(prints.item_ids[close])
        for mine, theirs in self._alike(prints.item_ids, prints.item_ids[part]):
            one.append(mine)
            other.append(theirs)
        left, right = np.concatenate(one), np.concatenate(other)
        low, high = np.minimum(left, right), np.maximum(left, right)
        width = int(prints.item_ids.max(initial=0)) + 1
        codes = np.unique((low * width + high)[low != high])
        return codes // width, codes % width

    def _alike(self, items: Ids, mine: Ids) -> Iterator[tuple[Ids, Ids]]:
        """Pairs of items whose vectors are near: complete, block by block."""
        flat = self._flat()
        mine, items = mine[flat.has(mine)], items[flat.has(items)]
        if not len(mine):
            return
        if len(mine) <= SINGLY and flat.metric == "cosine":
            for one in mine.tolist():
                near = flat.search_radius(flat.take(np.array([one])), self.near)[0]
                near = near[np.isin(near, items)]
                yield np.full(len(near), one), near
            return
        rows = scale_to_unit(flat.take(mine))
        for start in range(0, len(items), ROWS):
            block = items[start : start + ROWS]
            i, j = np.nonzero(rows @ scale_to_unit(flat.take(block)).T >= self.near)
            yield mine[i], block[j]

    def _complete(self, pool: ThreadPoolExecutor) -> int:
        """Copies of copies are candidates too, whose vectors and hashes lie too far apart to have told."""
        with self._catalogue.snapshot() as snapshot:
            prints = self.read_hashes(snapshot)
            pairs = [(row.a, row.b) for row in snapshot.duplicates.pairs(SAME, DUPLICATE_KINDS)]
            sets = [one for one in find_components(pairs) if len(one) <= MEMBERS]
            both = [pair for one in sets for pair in combinations(sorted(one), 2)]
            a, b = (np.array([pair[side] for pair in both], np.int64) for side in (0, 1))
            new = ~snapshot.duplicates.compared(a, b)
        return self._verify(pool, a[new], b[new], prints, np.empty(0, np.int64)) if new.any() else 0

    # ---- proof

    def _verify(self, pool: ThreadPoolExecutor, a: Ids, b: Ids, prints: PictureHashes, done: Ids) -> int:
        """Verify the pairs, and note that `done` were compared with all others."""
        wanted = np.unique(np.concatenate([a, b])).tolist()
        with self._catalogue.snapshot() as snapshot:
            kept = snapshot.duplicates.features(wanted)
            sizes = {row.id: (row.width, row.height) for row in snapshot.items(wanted)}
        made = dict(zip(wanted, pool.map(lambda one: self._features(one, kept.get(one)), wanted), strict=True))
        same = self._equal(pool, a, b, prints, sizes)

        def prove(pair: tuple[int, int]) -> PairRow | None:
            one, two = made[pair[0]], made[pair[1]]
            if one is None or two is None:
                return None
            found = verify(one, two)
            kind = "same pixels" if pair in same else found.kind
            score = 1.0 if pair in same else found.score
            return PairRow(*pair, kind, round(score, 4), found.to_dict())

        rows = [row for row in pool.map(prove, zip(a.tolist(), b.tolist(), strict=True)) if row]
        fresh = {one: seeing.pack(two) for one, two in made.items() if two is not None and one not in kept}
        with self._catalogue.transaction() as writing:
            writing.duplicates.put_features(fresh)
            writing.duplicates.put_pairs(rows)
            writing.duplicates.set_compared(done.tolist())
        prints.are_compared[np.searchsorted(prints.item_ids, done)] = True
        return len(rows)

    def _features(self, item: int, kept: bytes | None) -> Features | None:
        try:
            return seeing.unpack(kept) if kept else seeing.features(self._load(item, seeing.EDGE))
        except PictureError:
            return None

    def _equal(
        self, pool: ThreadPoolExecutor, a: Ids, b: Ids, prints: PictureHashes, sizes: dict[int, tuple[Any, Any]]
    ) -> set[tuple[int, int]]:
        """Pairs of equal pixels; only pictures of one size with all but equal hashes are decoded in full for that."""
        where = {one: place for place, one in enumerate(prints.item_ids.tolist())}
        pairs = [pair for pair in zip(a.tolist(), b.tolist(), strict=True) if sizes.get(pair[0]) == sizes.get(pair[1])]
        words = [(prints.hashes[where[one]], prints.hashes[where[two]]) for one, two in pairs]
        pairs = [pair for pair, (x, y) in zip(pairs, words, strict=True) if hashes.distance(x, y) <= EXACT]
        wanted = sorted({one for pair in pairs for one in pair})
        found = dict(zip(wanted, pool.map(self._pixels, wanted), strict=True))
        return {pair for pair in pairs if found[pair[0]] is not None and found[pair[0]] == found[pair[1]]}

    def _pixels(self, item: int) -> bytes | None:
        try:
            return hashes.pixel_hash(self._load(item, 0))
        except PictureError:
            return None


def merge_hashes(known: PictureHashes, items: Sequence[int], now: PictureHashes) -> PictureHashes:
    """What is known with what is now known of some items (nothing, of those that are gone)."""
    keep = ~np.isin(known.item_ids, items)
    parts = [np.concatenate([old[keep], new]) for old, new in zip(known, now, strict=True)]
    order = np.argsort(parts[0], kind="stable")
    return PictureHashes(*(part[order] for part in parts))


def find_components(pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """The sets of items that pairs connect."""
    owner: dict[int, set[int]] = {}
    for a, b in pairs:
        one, other = owner.get(a, {a}), owner.get(b, {b})
        if one is not other:
            one, other = (one, other) if len(one) >= len(other) else (other, one)
            one |= other
            owner |= dict.fromkeys(other, one)
        owner[a] = owner[b] = one
    return list({id(one): one for one in owner.values()}.values())
