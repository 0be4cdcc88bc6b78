"""Evidence about duplicates, collected on demand: sketches of pictures that have none, candidates, verdicts on pairs.

Candidates that a glance can't tell apart are verified by their features, and the verdict is stored whatever it is, so
that any threshold can be answered later. Adding a picture compares only that picture with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

import numpy as np
from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PairRow, PictureHashes, UnsketchedPicture
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import PictureError, StoredFileDamaged
from indexers.followers.candidates import CandidateFinder, find_places, find_touched
from indexers.followers.looks import Guest, PairGate
from indexers.followers.screens import ScreenReader, list_screens
from indexers.matching import features as picture_features
from indexers.matching import hashes
from indexers.matching.coarse import LOOK_EDGE, look_at
from indexers.matching.compact import QUERY_POINTS, CompactFeatures, extract_compact
from indexers.matching.descriptors import load_opencv
from indexers.matching.features import Features
from indexers.matching.sketch import EDGE, sketch_picture
from indexers.matching.verification import SAME, Verdict, has_contrast, verify_features
from indexers.pictures.images import shrink
from indexers.pictures.turns import take_turns
from indexers.types import Ids, ItemRow, Sketch, Vectors

EQUAL_PIXEL_BITS = 3
"""Bits in which the hashes of equal pixels may differ, since a decoder may round otherwise."""
BATCH = 256
"""Pictures in one transaction."""
MAX_COMPONENT = 40
"""Duplicates connected by chains are compared each with each if they are at most so many; else each with the best."""
DUPLICATE_KINDS = ("same pixels", "same picture")
"""Kinds of pairs that are duplicates, the stronger one first."""
PART_KINDS = ("inside another picture", "photo of a print")
"""Kinds of pairs that are proven, and of which neither picture can replace the other."""

T = TypeVar("T")
LoadPicture = Callable[[int, int], Image]
"""An item id and the length that the longer edge needs at least (0: the full picture) -> the picture.
Raises PictureError."""
ReportProgress = Callable[[int, int], object]
"""Called with the number of pictures that were sketched or compared, and with the number that will be."""

EQUAL = Verdict("same picture", 1.0, overlap=1.0, agreement=1.0, transform=np.eye(2, 3))
"""The verdict on equal pixels."""


@dataclass(frozen=True)
class EvidenceReport:
    """What one run did: pictures sketched, the ids of items whose picture could not be read, pairs verified."""

    sketched: int
    unread: tuple[int, ...]
    verified: int


class EvidenceCollector:
    """Keeps the evidence about duplicates of one space up to date."""

    def __init__(
        self, catalogue: Catalogue, candidates: CandidateFinder, load_picture: LoadPicture, workers: int
    ) -> None:
        self._catalogue, self.candidates, self._load_picture = catalogue, candidates, load_picture
        self._workers, self._gate = workers, PairGate(catalogue, load_picture)
        self._screens, self._details = ScreenReader(load_picture), dict[int, CompactFeatures]()
        self._sketched_up_to = self._compared_up_to = -1  # the changes up to which everything was

    def advance(self, progress: ReportProgress | None = None) -> EvidenceReport:
        """Bring the evidence up to date. What was done stays if it is interrupted. Raises WriterBusy, WriteFailed."""
        load_opencv()  # here, since several threads at once would meet half a module
        with self._catalogue.snapshot() as snapshot:
            if snapshot.number == self._compared_up_to:
                return EvidenceReport(0, (), 0)
            self._gate.forget(find_touched(snapshot, self._compared_up_to))
            unsketched = snapshot.duplicates.unsketched_pictures(find_touched(snapshot, self._sketched_up_to))
            sketched_up_to, known = snapshot.number, self.candidates.read_hashes(snapshot)
        fresh = np.union1d(known.item_ids[~known.are_compared], [picture.item_id for picture in unsketched])
        steps = _Steps(progress, len(unsketched) + len(fresh))
        with ThreadPoolExecutor(self._workers) as pool:
            unread = self._sketch_pictures(pool, unsketched, steps)
            self._sketched_up_to = sketched_up_to
            with self._catalogue.snapshot() as snapshot:
                number, known = snapshot.number, self.candidates.read_hashes(snapshot)
            verified = self._compare_new(pool, known, steps)
            if verified:
                verified += self._complete_components(pool, known, steps)
        self.candidates.save()
        self._compared_up_to = number
        return EvidenceReport(len(unsketched) - len(unread), tuple(unread), verified)

    def sketch(self) -> None:
        """Sketch the pictures that are new, and compare none: enough to find what another picture may be a copy of."""
        load_opencv()
        with self._catalogue.snapshot() as snapshot:
            if snapshot.number == self._sketched_up_to:
                return
            unsketched = snapshot.duplicates.unsketched_pictures(find_touched(snapshot, self._sketched_up_to))
            number = snapshot.number
        if unsketched:
            with ThreadPoolExecutor(self._workers) as pool:
                self._sketch_pictures(pool, unsketched, _Steps(None, 0))
        self._sketched_up_to = number

    def _sketch_pictures(
        self, pool: ThreadPoolExecutor, pictures: Sequence[UnsketchedPicture], steps: _Steps
    ) -> list[int]:
        """Sketch these pictures; return the ids of items whose picture could not be read."""
        unread: list[int] = []
        for start in range(0, len(pictures), BATCH):
            part = pictures[start : start + BATCH]
            sketches = steps.collect(pool.map(self._sketch_picture, part))
            rows = [(picture, sketch) for picture, sketch in zip(part, sketches, strict=True) if sketch]
            unread += [picture.item_id for picture, sketch in zip(part, sketches, strict=True) if sketch is None]
            with self._catalogue.transaction() as transaction:
                transaction.put_sketches(rows)
            steps.add(len(part))
        return unread

    def count_waiting(self) -> int:
        """Return the number of pictures that have not been compared with the others."""
        with self._catalogue.snapshot() as snapshot:
            known = self.candidates.read_hashes(snapshot)
            waiting = known.item_ids[~known.are_compared].tolist()
            return len({*waiting, *(picture.item_id for picture in snapshot.duplicates.unsketched_pictures())})

    def _sketch_picture(self, picture: UnsketchedPicture) -> Sketch | None:
        """Return the sketch of a picture; None if the picture can't be read."""
        try:
            with take_turns():
                return sketch_picture(self._load_picture(picture.item_id, 2 * EDGE))
        except PictureError:
            return None

    # ---- a picture that is not in the collection

    def find_candidates(self, snapshot: Snapshot, image: Image, vector: Vectors) -> list[int]:
        """Return the ids of items that a picture may be a duplicate of.

        vector: the picture's own, prepared for the flat file, float32 (1, dimension).
        """
        known = self.candidates.read_hashes(snapshot)
        hashed = np.array(hashes.hash_picture(image), np.uint64)
        look = look_at(shrink(image, 2 * LOOK_EDGE))  # as items are; of many megapixels it takes much memory
        guest = Guest(extract_compact(image, limit=QUERY_POINTS), look, hashed)
        return self._gate.keep_for(guest, self.candidates.find_candidates(guest, vector, known), known)

    def verify_candidates(self, image: Image, items: Iterable[int]) -> Iterator[tuple[int, str, Verdict]]:
        """Verify a picture against items; yield the item id, the kind of the pair and the verdict.

        Items whose picture can't be read are left out.
        """
        item_ids = list(items)
        if not item_ids:
            return
        own = picture_features.extract_features(image)
        in_detail: Features | None = None
        with self._catalogue.snapshot() as snapshot:
            stored = _unpack_sound(snapshot.duplicates.features(item_ids))
        for item_id in item_ids:
            features = stored.get(item_id) or self._extract_features(item_id)
            if features is None:
                continue
            verdict = verify_features(own, features)
            if verdict.score < SAME:  # it may show the item as a small part, in which there are too few points
                in_detail = in_detail or picture_features.extract_features(image, limit=picture_features.QUERY_POINTS)
                verdict = max(verdict, verify_features(in_detail, features), key=lambda judged: judged.score >= SAME)
            may_be_equal = verdict.kind == "same picture" and image.size == (features.width, features.height)
            equal = may_be_equal and self._hash_pixels(item_id) == hashes.hash_pixels(image)
            yield (item_id, "same pixels", replace(verdict, score=1.0)) if equal else (item_id, verdict.kind, verdict)

    # ---- candidates

    def _compare_new(self, pool: ThreadPoolExecutor, known: PictureHashes, steps: _Steps) -> int:
        """Compare the pictures that were never compared with all others; return the number of pairs verified."""
        fresh = np.flatnonzero(~known.are_compared)
        verified, rejected = 0, set[tuple[int, int]]()
        for start in range(0, len(fresh), BATCH):
            part = fresh[start : start + BATCH]
            with self._catalogue.snapshot() as snapshot:
                screens = list_screens(snapshot, known.item_ids[part].tolist())
            self._details = self._screens.describe(pool, screens)
            a, b = self.candidates.find_pairs(pool, known, part, self._details)
            with self._catalogue.snapshot() as snapshot:
                new = ~snapshot.duplicates.were_compared(a, b)
            pairs = [
                pair
                for pair in zip(a[new].tolist(), b[new].tolist(), strict=True)
                if pair not in rejected or self._details.keys() & {*pair}
            ]
            kept = self._keep_alike(pool, pairs, known)
            rejected |= set(pairs) - set(kept)
            a, b = (np.array([pair[side] for pair in kept], np.int64) for side in (0, 1))
            verified += self._verify_pairs(pool, a, b, known, known.item_ids[part], steps)
            steps.add(len(part))
        return verified

    def _keep_alike(
        self, pool: ThreadPoolExecutor, pairs: Sequence[tuple[int, int]], known: PictureHashes
    ) -> list[tuple[int, int]]:
        """Return the pairs that a glance can't tell apart, and those with the same bytes."""
        with self._catalogue.snapshot() as snapshot:
            contents = snapshot.duplicates.content_hashes(sorted({item_id for pair in pairs for item_id in pair}))
        equal = [pair for pair in pairs if contents.get(pair[0], b"") == contents.get(pair[1])]
        alike = self._gate.keep(pool, pairs, known, details=self._details)
        return sorted({*equal, *alike})

    def _complete_components(self, pool: ThreadPoolExecutor, known: PictureHashes, steps: _Steps) -> int:
        """Verify duplicates of duplicates too, which may be too different to be candidates.

        Returns the number of pairs verified.
        """
        with self._catalogue.snapshot() as snapshot:
            duplicates = [(row.a, row.b) for row in snapshot.duplicates.pairs(SAME, DUPLICATE_KINDS)]
            components = [sorted(component) for component in find_components(duplicates)]
            large = [item_id for component in components if len(component) > MAX_COMPONENT for item_id in component]
            sizes = {row.id: (row.width or 0) * (row.height or 0) for row in snapshot.items(large)}
            pairs = [pair for component in components for pair in _list_pairs(component, sizes)]
            a, b = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
            new = ~snapshot.duplicates.were_compared(a, b)
        return self._verify_pairs(pool, a[new], b[new], known, np.empty(0, np.int64), steps) if new.any() else 0

    # ---- verdicts

    def _verify_pairs(
        self, pool: ThreadPoolExecutor, a: Ids, b: Ids, known: PictureHashes, compared: Ids, steps: _Steps
    ) -> int:
        """Verify pairs, and note that the items `compared` were compared with all others; return the number of pairs
        that could be verified.

        Of pictures with equal pixels one stands for all.
        """
        pairs = list(zip(a.tolist(), b.tolist(), strict=True))
        item_ids = sorted({item_id for pair in pairs for item_id in pair})
        with self._catalogue.snapshot() as snapshot:
            rows_by_id = {row.id: row for row in snapshot.items(item_ids)}
        first_of = self._group_equal_pixels(pool, pairs, known, rows_by_id, steps)
        standing = [(first_of.get(left, left), first_of.get(right, right)) for left, right in pairs]
        features = self._read_features(pool, sorted({item_id for pair in standing for item_id in pair}), steps)

        def verify_pair(pair: tuple[int, int]) -> Verdict | None:
            left, right = features.get(pair[0]), features.get(pair[1])
            if left is None or right is None:
                return None
            if pair[0] == pair[1] and has_contrast(left):
                return EQUAL
            return self._screens.verify(pair, left, right, self._details)

        distinct = sorted(set(standing))
        verdicts = dict(zip(distinct, steps.collect(pool.map(verify_pair, distinct)), strict=True))
        rows = []
        for pair, stand in zip(pairs, standing, strict=True):
            verdict = EQUAL if _have_equal_bytes(rows_by_id, pair) else verdicts[stand]
            if verdict is not None:
                kind = "same pixels" if verdict is EQUAL else verdict.kind
                rows.append(PairRow(*pair, kind, round(verdict.score, 4), verdict.to_dict()))
        with self._catalogue.transaction() as transaction:
            transaction.duplicates.put_pairs(rows)
            transaction.duplicates.mark_compared(compared.tolist())
        known.are_compared[np.searchsorted(known.item_ids, compared)] = True
        return len(rows)

    def _read_features(self, pool: ThreadPoolExecutor, item_ids: Sequence[int], steps: _Steps) -> dict[int, Features]:
        """Return the features of items whose picture can be read, extracted and stored now if none are stored."""
        with self._catalogue.snapshot() as snapshot:
            features = _unpack_sound(snapshot.duplicates.features(item_ids))
        missing = [item_id for item_id in item_ids if item_id not in features]
        extracted = dict(zip(missing, steps.collect(pool.map(self._extract_features, missing)), strict=True))
        new = {item_id: found for item_id, found in extracted.items() if found is not None}
        if new:
            packed = {item_id: picture_features.pack_features(found) for item_id, found in new.items()}
            with self._catalogue.transaction() as transaction:
                transaction.duplicates.put_features(packed)
        return features | new

    def _extract_features(self, item_id: int) -> Features | None:
        """Return the features of an item, from its picture; None if it can't be read."""
        try:
            with take_turns():
                return picture_features.extract_features(self._load_picture(item_id, picture_features.EDGE))
        except PictureError:
            return None

    def _group_equal_pixels(
        self,
        pool: ThreadPoolExecutor,
        pairs: Sequence[tuple[int, int]],
        known: PictureHashes,
        rows_by_id: Mapping[int, ItemRow],
        steps: _Steps,
    ) -> dict[int, int]:
        """Return the first of the items with equal pixels, for each of them.

        Only pictures of one size and nearly equal hashes are decoded in full.
        """
        places = find_places(known.item_ids, sorted({item_id for pair in pairs for item_id in pair}))
        sizes = {item_id: (row.width, row.height) for item_id, row in rows_by_id.items()}
        alike = [(x, y) for x, y in pairs if x in sizes and sizes[x] == sizes.get(y) and x in places and y in places]
        words = [(known.hashes[places[x], 0], known.hashes[places[y], 0]) for x, y in alike]
        bits = [int(hashes.count_differing_bits(x, y)) for x, y in words]
        close = [pair for pair, count in zip(alike, bits, strict=True) if count <= EQUAL_PIXEL_BITS]
        item_ids = sorted({item_id for pair in close for item_id in pair})
        first_by_pixels: dict[bytes, int] = {}
        digests = dict(zip(item_ids, steps.collect(pool.map(self._hash_pixels, item_ids)), strict=True))
        return {
            item_id: first_by_pixels.setdefault(digest, item_id)
            for item_id, digest in digests.items()
            if digest is not None
        }

    def _hash_pixels(self, item_id: int) -> bytes | None:
        """Return the hash of all pixels of an item; None if its picture can't be read."""
        try:
            with take_turns():
                return hashes.hash_pixels(self._load_picture(item_id, 0))
        except PictureError:
            return None


