"""Ways to prove that two pictures are the same: by points, whole frames, pixels; stretched, inverted, projected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indexers.matching.alignment import fit_into_frame, refine_alignment, search_alignment
from indexers.matching.coarse import ALIKE_FRAMES, compare_squares, make_square
from indexers.matching.comparing import Comparison, compare_thumbnails, mask_covered
from indexers.matching.details import DetailComparison, compare_details
from indexers.matching.drawings import are_other_drawings
from indexers.matching.features import Features
from indexers.matching.geometry import (
    TOLERANCE,
    Agreement,
    Matches,
    SimilarityTransform,
    find_agreement,
    find_homography,
    find_stretch,
    match_points,
)
from indexers.matching.reshaping import (
    crop_features,
    invert_features,
    project_features,
    stretch_features,
    stretch_points,
)

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
_CLEARLY = 0.7  # the share of the matches that leaves no doubt how pictures lie on each other
_STILL = 1.5  # pixels of the normalised picture that a step of alignment moves frames which lie as they should
_EXACT = 0.97  # the correlation of frames that may be the same without a shift
_CONVINCING_INLIERS = 25  # from here on the mirror image need not be tried
_DOUBTFUL = 0.45  # the most that a proof scores which what is drawn contradicts
_FAINT = 14.0  # grey levels that a block of a duplicate may leave unexplained, as after strong compression
_FAINT_SHARE = 0.05  # the share of blocks that may in a paper
_COMPRESSED_SHARE = 0.25  # the share that may in a photograph
_BARE = 0.4  # the share of a picture that is blank in a paper
_CLEAR = 20.0  # grey levels that one block in a hundred may leave unexplained
_TURNED_HUES = 30.0  # grey levels that a block may leave unexplained where hues were turned
_EXCUSABLE = 0.75  # the share of what is drawn that may lie under a bar or a logo
_SPREAD = 0.2  # the share of blocks in which something is drawn that proves pictures which both lack something
_SHARED = 0.5  # the share that such pictures have to have in common
_RESCUING = 30  # blocks in which something is drawn that prove more than points which are off their places
_TELLING = 20  # blocks in which something is drawn that prove that a picture without points was mirrored or turned
_EMPTY = 0.7  # and the share that is blank from which on so many are needed
_UPRIGHT = 0.05  # radians up to which it was not
_STRETCHED = 0.015  # the logarithm of a ratio from which on a picture is stretched
_MOST_STRETCHED = 0.7  # and up to which
_STRETCH_SHARE = 0.5  # the share of the matches that have to agree on a stretch
_MORE = 1.2  # times as many points that a stretch has to explain
_SMALL = 0.5  # the share of a picture up to which it shows a part of another one among other things
_LARGE = 0.2  # the share of that picture which the part has at least
_BLANK_PART = 0.25  # the share of it that may be blank
_OUTERMOST = 0.02  # the share of points at each side that may agree by chance
_PROJECTED_SHARE = 0.6  # the share of the matches that have to agree on a homography
_PROJECTED_INLIERS = 40
_BESIDE = 0.2  # the share of what is drawn that may be off its place in a projected picture
_AROUND = 0.92  # the share of a photograph that the print in it covers at most


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
            homography=None if self.homography is None else _invert(self.homography),
        )


def find_proof(a: Features, b: Features, few_points: int) -> Proof | None:
    """Return the best proof that `a` and `b` are the same, in steps from the usual to the rare; None without any.

    Pictures with fewer than `few_points` points are aligned by their pixels, too.
    """
    matches: list[Matches] = []
    exact = prove_by_frames(a, b, is_exact=True)
    if exact is not None and exact.details is not None:
        differs = exact.details.differing > 0
        if exact.is_refuted or (exact.score >= SAME and not differs) or (differs and _is_settled(exact)):
            return exact
    best = prove_by_points(a, b, matches)
    is_stretched = _measure_change(a, b) > _STRETCHED
    if best is not None and (best.score >= SAME or best.is_refuted or (not is_stretched and _lies_well(best, matches))):
        return best
    best = _pick_best([best, prove_stretched(a, b, matches, best.inliers if best else 0)])
    if best is None or (best.score < SAME and (best.inliers < SCENE_INLIERS or is_stretched)):
        best = _pick_best([best, prove_by_frames(a, b)])
    if (best is None or best.score < SAME) and min(len(a.points), len(b.points)) < few_points:
        best = _pick_best([best, prove_by_pixels(a, b)])
    if best is not None and best.score < SAME and best.inliers >= SCENE_INLIERS and best.a is a and best.b is b:
        pairs = matches[best.transform.mirrored]
        best = _pick_best([best, prove_cut(best, pairs) or prove_projected(best, pairs)])
    return best


def _is_settled(proof: Proof) -> bool:
    """Return True if whole frames lie as they should on each other, and what is drawn differs."""
    if proof.score >= SAME or not _differs_clearly(proof):
        return False
    refined = refine_alignment(proof.a, proof.b, proof.transform, 1)
    width, height = proof.a.size
    corners = np.array([0, width, 1j * height, width + 1j * height])
    moved = np.abs(refined(corners) - proof.transform(corners)) / max(1.0, abs(proof.transform.turn))
    return bool(moved.max() <= _STILL)


def _lies_well(proof: Proof, matches: list[Matches]) -> bool:
    """Return True if nearly all points agree on how papers or drawings lie on each other, and what is drawn differs."""
    agreed = max(_CONVINCING_INLIERS, _CLEARLY * len(matches[proof.transform.mirrored][0]))
    is_paper = proof.details is not None and proof.details.blank >= _BARE
    return is_paper and proof.inliers >= agreed and _differs_clearly(proof)


def _differs_clearly(proof: Proof) -> bool:
    details = proof.details
    return details is not None and details.worst > _CLEAR and not details.is_covered and details.share <= _EXCUSABLE


def _measure_change(a: Features, b: Features) -> float:
    """Return the logarithm of the ratio of two pictures' shapes, 0 or more."""
    return abs(float(np.log(a.width / a.height * b.height / b.width)))


