"""Evidence about duplicates, collected on demand: hashes of pictures that have none, candidates, verdicts on pairs.

A pair becomes a candidate if its vectors are similar or its perceptual hashes are (those of one picture's mirror image,
too). Candidates are verified by their features, and the verdict is stored whatever it is, so that any threshold can be
answered later. Adding a picture compares only that picture with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from PIL.Image import Image

from indexers.arrays import scale_to_unit
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PairRow, PictureHashes, UnhashedPicture
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import PictureError, StoredFileDamaged
from indexers.matching import features as picture_features
from indexers.matching import hashes
from indexers.matching.descriptors import load_opencv
from indexers.matching.features import Features
from indexers.matching.verification import SAME, Verdict, has_contrast, verify_features
from indexers.types import Ids, Vectors
from indexers.vectors.exact import Exact

CANDIDATE_BITS = 14
"""Bits of 64 in which the hashes of candidates differ at most."""
EQUAL_PIXEL_BITS = 3
"""Bits in which the hashes of equal pixels may differ, since a decoder may round otherwise."""
BATCH = 256
"""Pictures in one transaction."""
MAX_REREAD = 1000
"""If at most so many items have changed, their hashes alone are read again; if more have, all hashes are."""
MAX_SINGLE_SEARCHES = 8
"""At most so many vectors are searched for in the flat file one by one; more are compared in blocks."""
MAX_COMPONENT = 40
"""Duplicates connected by chains are compared each with each if they are at most so many."""
DUPLICATE_KINDS = ("same pixels", "same picture")
"""Kinds of pairs that are duplicates, the stronger one first."""
BLOCK = 8192
"""Vectors compared at once."""

LoadPicture = Callable[[int, int], Image]
"""An item id and the length that the longer edge needs at least (0: the full picture) -> the picture.
Raises PictureError."""
ReportProgress = Callable[[int, int], object]
"""Called with the number of pictures looked at, and of all that are looked at."""


@dataclass(frozen=True)
class EvidenceReport:
    """What one run did: pictures hashed, the ids of items whose picture could not be read, pairs verified."""

    hashed: int
    unread: tuple[int, ...]
    verified: int


class EvidenceCollector:
    """Keeps the evidence about duplicates of one space up to date.

    near: the similarity from which on two vectors make a pair a candidate.
    """

    def __init__(
        self, catalogue: Catalogue, flat: Callable[[], Exact], load_picture: LoadPicture, workers: int
    ) -> None:
        self._catalogue, self._flat, self._load_picture = catalogue, flat, load_picture
        self._workers, self.near = workers, 1.0
        self._compared_up_to = -1  # the change up to which everything was compared
        self._hashes: PictureHashes | None = None
        self._hashes_position = -1  # the change that `_hashes` are of

    def read_hashes(self, snapshot: Snapshot) -> PictureHashes:
        """Return the hashes of all items. They stay in memory, and only those of changed items are read again."""
        touched = self._find_touched(snapshot, self._hashes_position)
        if self._hashes is not None and touched is not None:
            self._hashes = merge_hashes(self._hashes, touched, snapshot.duplicates.picture_hashes(touched))
        if self._hashes is None or touched is None or len(self._hashes.item_ids) != snapshot.duplicates.count_hashed():
            self._hashes = snapshot.duplicates.picture_hashes()
        self._hashes_position = snapshot.number
        return self._hashes

    @staticmethod
    def _find_touched(snapshot: Snapshot, since: int) -> list[int] | None:
        """Return the items that have changed since then; None if they are too many, or no longer known."""
        if since < max(snapshot.oldest, 1):
            return None
        item_ids = snapshot.changed_item_ids(since)
        return item_ids if len(item_ids) <= MAX_REREAD else None

    def advance(self, progress: ReportProgress | None = None) -> EvidenceReport:
        """Bring the evidence up to date. Raises WriterBusy, WriteFailed."""
        with self._catalogue.snapshot() as snapshot:
            if snapshot.number == self._compared_up_to:
                return EvidenceReport(0, (), 0)
            number = snapshot.number
            unhashed = snapshot.duplicates.unhashed_pictures(self._find_touched(snapshot, self._compared_up_to))
        unread: list[int] = []
        load_opencv()  # imported here: several threads at once would meet a half imported module
        with ThreadPoolExecutor(self._workers) as pool:
            for start in range(0, len(unhashed), BATCH):
                part = unhashed[start : start + BATCH]
                words = list(pool.map(self._hash_picture, part))
                unread += [picture.item_id for picture, pair in zip(part, words, strict=True) if pair is None]
                self._write_hashes(
                    [(picture, *pair) for picture, pair in zip(part, words, strict=True) if pair is not None]
                )
                if progress:
                    progress(start + len(part), len(unhashed))
            verified = self._compare_new(pool)
            if verified:
                verified += self._complete_components(pool)
        self._compared_up_to = number
        return EvidenceReport(len(unhashed) - len(unread), tuple(unread), verified)

    def _write_hashes(self, rows: Sequence[tuple[UnhashedPicture, int, int]]) -> None:
        item_ids = [picture.item_id for picture, _, _ in rows]
        with self._catalogue.transaction() as transaction:
            transaction.duplicates.put_hashes(rows)
            if self._hashes is not None:
                self._hashes = merge_hashes(self._hashes, item_ids, transaction.duplicates.picture_hashes(item_ids))

    def _hash_picture(self, picture: UnhashedPicture) -> tuple[int, int] | None:
        """Return the hashes of a picture and of its mirror image; None if the picture can't be read."""
        try:
            return hashes.hash_picture(self._load_picture(picture.item_id, 64))
        except PictureError:
            return None

    # ---- a picture that is not in the collection

    def find_candidates(self, snapshot: Snapshot, image: Image, vector: Vectors) -> Iterable[int]:
        """Return the ids of items that a picture may be a duplicate of.

        vector: the picture's own, prepared for the flat file, float32 (1, dimension).
        """
        known, own = self.read_hashes(snapshot), hashes.hash_picture(image)
        bits = np.minimum(
            hashes.count_differing_bits(np.uint64(own.picture), known.hashes[:, None]),
            hashes.count_differing_bits(np.uint64(own.mirrored), known.hashes[:, None]),
        )
        similar = self._flat().search_radius(vector, self.near, metric="cosine")[0]
        candidates: list[int] = np.union1d(similar, known.item_ids[bits <= CANDIDATE_BITS]).tolist()
        return candidates

    def verify_candidates(self, image: Image, items: Iterable[int]) -> Iterator[tuple[int, str, Verdict]]:
        """Verify a picture against items; yield the item id, the kind of the pair and the verdict.

        Items whose picture can't be read are left out.
        """
        item_ids, own = list(items), picture_features.extract_features(image)
        with self._catalogue.snapshot() as snapshot:
            stored = snapshot.duplicates.features(item_ids)
        for item_id in item_ids:
            features = self._read_features(item_id, stored.get(item_id))
            if features is None:
                continue
            verdict = verify_features(own, features)
            may_be_equal = verdict.kind == "same picture" and image.size == (features.width, features.height)
            equal = may_be_equal and self._hash_pixels(item_id) == hashes.hash_pixels(image)
            yield item_id, "same pixels" if equal else verdict.kind, verdict

    # ---- candidates

    def _compare_new(self, pool: ThreadPoolExecutor) -> int:
        """Compare the pictures that were never compared with all others; return the number of pairs verified."""
        with self._catalogue.snapshot() as snapshot:
            known = self.read_hashes(snapshot)
        fresh = np.flatnonzero(~known.are_compared)
        verified = 0
        for start in range(0, len(fresh), BATCH):
            part = fresh[start : start + BATCH]
            a, b = self._find_pairs(known, part)
            with self._catalogue.snapshot() as snapshot:
                new = ~snapshot.duplicates.were_compared(a, b)
            verified += self._verify_pairs(pool, a[new], b[new], known, known.item_ids[part])
        return verified

    def _find_pairs(self, known: PictureHashes, places: Ids) -> tuple[Ids, Ids]:
        """Return the candidate pairs of which one item is at one of `places`: item ids a < b, each pair once."""
        left_parts, right_parts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for place in places.tolist():
            bits = hashes.count_differing_bits(known.hashes[place], known.hashes[:, None])
            mirrored_bits = hashes.count_differing_bits(known.mirrored_hashes[place], known.hashes[:, None])
            close = np.flatnonzero(np.minimum(bits, mirrored_bits) <= CANDIDATE_BITS)
            left_parts.append(np.full(len(close), known.item_ids[place]))
            right_parts.append(known.item_ids[close])
        for left, right in self._find_similar_pairs(known.item_ids, known.item_ids[places]):
            left_parts.append(left)
            right_parts.append(right)
        left, right = np.concatenate(left_parts), np.concatenate(right_parts)
        low, high = np.minimum(left, right), np.maximum(left, right)
        width = int(known.item_ids.max(initial=0)) + 1
        codes = np.unique((low * width + high)[low != high])
        return codes // width, codes % width

    def _find_similar_pairs(self, items: Ids, queries: Ids) -> Iterator[tuple[Ids, Ids]]:
        """Yield all pairs of one of `queries` and one of `items` whose vectors are similar, block by block."""
        flat = self._flat()
        queries, items = queries[flat.has(queries)], items[flat.has(items)]
        if not len(queries):
            return
        if len(queries) <= MAX_SINGLE_SEARCHES and flat.metric == "cosine":
            for item_id in queries.tolist():
                similar = flat.search_radius(flat.take(np.array([item_id])), self.near)[0]
                similar = similar[np.isin(similar, items)]
                yield np.full(len(similar), item_id), similar
            return
        directions = scale_to_unit(flat.take(queries))
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            i, j = np.nonzero(directions @ scale_to_unit(flat.take(block)).T >= self.near)
            yield queries[i], block[j]

    def _complete_components(self, pool: ThreadPoolExecutor) -> int:
        """Verify duplicates of duplicates too, whose vectors and hashes may be too different to make them candidates.

        Returns the number of pairs verified.
        """
        with self._catalogue.snapshot() as snapshot:
            known = self.read_hashes(snapshot)
            duplicates = [(row.a, row.b) for row in snapshot.duplicates.pairs(SAME, DUPLICATE_KINDS)]
            components = [component for component in find_components(duplicates) if len(component) <= MAX_COMPONENT]
            pairs = [pair for component in components for pair in combinations(sorted(component), 2)]
            a, b = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
            new = ~snapshot.duplicates.were_compared(a, b)
        return self._verify_pairs(pool, a[new], b[new], known, np.empty(0, np.int64)) if new.any() else 0

    # ---- verdicts

    def _verify_pairs(self, pool: ThreadPoolExecutor, a: Ids, b: Ids, known: PictureHashes, compared: Ids) -> int:
        """Verify pairs, and note that the items `compared` were compared with all others; return the number of pairs
        that could be verified."""
        item_ids = np.unique(np.concatenate([a, b])).tolist()
        with self._catalogue.snapshot() as snapshot:
            stored = snapshot.duplicates.features(item_ids)
            rows_by_id = {row.id: row for row in snapshot.items(item_ids)}
        read = pool.map(lambda item_id: self._read_features(item_id, stored.get(item_id)), item_ids)
        features = dict(zip(item_ids, read, strict=True))
        sizes = {item_id: (row.width, row.height) for item_id, row in rows_by_id.items()}
        equal = self._find_equal_pixels(pool, a, b, known, sizes)

        def have_equal_bytes(pair: tuple[int, int]) -> bool:
            digests = {row.hash if (row := rows_by_id.get(item_id)) else None for item_id in pair}
            return len(digests) == 1 and None not in digests

        def verify_pair(pair: tuple[int, int]) -> PairRow | None:
            left, right = features[pair[0]], features[pair[1]]
            if left is None or right is None:
                return None
            verdict = verify_features(left, right)
            is_equal = pair in equal and (has_contrast(left) or have_equal_bytes(pair))
            kind, score = ("same pixels", 1.0) if is_equal else (verdict.kind, verdict.score)
            return PairRow(*pair, kind, round(score, 4), verdict.to_dict())

        rows = [row for row in pool.map(verify_pair, zip(a.tolist(), b.tolist(), strict=True)) if row]
        packed = {
            item_id: picture_features.pack_features(extracted)
            for item_id, extracted in features.items()
            if extracted is not None and item_id not in stored
        }
        with self._catalogue.transaction() as transaction:
            transaction.duplicates.put_features(packed)
            transaction.duplicates.put_pairs(rows)
            transaction.duplicates.mark_compared(compared.tolist())
        known.are_compared[np.searchsorted(known.item_ids, compared)] = True
        return len(rows)

    def _read_features(self, item_id: int, stored: bytes | None) -> Features | None:
        """Return the features of an item, extracted now if none are stored; None if its picture can't be read."""
        try:
            if stored:
                with suppress(StoredFileDamaged):  # also those of an earlier version are made again
                    return picture_features.unpack_features(stored)
            return picture_features.extract_features(self._load_picture(item_id, picture_features.EDGE))
        except PictureError:
            return None

    def _find_equal_pixels(
        self, pool: ThreadPoolExecutor, a: Ids, b: Ids, known: PictureHashes, sizes: dict[int, tuple[Any, Any]]
    ) -> set[tuple[int, int]]:
        """Return the pairs of equal pixels. Only pictures of one size and nearly equal hashes are decoded in full."""
        places = {item_id: place for place, item_id in enumerate(known.item_ids.tolist())}
        pairs = [pair for pair in zip(a.tolist(), b.tolist(), strict=True) if sizes.get(pair[0]) == sizes.get(pair[1])]
        words = [(known.hashes[places[left]], known.hashes[places[right]]) for left, right in pairs]
        bits = [int(hashes.count_differing_bits(x, y)) for x, y in words]
        pairs = [pair for pair, count in zip(pairs, bits, strict=True) if count <= EQUAL_PIXEL_BITS]
        item_ids = sorted({item_id for pair in pairs for item_id in pair})
        pixels = dict(zip(item_ids, pool.map(self._hash_pixels, item_ids), strict=True))
        return {pair for pair in pairs if pixels[pair[0]] is not None and pixels[pair[0]] == pixels[pair[1]]}

    def _hash_pixels(self, item_id: int) -> bytes | None:
        """Return the hash of all pixels of an item; None if its picture can't be read."""
        try:
            return hashes.hash_pixels(self._load_picture(item_id, 0))
        except PictureError:
            return None


def merge_hashes(known: PictureHashes, items: Sequence[int], current: PictureHashes) -> PictureHashes:
    """Replace the hashes of `items` in `known` by those in `current`, which lacks items that were removed."""
    keep = ~np.isin(known.item_ids, items)
    columns = [np.concatenate([old[keep], new]) for old, new in zip(known, current, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return PictureHashes(*(column[order] for column in columns))


def find_components(pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """Return the sets of items that pairs connect."""
    component_of: dict[int, set[int]] = {}
    for a, b in pairs:
        large, small = component_of.get(a, {a}), component_of.get(b, {b})
        if large is not small:
            large, small = (large, small) if len(large) >= len(small) else (small, large)
            large |= small
            component_of |= dict.fromkeys(small, large)
        component_of[a] = component_of[b] = large
    return list({id(component): component for component in component_of.values()}.values())
