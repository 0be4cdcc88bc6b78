"""Whether shots show the same frame: by stored verdicts, local features, hashes and the brightness of their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import numpy as np

from indexers.arrays import split_chunks
from indexers.catalogue.duplicates import PairRow
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import PictureError, StoredFileDamaged
from indexers.followers.evidence import DUPLICATE_KINDS, PART_KINDS
from indexers.followers.nomination import read_compact
from indexers.matching.agreement import MANY_POINTS, find_rough_transform
from indexers.matching.clarity import Clarity, measure_clarity, pack_clarity, unpack_clarity
from indexers.matching.compact import CompactFeatures
from indexers.matching.features import EDGE
from indexers.matching.hashes import count_bits

SCENE_KINDS = (*DUPLICATE_KINDS, *PART_KINDS, "same scene", "same template")
"""Kinds of verdicts by which two pictures show the same things."""
CLOSE_BITS = 16
"""Bits of 64 in which the hashes of shots of one frame, taken one after the other, may differ."""
ALIKE = 0.9
"""The correlation of the brightness of their parts from which on two shots show one frame."""
BLANK_DEVIATION, BLANK_OCTAVES = 4.0, 2.0
"""Grey levels and octaves of sharpness below which a picture shows nothing that could tell frames apart."""

LoadPicture = Callable[[int, int], object]


class Frames:
    """What is stored of pictures, read for many at once, and what follows of two of them.

    Verdicts on two contents are remembered as long as the collection is open.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, bytes, bytes], bool | None] = {}
        self.clarities: dict[int, Clarity] = {}
        self._hashes: dict[int, int] = {}
        self._compact: dict[int, CompactFeatures] = {}
        self._scenes: set[tuple[int, int]] = set()

    def read(self, snapshot: Snapshot, item_ids: Iterable[int], pairs: Iterable[PairRow]) -> None:
        """Read what is stored of these items, and take over verdicts."""
        ids = sorted(set(item_ids))
        self._scenes = {(pair.a, pair.b) for pair in pairs if pair.kind in SCENE_KINDS}
        self.clarities, self._hashes = {}, {}
        for chunk in split_chunks(ids):
            known = snapshot.duplicates.picture_hashes(chunk)
            self._hashes |= dict(zip(known.item_ids.tolist(), known.hashes[:, 0].tolist(), strict=True))
        for item_id, data in snapshot.duplicates.clarities(ids).items():
            with suppress(StoredFileDamaged):
                self.clarities[item_id] = unpack_clarity(data)
        self._compact = read_compact(snapshot, ids)

    def list_unmeasured(self, item_ids: Iterable[int]) -> list[int]:
        """Return the items with hashes whose clarity is not known: those that an older version has added."""
        return sorted({item_id for item_id in item_ids if item_id in self._hashes and item_id not in self.clarities})

    def measure(self, item_ids: Sequence[int], load_picture: Callable[[int, int], object]) -> dict[int, bytes]:
        """Measure the clarity of pictures, take it over, and return it to be stored; unreadable ones are left out."""
        measured: dict[int, bytes] = {}
        for item_id in item_ids:
            with suppress(PictureError):
                clarity = measure_clarity(load_picture(item_id, 512))  # type: ignore[arg-type]
                self.clarities[item_id], measured[item_id] = clarity, pack_clarity(clarity)
        return measured

    def are_alike(self, a: tuple[int, bytes], b: tuple[int, bytes]) -> bool | None:
        """Return whether two items, by id and content, show one frame; None if they show too little to tell."""
        first, second = sorted((a, b))
        if (first[0], second[0]) in self._scenes:  # a verdict may come after the pictures were compared here
            return True
        key = (first[0], second[0], first[1], second[1])
        if key not in self._known:
            self._known[key] = self._compare(first[0], second[0])
        return self._known[key]

    def find_pair(self, a: int, b: int, sizes: tuple[tuple[int, int], tuple[int, int]]) -> PairRow | None:
        """Return how one picture lies on another, of which there is no verdict, by their local features alone.

        sizes: of a and b, in pixels; a < b.
        """
        first, second = self._compact.get(a), self._compact.get(b)
        if first is None or second is None:
            return None
        count, transform = find_rough_transform(first, second)
        if transform is None:
            return None
        scales = [max(size) / EDGE for size in sizes]
        matrix = transform.to_matrix() * scales[1]
        matrix[:, :2] /= scales[0]
        return PairRow(a, b, "same scene", 0.0, {"inliers": count, "transform": matrix.tolist(), "differs": []})

    def _compare(self, a: int, b: int) -> bool | None:
        clarities = self.clarities.get(a), self.clarities.get(b)
        if clarities[0] is not None and clarities[1] is not None:
            if is_blank(clarities[0]) and is_blank(clarities[1]):
                return None
            if correlate(*(clarity.brightness for clarity in clarities if clarity)) >= ALIKE:
                return True
        if a in self._hashes and b in self._hashes:
            bits = np.array([self._hashes[a] ^ self._hashes[b]], np.uint64)
            if int(count_bits(bits)[0]) <= CLOSE_BITS:
                return True
        points = self._compact.get(a), self._compact.get(b)
        if points[0] is None or points[1] is None:
            return False if None not in clarities or (a in self._hashes and b in self._hashes) else None
        if min(len(points[0].words), len(points[1].words)) < MANY_POINTS // 4:
            return False
        return find_rough_transform(points[0], points[1], is_upright=True)[1] is not None


def is_blank(clarity: Clarity) -> bool:
    """Return True for a picture that shows nothing, such as one with the lid on the lens."""
    return float(clarity.brightness.std()) < BLANK_DEVIATION and clarity.overall < BLANK_OCTAVES


def correlate(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two tables, 0 if one of them is constant."""
    left, right = a - a.mean(), b - b.mean()
    size = float(np.sqrt((left * left).sum() * (right * right).sum()))
    return float((left * right).sum()) / size if size > 0 else 0.0