def _pick_best(proofs: Iterable[Proof | None]) -> Proof | None:
    return max(filter(None, proofs), key=lambda proof: (proof.score >= SAME, proof.inliers, proof.score), default=None)


def prove_by_points(a: Features, b: Features, matches: list[Matches]) -> Proof | None:
    """Prove by the points that agree, upright or mirrored; None where too few do.

    The mirror image is tried last, unless the picture itself convinces: a symmetrical one may be the same both ways.
    `matches`: an empty list, to which those of the picture and those of its mirror image are added.
    """
    best: Proof | None = None
    for mirror in (False, True):
        matches.append(match_points(a, b, mirror))
        points = find_agreement(a, b, mirror, matches[mirror])
        best = _pick_best([best, _judge_points(a, b, points)])
        if best is not None and best.score >= SAME and best.inliers >= _CONVINCING_INLIERS:
            break
    return best


def _judge_points(a: Features, b: Features, points: Agreement | None) -> Proof | None:
    if points is None or points.inliers < MIN_INLIERS:
        return None
    pixels = compare_thumbnails(a, b, points.transform)
    if pixels is None:
        return None
    return check_details(Proof(a, b, points.transform, pixels, _score_points(points, pixels), points.inliers))


def prove_by_frames(a: Features, b: Features, *, is_exact: bool = False) -> Proof | None:
    """Prove by the whole frames, edge on edge: turned by right angles, mirrored, stretched, inverted.

    Only where the frames are much alike when both are shrunk to a square. `is_exact`: only as they lie on each other
    best, without stretching, inverting or shifting them.
    """
    best: Proof | None = None
    for correlation, mirror, quarters in _compare_frames(a, b)[: 1 if is_exact else 2]:
        if (correlation if is_exact else abs(correlation)) < (_EXACT if is_exact else ALIKE_FRAMES):
            break
        target = invert_features(b) if correlation < 0 else b
        shape = a.width / a.height if quarters % 2 == 0 else a.height / a.width
        change = float(np.log(b.width / b.height / shape))
        if abs(change) > (_STRETCHED if is_exact else _MOST_STRETCHED):
            continue
        ratio = float(np.exp(change if quarters % 2 == 0 else -change)) if abs(change) > _STRETCHED else 1.0
        source = a if ratio == 1 else stretch_features(a, ratio)
        longer = max(target.size) / max(source.size)
        transform = fit_into_frame(source, longer * 1j**quarters, mirror)
        proof = _refine(source, target, transform, is_exact)
        if proof is not None:
            best = _pick_best([best, replace(proof, stretch=ratio, is_inverted=correlation < 0)])
        if best is not None and best.score >= SAME:
            break
    return best


def _refine(a: Features, b: Features, transform: SimilarityTransform, is_exact: bool) -> Proof | None:
    """Return the better proof of a transform that lays frame on frame and, unless it is exact, of its refinement."""
    best: Proof | None = None
    for is_refined in (False,) if is_exact else (False, True):
        if best is not None and best.score >= SAME:
            break
        candidate = refine_alignment(a, b, transform) if is_refined else transform
        pixels = compare_thumbnails(a, b, candidate)
        if pixels is not None:
            proof = Proof(a, b, candidate, pixels, _score_pixels(pixels), 0)
            best = _pick_best([best, check_details(proof, is_whole=True)])
    return best


