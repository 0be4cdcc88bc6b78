"""What a proof rests on: how points, pixels and strokes of two pictures have to agree under a transform."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indexers.matching.comparing import Comparison, mask_covered
from indexers.matching.details import DetailComparison, compare_details
from indexers.matching.drawings import are_other_drawings, has_other_colour
from indexers.matching.features import Features
from indexers.matching.geometry import Agreement, SimilarityTransform
from indexers.matching.resolution import LEGIBLE, WRITTEN, find_resolution, is_legible

SAME = 0.5
"""The score from which two pictures count as the same."""
MIN_INLIERS = 8
"""Points that have to agree; fewer prove nothing."""
SCENE_INLIERS = 15
"""Points that make a scene."""
FLAT_DEVIATION = 4.0
"""Grey levels: the standard deviation of a picture with nothing to align."""
WHOLE = 0.97
"""The share of a picture from which on the other shows all of it."""
_DOUBTFUL = 0.45  # the most that a proof scores which what is drawn contradicts
_FAINT = 14.0  # grey levels that a block of a duplicate may leave unexplained, as after strong compression
_FAINT_SHARE = 0.05  # the share of blocks that may in a paper
_COMPRESSED_SHARE = 0.25  # the share that may in a photograph
BARE = 0.4
"""The share of a picture that is blank in a paper."""
CLEAR = 20.0
"""Grey levels that one block in a hundred may leave unexplained."""
_TURNED_HUES = 30.0  # grey levels that a block may leave unexplained where hues were turned
EXCUSABLE = 0.75
"""The share of what is drawn that may lie under a bar or a logo."""
_SPREAD = 0.2  # the share of blocks in which something is drawn that proves pictures which both lack something
_SHARED = 0.5  # the share that such pictures have to have in common
RESCUING = 30
"""Blocks in which something is drawn that prove more than points which are off their places."""
_TELLING = 20  # blocks in which something is drawn that prove that a picture without points was mirrored or turned
_EMPTY = 0.7  # and the share that is blank from which on so many are needed
_UPRIGHT = 0.05  # radians up to which it was not
_COARSE = 0.5  # the share of the stored pictures' edges up to which one of few pixels is compared as coarse as it is
_BESIDE = 0.2  # the share of what is drawn that may be off its place in a projected picture


@dataclass(frozen=True, slots=True)
class Proof:
    """A transform between two normalised pictures, and how far it convinces.

    `a`, `b`: the features that were compared, of which one may be reshaped. `details`: how what is drawn agrees; None
    where the rest doesn't convince anyway. `stretch`: how many times as wide for its height b is as a. `homography`
    float64 (3, 3): from normalised a to b where one is seen at an angle; the transform is then of a projected picture.
    `is_cut`: one picture shows only a part of the other, small and among other things, as a cell of a grid does.
    `is_refuted`: another transform wouldn't help, since this one is right and the pictures differ.
    """

    a: Features
    b: Features
    transform: SimilarityTransform
    comparison: Comparison
    score: float
    inliers: int
    details: DetailComparison | None = None
    stretch: float = 1.0
    is_inverted: bool = False
    homography: NDArray[np.float64] | None = None
    is_refuted: bool = False
    is_cut: bool = False

    def swap(self) -> Proof:
        """Return the proof of b and a."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            transform=self.transform.invert(),
            comparison=self.comparison.swap(),
            stretch=1 / self.stretch,
            homography=None if self.homography is None else invert_matrix(self.homography),
        )


def check_details(proof: Proof, *, is_whole: bool = False, is_projected: bool = False) -> Proof:
    """Return the proof with its score after a look at what is drawn: lowered where it differs.

    A score that is too low because of the points alone, or of a whole frame (`is_whole`) because of its tones, is
    raised where all that is drawn agrees. In a picture that was projected (`is_projected`) edges may be a little off.
    """
    if proof.score < SAME and proof.inliers < SCENE_INLIERS and not is_whole:
        return proof
    details = _compare_details(proof)
    if details is None or not _is_readable(proof, WRITTEN):
        return replace(proof, score=min(proof.score, _DOUBTFUL), details=details)
    score = proof.score
    if is_projected and details.share <= _BESIDE and details.drawn >= RESCUING and details.coverage >= _SPREAD:
        score = _apply_logistic(2 - 0.25 * _measure_recolouring(proof.comparison))
    elif not _agrees(details, proof.comparison.hue != 0) or not _is_framed(proof, details):
        score = min(score, _DOUBTFUL)
    elif score < SAME and _convinces(details):
        score = max(score, _apply_logistic(2 - 0.25 * _measure_recolouring(proof.comparison)))
    is_other = score >= SAME and (
        are_other_drawings(proof.a, proof.b, proof.transform, details)
        or (not details.is_covered and has_other_colour(proof.a, proof.b, proof.transform))
    )
    return replace(proof, score=_DOUBTFUL if is_other else score, details=details, is_refuted=is_other)


