"""The gate before the proofs: pairs that a glance, or their local features, tell apart are not proved."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PictureHashes
from indexers.errors import PictureError, StoredFileDamaged
from indexers.followers.nomination import read_compact
from indexers.matching import hashes
from indexers.matching.agreement import MANY_POINTS, find_rough_transform
from indexers.matching.coarse import LOOK_EDGE, Look, look_at, look_at_features, may_be_laid, may_be_whole, resemble
from indexers.matching.compact import CompactFeatures
from indexers.matching.features import unpack_features
from indexers.matching.geometry import SimilarityTransform

FAR_BITS = 20
"""Bits of 64 from which on no view of one picture is that of the other, edge on edge."""
MAX_LOOKS = 20_000
"""Looks that stay in memory, of 6 KB each."""

LoadPicture = Callable[[int, int], Image]
Pair = tuple[int, int]


class PairGate:
    """Tells which pairs of pictures may be the same, by what is kept of each picture. Looks are taken once."""

    def __init__(self, catalogue: Catalogue, load_picture: LoadPicture) -> None:
        self._catalogue, self._load_picture = catalogue, load_picture
        self._looks: OrderedDict[int, Look | None] = OrderedDict()

    def keep(self, pool: Executor, pairs: Sequence[Pair], known: PictureHashes) -> list[Pair]:
        """Return the pairs that may be the same picture, and those of which too little is known."""
        item_ids = sorted({item_id for pair in pairs for item_id in pair})
        with self._catalogue.snapshot() as snapshot:
            compact = read_compact(snapshot, item_ids)
        matches = list(pool.map(partial(_match, compact), pairs))
        are_far = _are_far(pairs, known)
        wanted = [match is not False or not is_far for match, is_far in zip(matches, are_far, strict=True)]
        looks = self._take_looks(
            pool, sorted({id for pair, look in zip(pairs, wanted, strict=True) if look for id in pair})
        )
        kept = pool.map(partial(_may_be_same, looks), pairs, matches, are_far)
        return [pair for pair, is_kept in zip(pairs, kept, strict=True) if is_kept]

    def forget(self, item_ids: Sequence[int] | None) -> None:
        """Forget the looks of items whose pictures may have changed; None: of all."""
        for item_id in list(self._looks) if item_ids is None else item_ids:
            self._looks.pop(item_id, None)

    def _take_looks(self, pool: Executor, item_ids: Sequence[int]) -> dict[int, Look | None]:
        missing = [item_id for item_id in item_ids if item_id not in self._looks]
        with self._catalogue.snapshot() as snapshot:
            stored = snapshot.duplicates.features(missing)
        self._looks |= zip(missing, pool.map(partial(self._take_look, stored), missing), strict=True)
        looks = {item_id: self._looks[item_id] for item_id in item_ids}
        while len(self._looks) > MAX_LOOKS:
            self._looks.popitem(last=False)
        return looks

    def _take_look(self, stored: Mapping[int, bytes], item_id: int) -> Look | None:
        """Return the look of an item, by its features if some are stored; None if its picture can't be read."""
        if item_id in stored:
            try:
                return look_at_features(unpack_features(stored[item_id]))
            except StoredFileDamaged:
                pass
        try:
            return look_at(self._load_picture(item_id, 2 * LOOK_EDGE))
        except PictureError:
            return None


def _match(compact: Mapping[int, CompactFeatures], pair: Pair) -> SimilarityTransform | bool:
    """Return the transform on which local features agree; False if they agree on none, True if they are too few."""
    a, b = compact.get(pair[0]), compact.get(pair[1])
    if a is None or b is None or min(len(a.words), len(b.words)) < MANY_POINTS:
        return True
    return find_rough_transform(a, b)[1] or False


def _are_far(pairs: Sequence[Pair], known: PictureHashes) -> NDArray[np.bool_]:
    """Return for each pair whether the hashes say that neither is a view of the other; False where one has none."""
    ids = np.array(pairs, np.int64).reshape(-1, 2)
    if not len(known.item_ids):
        return np.zeros(len(ids), np.bool_)
    places = np.minimum(np.searchsorted(known.item_ids, ids), len(known.item_ids) - 1)
    bits = hashes.count_bits(known.hashes[places[:, 0]] ^ known.hashes[places[:, 1], :1]).astype(np.int64)
    is_far = np.minimum(bits, hashes.BITS - bits).min(axis=1) > FAR_BITS
    are_far: NDArray[np.bool_] = is_far & (known.item_ids[places] == ids).all(axis=1)
    return are_far


def _may_be_same(looks: Mapping[int, Look | None], pair: Pair, match: SimilarityTransform | bool, is_far: bool) -> bool:
    if match is False and is_far:
        return False
    a, b = looks[pair[0]], looks[pair[1]]
    if a is None or b is None or (not is_far and may_be_whole(a, b)):
        return True
    if isinstance(match, bool):
        return match and resemble(a, b)
    return may_be_laid(a, b, match)