class _Steps:
    """Counts what is done, and tells it."""

    def __init__(self, progress: ReportProgress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        if total:
            self.add(0)

    def collect(self, results: Iterable[T]) -> list[T]:
        """Return the results of threads; what is told of progress may end the work after each of them."""
        collected = []
        for result in results:
            collected.append(result)
            self.add(0)
        return collected

    def add(self, count: int) -> None:
        self._done += count
        if self._progress:
            self._progress(min(self._done, self._total), self._total)


def _unpack_sound(stored: Mapping[int, bytes]) -> dict[int, Features]:
    """Unpack stored features; those that can't be read, or that an older version has stored, are made again."""
    features = {}
    for item_id, data in stored.items():
        try:
            features[item_id] = picture_features.unpack_features(data)
        except StoredFileDamaged:
            continue
    return features


def _have_equal_bytes(rows_by_id: Mapping[int, ItemRow], pair: tuple[int, int]) -> bool:
    digests = {row.hash if (row := rows_by_id.get(item_id)) else None for item_id in pair}
    return len(digests) == 1 and None not in digests


def _list_pairs(component: Sequence[int], sizes: Mapping[int, int]) -> list[tuple[int, int]]:
    if len(component) <= MAX_COMPONENT:
        return list(combinations(component, 2))
    best = max(component, key=lambda item_id: (sizes.get(item_id, 0), -item_id))
    return [(min(best, item_id), max(best, item_id)) for item_id in component if item_id != best]


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
