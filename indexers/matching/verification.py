"""Are two pictures the same? The verdict, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.matching.alignment import refined, search
from indexers.matching.comparing import Comparison, compare
from indexers.matching.differences import differences
from indexers.matching.features import Features, features
from indexers.matching.geometry import Agreement, Similarity, agreement

Kind = Literal["same picture", "same scene", "different"]

SAME = 0.5
"""Scores from here on are the same picture."""
FEWEST = 8
"""Points that have to agree, below which they prove nothing."""
_SCENE = 15  # points that make a scene
_ENOUGH = 25  # points that convince, so that the mirror image need not be tried
_FLAT = 4.0  # grey levels, the standard deviation of a picture with nothing to align
_SMOOTH = 40  # points below which a picture is compared by its pixels too


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found about pictures a and b.

    `score`: how sure it is that they are the same picture, 0 to 1, `SAME` being the limit. `inliers`: points that agree
    on `transform` (0 where pixels alone were compared). `overlap`: the share of the smaller picture, as they lie over
    each other, that both show. `transform` float64 (2, 3): x and y in pixels of a, as given, to those of b; None where
    none was found. `mirrored`, `scale` (of b's pixels over a's, as given), `rotation` in degrees, clockwise, -180 to
    180. `agreement`: share of blocks of pixels that are the same. `differs`: in words, what
    makes b another picture than a, or a than b; none if nothing does.
    """

    kind: Kind
    score: float
    inliers: int = 0
    overlap: float = 0.0
    agreement: float = 0.0
    transform: NDArray[np.float64] | None = None
    mirrored: bool = False
    scale: float = 1.0
    rotation: float = 0.0
    differs: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "score": round(self.score, 4),
            "inliers": self.inliers,
            "overlap": round(self.overlap, 4),
            "agreement": round(self.agreement, 4),
            "transform": None if self.transform is None else self.transform.round(4).tolist(),
            "mirrored": self.mirrored,
            "scale": round(self.scale, 4),
            "rotation": round(self.rotation, 2),
            "differs": list(self.differs),
        }


def verify(a: Features, b: Features) -> Evidence:
    """Whether `a` and `b` are the same picture, perhaps edited; another view of the same scene; or different.

    Points that look alike and agree on a similarity transform say that both show the same; how they deviate from it,
    and whether the aligned pixels agree, says whether it is the same picture. Pictures with few points are aligned by
    their pixels. Deterministic; `verify(b, a)` says the same with the inverse transform.
    """
    swapped = _rank(b) < _rank(a)
    one, two = (b, a) if swapped else (a, b)
    found = by_points(one, two)
    if (found is None or found.score < SAME) and min(len(a.points), len(b.points)) < _SMOOTH:
        found = max(filter(None, (found, by_pixels(one, two))), key=lambda each: each.score, default=None)
    if found is None:
        return Evidence("different", 0.0)
    return _evidence(a, b, found.inverse() if swapped else found)


def from_pictures(a: Image.Image, b: Image.Image, engine: str = "auto") -> Evidence:
    """`verify` for two upright RGB pictures."""
    return verify(features(a, engine), features(b, engine))


@dataclass(frozen=True, slots=True)
class Proof:
    """A transform between the normalised pictures, and how far it convinces."""

    similarity: Similarity
    comparison: Comparison
    score: float
    inliers: int

    def inverse(self) -> Proof:
        return Proof(self.similarity.inverse(), self.comparison.inverse(), self.score, self.inliers)


def by_points(a: Features, b: Features) -> Proof | None:
    """By the points that agree, upright or mirrored; None where too few do. The mirror image is tried last, unless the
    picture itself convinces: a symmetrical one may be the same both ways."""
    best: Proof | None = None
    for mirror in (False, True):
        points = agreement(a, b, mirror)
        if points is None or points.inliers < FEWEST:
            continue
        pixels = compare(a, b, points.similarity)
        if pixels is not None:
            found = Proof(points.similarity, pixels, _score(points, pixels), points.inliers)
            best = max(filter(None, (best, found)), key=lambda each: (each.score >= SAME, each.inliers))
        if best is not None and best.score >= SAME and best.inliers >= _ENOUGH:
            break
    return best