def _compare_frames(a: Features, b: Features) -> list[tuple[float, bool, int]]:
    """Return correlation, mirroring and clockwise quarter turns of `a` for all eight of them, the strongest first.

    Of pictures that have contrast in their colours alone: unturned and mirrored.
    """
    if min(a.thumbnail.std(), b.thumbnail.std()) < FLAT_DEVIATION:
        return [(1.0, False, 0), (1.0, True, 2)]
    return compare_squares(make_square(a.thumbnail), make_square(b.thumbnail))


def prove_stretched(a: Features, b: Features, matches: list[Matches], inliers: int) -> Proof | None:
    """Prove that one picture is the other stretched along an axis, perhaps cropped too; by points.

    More have to agree than the `inliers` of a proof without stretching.
    """
    own = (b.width / b.height) / (a.width / a.height)
    best: Proof | None = None
    for mirror in (False, True):
        pairs = matches[mirror]
        if len(pairs[0]) < _CONVINCING_INLIERS:
            continue
        stretch = find_stretch(a, b, mirror, pairs)
        ratios = [own]
        if stretch is not None and stretch[1] >= max(_CONVINCING_INLIERS, _STRETCH_SHARE * len(pairs[0])):
            ratios.insert(0, stretch[0])
        for ratio in ratios:
            if not _STRETCHED < abs(np.log(ratio)) < _MOST_STRETCHED or (best is not None and best.score >= SAME):
                continue
            points = find_agreement(stretch_points(a, ratio), b, mirror, pairs)
            if points is not None and points.inliers >= max(_CONVINCING_INLIERS, _MORE * inliers):
                proof = _judge_points(stretch_features(a, ratio), b, points)
                best = _pick_best([best, proof and replace(proof, stretch=ratio)])
    return best


def prove_cut(proof: Proof, matches: Matches) -> Proof | None:
    """Prove that one picture shows a large part of the other, cut straight, small and among other things.

    The part is where points agree. Pictures in which much is blank prove nothing so: forms have parts in common.
    """
    first, second = measure_covered(proof)
    if min(first, second) >= _SMALL:
        return None
    is_swapped = first < second
    found = proof.swap() if is_swapped else proof
    i, j = reversed(matches) if is_swapped else matches
    box = _find_agreeing_box(found, i, j)
    width, height = found.a.size
    if box is None or (box[2] - box[0]) * (box[3] - box[1]) < _LARGE * width * height:
        return None
    part = crop_features(found.a, box)
    scale = (box[2] - box[0]) / part.size[0]
    transform = replace(
        found.transform,
        turn=found.transform.turn * scale,
        shift=complex(found.transform(np.array([complex(box[0], box[1])]))[0]),
    )
    pixels = compare_thumbnails(part, found.b, transform)
    if pixels is None:
        return None
    agreement = Agreement(transform, len(i), found.inliers, 0, 0, 0.0)
    shown = check_details(Proof(part, found.b, transform, pixels, _score_points(agreement, pixels), found.inliers))
    details = shown.details
    if shown.score < SAME or details is None or details.blank > _BLANK_PART or details.drawn < _RESCUING:
        return None
    cut = replace(found, score=shown.score, comparison=pixels, details=details, is_cut=True)
    return cut.swap() if is_swapped else cut