def _compare_details(proof: Proof) -> DetailComparison | None:
    """Compare what is drawn; what differs of a picture with few pixels is compared once more as coarse as that one is,
    unless that hides writing."""
    a, b, transform = proof.a, proof.b, proof.transform
    brightness = proof.comparison.gain, proof.comparison.offset
    details = compare_details(a, b, transform, brightness)
    share = find_resolution(a, b, transform)
    if details is None or not details.differing or details.blank > BARE or share > _COARSE:
        return details
    return (compare_details(a, b, transform, brightness, share) if _is_readable(proof, LEGIBLE) else None) or details


def _is_readable(proof: Proof, limit: float) -> bool:
    """Return True unless one picture has so few pixels that what is written in the other can't be read in it."""
    share = find_resolution(proof.a, proof.b, proof.transform)
    return share > _COARSE or all(is_legible(picture, share, limit) for picture in (proof.a, proof.b))


def _agrees(details: DetailComparison, is_hue_turned: bool = False) -> bool:
    """Return True if what is drawn is the same, but for what compression blurs and what was drawn over it.

    Where all hues were turned alike, blocks of several hues have other brightnesses too.
    """
    if is_hue_turned and details.worst <= _TURNED_HUES and details.share <= _FAINT_SHARE:
        return True
    if details.is_covered:
        return details.share <= EXCUSABLE
    share = _FAINT_SHARE if details.blank > BARE else _COMPRESSED_SHARE
    return (details.worst <= _FAINT and details.share <= share) or (details.worst <= CLEAR and details.share <= 0.01)


def _convinces(details: DetailComparison) -> bool:
    """Return True if what is drawn is so much, and so much the same, that points off their places don't count."""
    same = details.is_covered or not details.differing
    return same and details.drawn >= RESCUING and details.coverage >= _SPREAD


def _is_framed(proof: Proof, details: DetailComparison) -> bool:
    """Return True if one picture shows all of the other, or what both show is full of things and most of them.

    A thing that has moved over a blank ground agrees with itself if the frame is moved with it, or turned over.
    """
    turn = proof.transform.turn
    is_upright = not proof.transform.mirrored and abs(np.angle(turn)) < _UPRIGHT
    if not is_upright and proof.inliers < MIN_INLIERS and details.drawn < _TELLING and details.blank > _EMPTY:
        return False
    if max(measure_covered(proof)) >= WHOLE:
        return True
    return proof.comparison.overlap >= _SHARED and details.coverage >= _SPREAD


def measure_covered(proof: Proof) -> tuple[float, float]:
    """Return which share of a is shown by b, and which share of b by a."""
    forth, back = proof.transform, proof.transform.invert()
    return float(mask_covered(proof.a, proof.b, forth).mean()), float(mask_covered(proof.b, proof.a, back).mean())


def score_points(points: Agreement, pixels: Comparison) -> float:
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
    few = max(0, SCENE_INLIERS - points.inliers)
    return _apply_logistic(odds - (0.25 * _measure_recolouring(pixels) + 0.5 * few))


def _measure_recolouring(pixels: Comparison) -> float:
    """Return by how much the colours differ beyond what an edit of brightness and contrast makes of them."""
    return max(0.0, pixels.colour - 30 - 20 * min(abs(pixels.gain - 1), 0.7))


def score_pixels(pixels: Comparison) -> float:
    """Score a proof by pixels alone, 0 to 1: then everything has to agree.

    Nearly every block, the colours, and in a flat picture the brightness too: there another brightness is another
    picture.
    """
    odds = 4 - 60 * (1 - pixels.correlation) - 25 * (1 - pixels.agreeing) - 0.3 * max(0.0, pixels.colour - 4)
    small_overlap = 10 * max(0.0, 0.6 - pixels.overlap)
    flat = abs(pixels.offset + 128 * (pixels.gain - 1)) if pixels.texture < FLAT_DEVIATION else 0.0
    return _apply_logistic(odds - small_overlap - flat)


def _apply_logistic(odds: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def invert_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the homography the other way round, float64 (3, 3)."""
    return np.asarray(np.linalg.inv(matrix), np.float64)