def by_pixels(a: Features, b: Features) -> Proof | None:
    """By the thumbnails alone: as they lie, mirrored, and under the transforms of `search`."""
    best: Proof | None = None
    for similarity in _plain(a, b):
        best = _better(best, a, b, similarity)
        if best is not None and best.score >= 0.9:
            return best
    if min(a.thumbnail.std(), b.thumbnail.std()) < _FLAT:
        return best
    found = search(a, b)
    return best if found is None else _better(best, a, b, found)


def _plain(a: Features, b: Features) -> list[Similarity]:
    """Edge on edge, upright and mirrored, where the shapes are alike."""
    scale = b.size[0] / a.size[0]
    if abs(np.log(scale * a.size[1] / b.size[1])) > 0.03:
        return []
    return [Similarity(scale, 0), Similarity(-scale, complex(b.size[0], 0), True)]


def _better(best: Proof | None, a: Features, b: Features, similarity: Similarity) -> Proof | None:
    for one in (similarity, refined(a, b, similarity)):
        comparison = compare(a, b, one)
        if comparison is not None:
            score = _pixel_score(comparison)
            if best is None or score > best.score:
                best = Proof(one, comparison, score, 0)
    return best


def _score(points: Agreement, pixels: Comparison) -> float:
    """A logistic regression over copies and simulated bursts (the bench's half for tuning), and what other pictures
    with a few points in common need."""
    odds = (
        5.8
        - 1.05 * np.log(1 + 20 * points.displaced / points.inliers)
        - 2.8 * np.log(1 + 20 * points.moved / points.inliers)
        - 11.5 * min(points.bend, 1.0)
        - 5.7 * (1 - pixels.agreeing)
        - 1.5 * (1 - pixels.sharpness)
        - 13.5 * pixels.moved
    )
    strange = 0.25 * max(0.0, pixels.colour - 30 - 20 * min(abs(pixels.gain - 1), 0.7)) + 0.5 * max(
        0, _SCENE - points.inliers
    )
    return _logistic(odds - strange)


def _pixel_score(pixels: Comparison) -> float:
    """Without points all has to agree: nearly every block, the colours, and how bright it is where nothing is to be
    seen
    (in a flat picture another brightness is another picture)."""
    odds = 4 - 60 * (1 - pixels.correlation) - 25 * (1 - pixels.agreeing) - 0.3 * max(0.0, pixels.colour - 4)
    lacking = 10 * max(0.0, 0.6 - pixels.overlap)
    flat = abs(pixels.offset + 128 * (pixels.gain - 1)) if pixels.texture < _FLAT else 0.0
    return _logistic(odds - lacking - flat)


def _rank(one: Features) -> tuple[int, int, bytes, bytes]:
    """Some order of pictures, so that both ways round are one computation."""
    return one.width, one.height, one.descriptors.tobytes(), one.thumbnail.tobytes() + one.colours.tobytes()


def _logistic(odds: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def _evidence(a: Features, b: Features, found: Proof) -> Evidence:
    kind: Kind = "same picture" if found.score >= SAME else "same scene" if found.inliers >= _SCENE else "different"
    similarity, pixels = found.similarity, found.comparison
    matrix = similarity.matrix()
    matrix[:, :2] *= np.array(a.size) / (a.width, a.height)
    matrix *= (np.array((b.width, b.height)) / b.size)[:, None]
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    rotation = float(np.degrees(np.angle(-similarity.turn if similarity.mirrored else similarity.turn)))
    words = differences(a, b, similarity, pixels, scale, rotation) if kind == "same picture" else ()
    parts = (found.inliers, pixels.overlap, pixels.agreeing, matrix, similarity.mirrored, scale, rotation, words)
    return Evidence(kind, found.score, *parts)