def _find_agreeing_box(
    proof: Proof, i: NDArray[np.int64], j: NDArray[np.int64]
) -> tuple[float, float, float, float] | None:
    """Return the box in normalised `a`, all of which `b` shows, around nearly all points that agree; None without any.

    `i`, `j`: the places of points that look alike.
    """
    left, right = proof.a.points[i].astype(np.float64), proof.b.points[j].astype(np.float64)
    placed = proof.transform(left[:, 0] + 1j * left[:, 1])
    limit = TOLERANCE * max(1.0, abs(proof.transform.turn))
    agreeing = left[np.abs(placed - (right[:, 0] + 1j * right[:, 1])) <= limit]
    if len(agreeing) < SCENE_INLIERS:
        return None
    low, high = np.quantile(agreeing, [_OUTERMOST, 1 - _OUTERMOST], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def prove_projected(proof: Proof, matches: Matches) -> Proof | None:
    """Prove that one picture shows the other as a print, seen at an angle with something around it."""
    a, b = proof.a, proof.b
    fit = find_homography(a, b, proof.transform, matches)
    if fit is None or fit[1] < max(_PROJECTED_INLIERS, _PROJECTED_SHARE * len(matches[0])):
        return None
    matrix, inliers = fit
    for first, second, forth in ((a, b, matrix), (b, a, _invert(matrix))):
        if _lies_within(first, second, forth):
            seen = project_features(second, first, forth)
            identity = SimilarityTransform(1.0, 0j)
            pixels = compare_thumbnails(first, seen, identity)
            if pixels is None:
                return None
            shown = Proof(first, seen, identity, pixels, 0.0, inliers, homography=forth)
            checked = check_details(shown, is_whole=True, is_projected=True)
            return checked if first is a else replace(checked.swap(), homography=matrix)
    return None


def _invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _lies_within(a: Features, b: Features, matrix: NDArray[np.float64]) -> bool:
    """Return True if all of `a` lies within `b`, normalised both, with something of `b` around it."""
    width, height = a.size
    corners = np.array([(0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)]) @ matrix.T
    if (corners[:, 2] <= 0).any():
        return False
    x, y = (corners[:, :2] / corners[:, 2:]).T
    area = abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2
    margin = 0.01 * max(b.size)
    inside = min(x.min(), y.min()) >= -margin and x.max() <= b.size[0] + margin and y.max() <= b.size[1] + margin
    return bool(inside) and area <= _AROUND * b.size[0] * b.size[1]


def prove_by_pixels(a: Features, b: Features) -> Proof | None:
    """Prove by the thumbnails alone, under the transform of `search_alignment`."""
    if min(a.thumbnail.std(), b.thumbnail.std()) < FLAT_DEVIATION:
        return None
    transform = search_alignment(a, b)
    if transform is None:
        return None
    pixels = compare_thumbnails(a, b, transform)
    return None if pixels is None else check_details(Proof(a, b, transform, pixels, _score_pixels(pixels), 0))


def check_details(proof: Proof, *, is_whole: bool = False, is_projected: bool = False) -> Proof:
    """Return the proof with its score after a look at what is drawn: lowered where it differs.

    A score that is too low because of the points alone, or of a whole frame (`is_whole`) because of its tones, is
    raised where all that is drawn agrees. In a picture that was projected (`is_projected`) edges may be a little off.
    """
    if proof.score < SAME and proof.inliers < SCENE_INLIERS and not is_whole:
        return proof
    brightness = proof.comparison.gain, proof.comparison.offset
    details = compare_details(proof.a, proof.b, proof.transform, brightness)
    if details is None:
        return replace(proof, score=min(proof.score, _DOUBTFUL))
    score = proof.score
    if is_projected and details.share <= _BESIDE and details.drawn >= _RESCUING and details.coverage >= _SPREAD:
        score = _apply_logistic(2 - 0.25 * _measure_recolouring(proof.comparison))
    elif not _agrees(details, proof.comparison.hue != 0) or not _is_framed(proof, details):
        score = min(score, _DOUBTFUL)
    elif score < SAME and _convinces(details):
        score = max(score, _apply_logistic(2 - 0.25 * _measure_recolouring(proof.comparison)))
    is_other = score >= SAME and are_other_drawings(proof.a, proof.b, proof.transform, details)
    return replace(proof, score=_DOUBTFUL if is_other else score, details=details, is_refuted=is_other)


def _agrees(details: DetailComparison, is_hue_turned: bool = False) -> bool:
    """Return True if what is drawn is the same, but for what compression blurs and what was drawn over it.

    Where all hues were turned alike, blocks of several hues have other brightnesses too.
    """
    if is_hue_turned and details.worst <= _TURNED_HUES and details.share <= _FAINT_SHARE:
        return True
    if details.is_covered:
        return details.share <= _EXCUSABLE
    share = _FAINT_SHARE if details.blank > _BARE else _COMPRESSED_SHARE
    return (details.worst <= _FAINT and details.share <= share) or (details.worst <= _CLEAR and details.share <= 0.01)


def _convinces(details: DetailComparison) -> bool:
    """Return True if what is drawn is so much, and so much the same, that points off their places don't count."""
    same = details.is_covered or not details.differing
    return same and details.drawn >= _RESCUING and details.coverage >= _SPREAD


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
    few = max(0, SCENE_INLIERS - points.inliers)
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
    flat = abs(pixels.offset + 128 * (pixels.gain - 1)) if pixels.texture < FLAT_DEVIATION else 0.0
    return _apply_logistic(odds - small_overlap - flat)


def _apply_logistic(odds: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))
