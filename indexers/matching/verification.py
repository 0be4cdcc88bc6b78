"""The verdict on two pictures: the same, the same scene, or different; and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.matching.alignment import refine_alignment, search_alignment
from indexers.matching.comparing import Comparison, compare_thumbnails, mask_covered
from indexers.matching.details import DetailComparison, compare_details
from indexers.matching.differences import describe_differences
from indexers.matching.features import Features, extract_features
from indexers.matching.geometry import Agreement, SimilarityTransform, find_agreement

Kind = Literal["same picture", "same template", "same scene", "different"]

SAME = 0.5
"""The score from which two pictures count as the same."""
MIN_INLIERS = 8
"""Points that have to agree; fewer prove nothing."""
_SCENE_INLIERS = 15  # points that make a scene
_CONVINCING_INLIERS = 25  # from here on the mirror image need not be tried
_FLAT_DEVIATION = 4.0  # grey levels: the standard deviation of a picture with nothing to align
_FEW_POINTS = 40  # below this a picture is compared by its pixels too
_DOUBTFUL = 0.45  # the most that a proof scores which what is drawn contradicts
_FAINT = 14.0  # grey levels that a block of a duplicate may leave unexplained, as after strong compression
_FAINT_SHARE = 0.05  # the share of blocks that may
_CLEAR = 20.0  # grey levels that one block in a hundred may leave unexplained
_EXCUSABLE = 0.75  # the share of what is drawn that may lie under a bar or a logo
_WHOLE = 0.97  # the share of a picture from which on the other shows all of it
_SPREAD = 0.2  # the share of blocks in which something is drawn that proves pictures which both lack something
_SHARED = 0.5  # the share that such pictures have to have in common
_PAPER = 0.25  # the share of a drawing or a paper that is blank
_RESCUING = 30  # blocks in which something is drawn that prove more than points which are off their places


@dataclass(frozen=True, slots=True)
class Verdict:
    """The record of a proof about pictures a and b.

    `kind`: "same template" are papers, drawings or screens that have a form in common, and not what is drawn on it.

    `score`: how sure it is that they are the same picture, 0 to 1, `SAME` being the limit. `inliers`: points that agree
    on `transform` (0 where only pixels were compared). `overlap`: the share of the smaller picture, as one lies over
    the other, that both show. `agreement`: the share of blocks of pixels that are the same. `transform` float64 (2, 3):
    takes x and y in pixels of the original a to those of b; None where none was found. `mirrored`, `scale` (of b's
    original pixels over a's), `rotation` in degrees, clockwise, -180 to 180. `differs`: in words, what was changed
    between a and b; empty if nothing was.
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
        """Return the record for JSON, its numbers rounded."""
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


def verify_features(a: Features, b: Features) -> Verdict:
    """Judge whether `a` and `b` are the same picture, perhaps edited; two views of the same scene; or different.

    Points that look alike and agree on a similarity transform show that the scene is the same; how they deviate from
    the transform, and whether the aligned pixels agree, shows whether the picture is. Pictures with few points are
    aligned by their pixels; blank ones are never the same. Deterministic; `verify_features(b, a)` gives the same
    verdict with the inverse transform.
    """
    swapped = _order_key(b) < _order_key(a)
    first, second = (b, a) if swapped else (a, b)
    if not (has_contrast(a) and has_contrast(b)):
        return Verdict("different", 0.0)
    proof = prove_by_points(first, second)
    if (proof is None or proof.score < SAME) and min(len(a.points), len(b.points)) < _FEW_POINTS:
        proofs = filter(None, (proof, prove_by_pixels(first, second)))
        proof = max(proofs, key=lambda candidate: candidate.score, default=None)
    if proof is None:
        return Verdict("different", 0.0)
    return _make_verdict(a, b, proof.swap() if swapped else proof)


def has_contrast(picture: Features) -> bool:
    """Return False for a blank picture, which proves nothing: all such pictures agree, whatever they were made of."""
    deviations = (picture.thumbnail, *np.moveaxis(picture.colours, 2, 0))
    return any(float(values.std()) >= _FLAT_DEVIATION for values in deviations)


def verify_pictures(a: Image.Image, b: Image.Image, engine: str = "auto") -> Verdict:
    """Judge two upright RGB pictures as `verify_features` judges their features."""
    return verify_features(extract_features(a, engine), extract_features(b, engine))


@dataclass(frozen=True, slots=True)
class Proof:
    """A transform between two normalised pictures, and how far it convinces.

    `details`: how what is drawn agrees; None where the rest doesn't convince anyway.
    """

    transform: SimilarityTransform
    comparison: Comparison
    score: float
    inliers: int
    details: DetailComparison | None = None

    def swap(self) -> Proof:
        """Return the proof of b and a."""
        return Proof(self.transform.invert(), self.comparison.swap(), self.score, self.inliers, self.details)


def prove_by_points(a: Features, b: Features) -> Proof | None:
    """Prove by the points that agree, upright or mirrored; None where too few do.

    The mirror image is tried last, unless the picture itself convinces: a symmetrical one may be the same both ways.
    """
    best: Proof | None = None
    for mirror in (False, True):
        points = find_agreement(a, b, mirror)
        if points is None or points.inliers < MIN_INLIERS:
            continue
        pixels = compare_thumbnails(a, b, points.transform)
        if pixels is not None:
            proof = Proof(points.transform, pixels, _score_points(points, pixels), points.inliers)
            proof = check_details(a, b, proof)
            proofs = filter(None, (best, proof))
            best = max(proofs, key=lambda candidate: (candidate.score >= SAME, candidate.inliers))
        if best is not None and best.score >= SAME and best.inliers >= _CONVINCING_INLIERS:
            break
    return best


def prove_by_pixels(a: Features, b: Features) -> Proof | None:
    """Prove by the thumbnails alone: edge on edge, mirrored, and under the transform of `search_alignment`."""
    best: Proof | None = None
    for transform in _list_plain_transforms(a, b):
        best = _pick_better(best, a, b, transform)
        if best is not None and best.score >= 0.9:
            return best
    if min(a.thumbnail.std(), b.thumbnail.std()) < _FLAT_DEVIATION:
        return best
    alignment = search_alignment(a, b)
    return best if alignment is None else _pick_better(best, a, b, alignment)


def _list_plain_transforms(a: Features, b: Features) -> list[SimilarityTransform]:
    """Return the transforms that lay edge on edge, upright and mirrored; none where the shapes differ."""
    scale = b.size[0] / a.size[0]
    if abs(np.log(scale * a.size[1] / b.size[1])) > 0.03:
        return []
    return [SimilarityTransform(scale, 0), SimilarityTransform(-scale, complex(b.size[0], 0), True)]


def _pick_better(best: Proof | None, a: Features, b: Features, transform: SimilarityTransform) -> Proof | None:
    for candidate in (transform, refine_alignment(a, b, transform)):
        comparison = compare_thumbnails(a, b, candidate)
        if comparison is not None:
            score = _score_pixels(comparison)
            if best is None or score > best.score:
                proof = check_details(a, b, Proof(candidate, comparison, score, 0))
                best = proof if best is None or proof.score > best.score else best
    return best


def check_details(a: Features, b: Features, proof: Proof) -> Proof:
    """Return the proof with its score after a look at what is drawn: lowered where it differs.

    A score that is too low because of the points alone is raised where all that is drawn agrees.
    """
    if proof.score < SAME and proof.inliers < _SCENE_INLIERS:
        return proof
    brightness = proof.comparison.gain, proof.comparison.offset
    details = compare_details(a, b, proof.transform, brightness)
    if details is None:
        return replace(proof, score=min(proof.score, _DOUBTFUL))
    score = proof.score
    if not _agrees(details) or not _is_framed(a, b, proof, details):
        score = min(score, _DOUBTFUL)
    elif score < SAME and _convinces(details):
        score = max(score, _apply_logistic(2 - 0.25 * _measure_recolouring(proof.comparison)))
    return replace(proof, score=score, details=details)


def _agrees(details: DetailComparison) -> bool:
    """Return True if what is drawn is the same, but for what compression blurs and what was drawn over it."""
    if details.is_covered:
        return details.share <= _EXCUSABLE
    faint = details.worst <= _FAINT and details.share <= _FAINT_SHARE
    return faint or (details.worst <= _CLEAR and details.share <= 0.01)


def _convinces(details: DetailComparison) -> bool:
    """Return True if what is drawn is so much, and so much the same, that points off their places don't count."""
    same = details.is_covered or not details.differing
    return same and details.drawn >= _RESCUING and details.coverage >= _SPREAD


def _is_framed(a: Features, b: Features, proof: Proof, details: DetailComparison) -> bool:
    """Return True if one picture shows all of the other, or what both show is full of things and most of them.

    A thing that has moved over a blank ground agrees with itself if the frame is moved with it.
    """
    transform = proof.transform
    covered = mask_covered(a, b, transform).mean(), mask_covered(b, a, transform.invert()).mean()
    if max(covered) >= _WHOLE:
        return True
    return proof.comparison.overlap >= _SHARED and details.coverage >= _SPREAD


def _score_points(points: Agreement, pixels: Comparison) -> float:
    """Score a proof by points, 0 to 1.

    A logistic regression over duplicates and simulated bursts (the bench's half for tuning), less what different
    pictures with a few points in common need.
    """
    odds = (
        5.8
        - 1.05 * np.log(1 + 20 * points.displaced / points.inliers)
        - 2.8 * np.log(1 + 20 * points.moved / points.inliers)
        - 11.5 * min(points.bend, 1.0)
        - 5.7 * (1 - pixels.agreeing)
        - 1.5 * (1 - pixels.sharpness)
        - 13.5 * pixels.moved
    )
    few = max(0, _SCENE_INLIERS - points.inliers)
    return _apply_logistic(odds - (0.25 * _measure_recolouring(pixels) + 0.5 * few))


def _measure_recolouring(pixels: Comparison) -> float:
    """Return by how much the colours differ beyond what an edit of brightness and contrast makes of them."""
    return max(0.0, pixels.colour - 30 - 20 * min(abs(pixels.gain - 1), 0.7))


def _score_pixels(pixels: Comparison) -> float:
    """Score a proof by pixels alone, 0 to 1: then everything has to agree.

    Nearly every block, the colours, and in a flat picture the brightness too: there another brightness is another
    picture.
    """
    odds = 4 - 60 * (1 - pixels.correlation) - 25 * (1 - pixels.agreeing) - 0.3 * max(0.0, pixels.colour - 4)
    small_overlap = 10 * max(0.0, 0.6 - pixels.overlap)
    flat = abs(pixels.offset + 128 * (pixels.gain - 1)) if pixels.texture < _FLAT_DEVIATION else 0.0
    return _apply_logistic(odds - small_overlap - flat)


def _order_key(picture: Features) -> tuple[int, int, bytes, bytes]:
    """Return a key that orders any two pictures, so that both ways round are one computation."""
    pixels = picture.thumbnail.tobytes() + picture.colours.tobytes()
    return picture.width, picture.height, picture.descriptors.tobytes(), pixels


def _apply_logistic(odds: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def _name_kind(proof: Proof) -> Kind:
    if proof.score >= SAME:
        return "same picture"
    if proof.details is not None and proof.details.differing and proof.details.blank >= _PAPER:
        return "same template"
    return "same scene" if proof.inliers >= _SCENE_INLIERS else "different"


def _make_verdict(a: Features, b: Features, proof: Proof) -> Verdict:
    kind = _name_kind(proof)
    transform, pixels = proof.transform, proof.comparison
    matrix = transform.to_matrix()
    matrix[:, :2] *= np.array(a.size) / (a.width, a.height)
    matrix *= (np.array((b.width, b.height)) / b.size)[:, None]
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    rotation = float(np.degrees(np.angle(-transform.turn if transform.mirrored else transform.turn)))
    differs = describe_differences(a, b, transform, pixels, scale, rotation) if kind == "same picture" else ()
    return Verdict(
        kind,
        proof.score,
        proof.inliers,
        pixels.overlap,
        pixels.agreeing,
        matrix,
        transform.mirrored,
        scale,
        rotation,
        differs,
    )
