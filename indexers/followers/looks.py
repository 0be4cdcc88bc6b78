"""The gate before the proofs: pairs that a glance, or their local features, tell apart are not proved."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PictureHashes
from indexers.errors import PictureError, StoredFileDamaged
from indexers.followers.nomination import read_compact
from indexers.matching import hashes
from indexers.matching.agreement import MANY_POINTS, find_rough_transform
from indexers.matching.coarse import (
    LOOK_EDGE,
    Look,
    lie_on_each_other,
    look_at,
    look_at_features,
    may_be_laid,
    may_be_whole,
    resemble,
)
from indexers.matching.compact import CompactFeatures
from indexers.matching.features import unpack_features
from indexers.matching.geometry import SimilarityTransform
from indexers.pictures.turns import take_turns

FAR_BITS = 20
"""Bits of 64 from which on no view of one picture is that of the other, edge on edge."""
MANY_AGREEING = 10
"""Matches that agree from which on a glance does not outvote them: it knows of no stretching. Different photographs
have 5 at most, a corner of one that was stretched 60 and more."""
MAX_LOOKS = 20_000
"""Looks that stay in memory, of 6 KB each."""

GUEST = 0
"""The id of no item, for a picture outside the collection."""
MISSING: Any = object()
NO_DETAILS: Mapping[int, CompactFeatures] = {}
LoadPicture = Callable[[int, int], Image]
Pair = tuple[int, int]


class Guest(NamedTuple):
    """A picture outside the collection. hashes: uint64 (VIEWS,)."""

    compact: CompactFeatures
    look: Look
    hashes: NDArray[np.uint64]


class PairGate:
    """Tells which pairs of pictures may be the same, by what is kept of each picture. Looks are taken once."""

    def __init__(self, catalogue: Catalogue, load_picture: LoadPicture) -> None:
        self._catalogue, self._load_picture = catalogue, load_picture
        self._looks: OrderedDict[int, Look | None] = OrderedDict()

    def keep_for(self, guest: Guest, item_ids: Sequence[int], known: PictureHashes) -> list[int]:
        """Return the items that may be the same picture as one outside the collection. Runs in the caller's thread."""
        wanted = np.unique(np.array(item_ids, np.int64))
        places = np.searchsorted(known.item_ids, wanted)
        places = places[known.item_ids.take(places, mode="clip") == wanted] if len(known.item_ids) else places[:0]
        own = PictureHashes(np.array([GUEST]), guest.hashes[None], np.array([False]))
        known = PictureHashes(
            *(np.concatenate([mine, all_of[places]]) for mine, all_of in zip(own, known, strict=True))
        )
        return [pair[1] for pair in self.keep(None, [(GUEST, item_id) for item_id in item_ids], known, guest)]

    def keep(
        self,
        pool: Executor | None,
        pairs: Sequence[Pair],
        known: PictureHashes,
        guest: Guest | None = None,
        details: Mapping[int, CompactFeatures] = NO_DETAILS,
    ) -> list[Pair]:
        """Return the pairs that may be the same picture, and those of which too little is known.

        pool: takes looks; without it the caller's thread does. guest: the picture that the id GUEST stands for.
        details: by id, more points of items than are kept of them.
        """
        item_ids = sorted({item_id for pair in pairs for item_id in pair})
        with self._catalogue.snapshot() as snapshot:
            compact = read_compact(snapshot, item_ids) | dict(details) | ({GUEST: guest.compact} if guest else {})
        are_far = _are_far(pairs, known).tolist()
        near = [pair for pair, is_far in zip(pairs, are_far, strict=True) if not is_far]
        looks = self._take_looks(pool, near, guest)
        # pairs are judged in this thread: in two they took twice the processor time, waiting for the interpreter's lock
        whole = {pair for pair in near if _may_be_whole(looks, pair)}
        rest = [pair for pair in pairs if pair not in whole]
        matches = {pair: _match(compact, looks, pair) for pair in rest}
        matched = [pair for pair in rest if matches[pair].may_be_same]
        looks = self._take_looks(pool, matched, guest)
        are_near = set(near)
        whole |= {pair for pair in matched if _may_be_laid(looks, matches, are_near, pair)}
        return [pair for pair in pairs if pair in whole]

    def forget(self, item_ids: Sequence[int] | None) -> None:
        """Forget the looks of items whose pictures may have changed; None: of all."""
        for item_id in list(self._looks) if item_ids is None else item_ids:
            self._looks.pop(item_id, None)

    def _take_looks(self, pool: Executor | None, pairs: Sequence[Pair], guest: Guest | None) -> dict[int, Look | None]:
        item_ids = sorted({item_id for pair in pairs for item_id in pair} - {GUEST})
        looks = {item_id: self._looks.get(item_id, MISSING) for item_id in item_ids}  # others may forget some meanwhile
        missing = [item_id for item_id, look in looks.items() if look is MISSING]
        with self._catalogue.snapshot() as snapshot:
            stored = snapshot.duplicates.features(missing)
        take = partial(self._take_look, stored)
        new = dict(zip(missing, pool.map(take, missing) if pool else map(take, missing), strict=True))
        self._looks |= new
        while len(self._looks) > MAX_LOOKS:
            self._looks.popitem(last=False)
        return {**looks, **new, **({GUEST: guest.look} if guest else {})}

    def _take_look(self, stored: Mapping[int, bytes], item_id: int) -> Look | None:
        """Return the look of an item, by its features if some are stored; None if its picture can't be read."""
        if item_id in stored:
            try:
                return look_at_features(unpack_features(stored[item_id]))
            except StoredFileDamaged:
                pass
        try:
            with take_turns():
                return look_at(self._load_picture(item_id, 2 * LOOK_EDGE))
        except PictureError:
            return None


def _may_be_whole(looks: Mapping[int, Look | None], pair: Pair) -> bool:
    a, b = looks[pair[0]], looks[pair[1]]
    return a is None or b is None or may_be_whole(a, b)


class _Match(NamedTuple):
    """How many local features agree on a transform, and it: None if too few do. `is_known`: enough of them are."""

    is_known: bool
    agreeing: int = 0
    transform: SimilarityTransform | None = None

    @property
    def may_be_same(self) -> bool:
        return not self.is_known or self.transform is not None


def _match(compact: Mapping[int, CompactFeatures], looks: Mapping[int, Look | None], pair: Pair) -> _Match:
    a, b = compact.get(pair[0]), compact.get(pair[1])
    if a is None or b is None or min(len(a.words), len(b.words)) < MANY_POINTS:
        return _Match(is_known=False)
    seen = [looks.get(item_id) for item_id in pair]
    are_signs = all(look is not None and look.is_sign for look in seen)
    return _Match(True, *find_rough_transform(a, b, is_upright=are_signs))


def _may_be_laid(
    looks: Mapping[int, Look | None], matches: Mapping[Pair, _Match], near: Container[Pair], pair: Pair
) -> bool:
    a, b, match = looks[pair[0]], looks[pair[1]], matches[pair]
    if a is None or b is None:
        return True
    if match.transform is None:
        return resemble(a, b)
    are_signs = a.is_sign and b.is_sign
    if match.agreeing >= MANY_AGREEING and not are_signs:
        return True
    is_judged = pair in near and are_signs and lie_on_each_other(a, b, match.transform)
    return not is_judged and may_be_laid(a, b, match.transform)


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
