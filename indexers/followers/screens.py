"""Pictures of screens, which are looked at more closely: what they show may be a small part of them.

The points that are kept of a picture are few, and on a page most of them lie in its words. So pages are described again
in more of them while they are compared, and proved by more.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from indexers.catalogue.shots import ShotRow
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import PictureError, StoredFileDamaged
from indexers.matching import features as picture_features
from indexers.matching.clarity import unpack_clarity
from indexers.matching.compact import QUERY_POINTS, CompactFeatures, extract_compact
from indexers.matching.features import Features
from indexers.matching.pages import is_page
from indexers.matching.sketch import EDGE
from indexers.matching.verification import SAME, Verdict, verify_features
from indexers.pictures.turns import take_turns

LEAST_EDGE = 360
"""Pixels of the longer edge of a screen, or of a part of one that somebody has cut out."""
PAPER, DARK = 200.0, 30.0
"""Grey levels of the ground of pages and programs."""
PLAIN = 2.0
"""Octaves of sharpness of a plain ground."""
GROUND = 0.15
"""The share of a page that is such a ground, at least."""


def list_screens(snapshot: Snapshot, item_ids: Sequence[int]) -> list[int]:
    """Return those of these items that may be pages or programs on a screen: no camera has taken them, they are stored
    without loss, and something of them is plain."""
    likely = [row.id for row in snapshot.shots.rows(item_ids) if _may_be_screen(row)]
    clarities = snapshot.duplicates.clarities(likely)
    return [item_id for item_id in likely if item_id in clarities and _has_ground(clarities[item_id])]


def _may_be_screen(row: ShotRow) -> bool:
    return bool(row.format == "PNG" and not row.camera and max(row.width, row.height) >= LEAST_EDGE)


def _has_ground(data: bytes) -> bool:
    try:
        clarity = unpack_clarity(data)
    except StoredFileDamaged:
        return False
    is_ground = (clarity.brightness >= PAPER) | (clarity.brightness <= DARK) | (clarity.sharpness <= PLAIN)
    return float(np.mean(is_ground)) >= GROUND


class ScreenReader:
    """Describes pictures of screens in many points. load_picture: of an item id, its longer edge at least so long."""

    def __init__(self, load_picture: Any) -> None:
        self._load_picture = load_picture
        self._features: dict[int, Features | None] = {}

    def describe(self, pool: Executor, item_ids: Sequence[int]) -> dict[int, CompactFeatures]:
        """Return the many points of those of these items whose picture can be read and looks like a page, and forget
        those of others."""
        self._features = {}
        described = zip(item_ids, pool.map(self._describe, item_ids), strict=True)
        return {item_id: features for item_id, features in described if features is not None}

    def _describe(self, item_id: int) -> CompactFeatures | None:
        try:
            with take_turns():
                image = self._load_picture(item_id, 2 * EDGE)
                return extract_compact(image, limit=QUERY_POINTS) if is_page(image) else None
        except PictureError:
            return None

    def verify(self, ids: tuple[int, int], a: Features, b: Features, details: dict[int, CompactFeatures]) -> Verdict:
        """Judge whether two items are the same picture, or one a part of the other; screens by more points, if the
        usual ones prove nothing."""
        verdict = verify_features(a, b)
        if verdict.score >= SAME or not details.keys() & {*ids}:
            return verdict
        many = [self._read(item_id) if item_id in details else None for item_id in ids]
        in_detail = verify_features(many[0] or a, many[1] or b)
        return in_detail if in_detail.score >= SAME else verdict

    def _read(self, item_id: int) -> Features | None:
        if item_id not in self._features:
            try:
                with take_turns():
                    image = self._load_picture(item_id, picture_features.EDGE)
                many = picture_features.extract_features(image, limit=picture_features.QUERY_POINTS)
                self._features[item_id] = many
            except PictureError:
                self._features[item_id] = None
        return self._features[item_id]
