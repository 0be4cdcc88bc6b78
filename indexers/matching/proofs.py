"""Ways to prove that two pictures are the same: by points, whole frames, pixels; stretched, inverted, projected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexers.matching.alignment import fit_into_frame, refine_alignment, search_alignment
from indexers.matching.cells import Box, list_agreeing_boxes
from indexers.matching.coarse import ALIKE_FRAMES, compare_squares, make_square
from indexers.matching.comparing import compare_thumbnails
from indexers.matching.features import Features
from indexers.matching.geometry import (
    Agreement,
    Matches,
    SimilarityTransform,
    find_agreement,
    find_homography,
    find_stretch,
    match_points,
)
from indexers.matching.judging import (
    BARE,
    CLEAR,
    EXCUSABLE,
    FLAT_DEVIATION,
    MIN_INLIERS,
    RESCUING,
    SAME,
    SCENE_INLIERS,
    Proof,
    check_details,
    invert_matrix,
    measure_covered,
    score_pixels,
    score_points,
)
from indexers.matching.reshaping import (
    crop_features,
    invert_features,
    project_features,
    stretch_features,
    stretch_points,
)

_CLEARLY = 0.7  # the share of the matches that leaves no doubt how pictures lie on each other
_STILL = 1.5  # pixels of the normalised picture that a step of alignment moves frames which lie as they should
_EXACT = 0.97  # the correlation of frames that may be the same without a shift
_CONVINCING_INLIERS = 25  # from here on the mirror image need not be tried
_STRETCHED = 0.015  # the logarithm of a ratio from which on a picture is stretched
_MOST_STRETCHED = 0.7  # and up to which
_STRETCH_SHARE = 0.5  # the share of the matches that have to agree on a stretch
_MORE = 1.2  # times as many points that a stretch has to explain
_SMALL = 0.5  # the share of a picture up to which it shows a part of another one among other things
_LARGE = 0.2  # the share of that picture which the part has at least
_BLANK_PART = 0.25  # the share of it that may be blank
_PROJECTED_SHARE = 0.6  # the share of the matches that have to agree on a homography
_PROJECTED_INLIERS = 40
_AROUND = 0.92  # the share of a photograph that the print in it covers at most


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
    is_paper = proof.details is not None and proof.details.blank >= BARE
    return is_paper and proof.inliers >= agreed and _differs_clearly(proof)


def _differs_clearly(proof: Proof) -> bool:
    details = proof.details
    return details is not None and details.worst > CLEAR and not details.is_covered and details.share <= EXCUSABLE


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
    return check_details(Proof(a, b, points.transform, pixels, score_points(points, pixels), points.inliers))


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
            proof = Proof(a, b, candidate, pixels, score_pixels(pixels), 0)
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
    pairs = (matches[1], matches[0]) if is_swapped else matches
    width, height = found.a.size
    for left, top, right, bottom in list_agreeing_boxes(found.a, found.b, found.transform, pairs):
        if (right - left) * (bottom - top) >= _LARGE * width * height:
            cut = _judge_part(found, (left, top, right, bottom), len(pairs[0]))
            if cut is not None:
                return cut.swap() if is_swapped else cut
    return None


def _judge_part(proof: Proof, box: Box, matches: int) -> Proof | None:
    """Return the proof of what `b` shows of `a`, in a box of normalised `a`; None if it doesn't convince."""
    part = crop_features(proof.a, box)
    corner = complex(proof.transform(np.array([complex(box[0], box[1])]))[0])
    turn = proof.transform.turn * ((box[2] - box[0]) / part.size[0])
    transform = replace(proof.transform, turn=turn, shift=corner)
    pixels = compare_thumbnails(part, proof.b, transform)
    if pixels is None:
        return None
    score = score_points(Agreement(transform, matches, proof.inliers, 0, 0, 0.0), pixels)
    shown = check_details(Proof(part, proof.b, transform, pixels, score, proof.inliers))
    details = shown.details
    if shown.score < SAME or details is None or details.blank > _BLANK_PART or details.drawn < RESCUING:
        return None
    return replace(proof, score=shown.score, comparison=pixels, details=details, is_cut=True)


def prove_projected(proof: Proof, matches: Matches) -> Proof | None:
    """Prove that one picture shows the other as a print, seen at an angle with something around it."""
    a, b = proof.a, proof.b
    fit = find_homography(a, b, proof.transform, matches)
    if fit is None or fit[1] < max(_PROJECTED_INLIERS, _PROJECTED_SHARE * len(matches[0])):
        return None
    matrix, inliers = fit
    for first, second, forth in ((a, b, matrix), (b, a, invert_matrix(matrix))):
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
    return None if pixels is None else check_details(Proof(a, b, transform, pixels, score_pixels(pixels), 0))
