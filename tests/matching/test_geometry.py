"""Points that correspond, and the transform that they agree on."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.matching import geometry
from indexers.matching.descriptors import mirror_descriptors
from indexers.matching.features import Features
from indexers.matching.geometry import (
    TOLERANCE,
    SimilarityTransform,
    find_agreement,
    find_homography,
    find_stretch,
    match_descriptors,
    match_points,
)

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.uniform(20, 490, (60, 2))
DESCRIPTORS = RANDOM.integers(0, 256, (60, 32), dtype=np.uint8)


def make_features(points: np.ndarray, descriptors: np.ndarray = DESCRIPTORS) -> Features:
    """Return features of a picture of 512 x 512 with these points."""
    pixels = np.zeros((96, 96), np.uint8), np.full((24, 24, 2), 128, np.uint8)
    return Features(points.astype(np.float32), descriptors, 512, 512, b"", *pixels)


def to_complex(points: np.ndarray) -> np.ndarray:
    return points[:, 0] + 1j * points[:, 1]


def to_points(values: np.ndarray) -> np.ndarray:
    return np.column_stack([values.real, values.imag])


def test_a_transform_rotates_scales_and_shifts() -> None:
    transform = SimilarityTransform(2j, 10 + 1j)  # a quarter turn, twice the size
    assert transform(np.array([3 + 4j]))[0] == 2j * (3 + 4j) + 10 + 1j == 2 + 7j
    assert transform.to_matrix().tolist() == [[0, -2, 10], [2, 0, 1]]


def test_a_mirrored_transform_turns_y_round_first() -> None:
    transform = SimilarityTransform(-1, 512, True)  # left and right exchanged
    assert transform(np.array([100 + 30j]))[0] == 412 + 30j
    assert transform.to_matrix().tolist() == [[-1, 0, 512], [0, 1, 0]]


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_inverse_leads_back_and_the_matrix_says_the_same(mirrored: bool) -> None:
    transform = SimilarityTransform(0.6 - 0.5j, 30 + 7j, mirrored)
    points = to_complex(POINTS)
    np.testing.assert_allclose(transform.invert()(transform(points)), points)
    homogeneous = np.column_stack([POINTS, np.ones(60)])
    np.testing.assert_allclose(homogeneous @ transform.to_matrix().T, to_points(transform(points)))


def test_a_match_is_much_nearer_than_the_second_best() -> None:
    a = np.zeros((2, 32), np.uint8)
    a[1] = 255
    near, far = np.zeros(32, np.uint8), np.zeros(32, np.uint8)
    near[0], far[:2] = 1, 255  # 1 and 16 bits from a[0]
    assert [part.tolist() for part in match_descriptors(a, np.stack([far, near, a[1]]))] == [
        [1, 0],
        [2, 1],
    ]  # the nearest first
    far[:2] = 1, 0  # now both are 1 bit from a[0]: ambiguous
    assert [part.tolist() for part in match_descriptors(a, np.stack([far, near, a[1]]))] == [[1], [2]]


def test_the_nearer_of_two_points_gets_the_partner() -> None:
    partners = np.zeros((2, 32), np.uint8)
    partners[1] = 255
    a = np.zeros((2, 32), np.uint8)
    a[0, 0] = 3  # 2 bits from the first partner, where the other point has none
    assert [part.tolist() for part in match_descriptors(a, partners)] == [[1], [0]]


def test_fewer_than_two_points_match_nothing() -> None:
    assert len(match_descriptors(DESCRIPTORS[:1], DESCRIPTORS)[0]) == 0
    assert len(match_descriptors(DESCRIPTORS, DESCRIPTORS[:0])[1]) == 0


def test_matches_are_the_same_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = DESCRIPTORS[::-1] ^ RANDOM.choice([0, 1, 2, 4], (60, 32)).astype(np.uint8)
    expected = match_descriptors(DESCRIPTORS, noisy)
    assert len(expected[0]) > 50
    monkeypatch.setattr(geometry, "load_opencv", lambda: None)
    for left, right in zip(expected, match_descriptors(DESCRIPTORS, noisy), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("mirror", [False, True])
def test_points_agree_on_the_transform_that_they_were_moved_by(mirror: bool) -> None:
    transform = SimilarityTransform(0.8 + 0.3j, 40 - 25j, mirror)
    descriptors = mirror_descriptors(DESCRIPTORS) if mirror else DESCRIPTORS
    target = make_features(to_points(transform(to_complex(POINTS))), descriptors)
    agreement = find_agreement(make_features(POINTS), target, mirror)
    assert agreement is not None
    assert agreement.transform.mirrored == mirror
    assert abs(agreement.transform.turn - transform.turn) < 1e-4
    assert abs(agreement.transform.shift - transform.shift) < 0.01
    assert (agreement.matches, agreement.inliers, agreement.displaced, agreement.moved) == (60, 60, 0, 0)
    assert agreement.bend < 0.01


def test_points_off_their_places_are_told_by_how_far() -> None:
    moved = POINTS.copy()
    moved[:6, 0] += 20  # beside their places
    moved[6:18] += (150, -90)  # by a shift of their own
    agreement = find_agreement(make_features(POINTS), make_features(moved), False)
    assert agreement is not None
    assert agreement.inliers == 42
    assert agreement.displaced == 6
    assert agreement.moved == 12


def test_a_curved_field_bends() -> None:
    curved = POINTS.copy()
    curved[:, 0] += 3 * (POINTS[:, 1] / 256 - 1) ** 2  # up to 3 pixels: within the tolerance
    agreement = find_agreement(make_features(POINTS), make_features(curved), False)
    assert agreement is not None
    assert agreement.inliers == 60
    assert 0.3 < agreement.bend < TOLERANCE


def test_points_that_agree_on_nothing_give_no_transform() -> None:
    strangers = RANDOM.integers(0, 256, (60, 32), dtype=np.uint8)
    assert find_agreement(make_features(POINTS), make_features(POINTS, strangers), False) is None
    few = make_features(POINTS[:3], DESCRIPTORS[:3])
    assert find_agreement(few, few, False) is None
    same_place = make_features(np.full((60, 2), 100.0))
    assert find_agreement(same_place, same_place, False) is None


@pytest.mark.parametrize("mirror", [False, True])
def test_a_stretch_is_found_among_wrong_matches(mirror: bool) -> None:
    source = RANDOM.uniform(20, 490, (60, 2))
    target = source * (0.9, 0.9 / 1.25) + (20, 40)
    if mirror:
        target[:, 0] = 512 - target[:, 0]
    target[:15] = RANDOM.uniform(0, 500, (15, 2))
    descriptors = mirror_descriptors(DESCRIPTORS) if mirror else DESCRIPTORS
    a, b = make_features(source), make_features(target, descriptors)
    stretch = find_stretch(a, b, mirror, match_points(a, b, mirror))
    assert stretch is not None
    assert stretch[0] == pytest.approx(1.25, abs=0.01)
    assert 43 <= stretch[1] <= 48
    few = make_features(source[:8], DESCRIPTORS[:8])
    assert find_stretch(few, b, mirror, match_points(few, b, mirror)) is None


def test_a_homography_is_found_from_a_transform_near_it() -> None:
    matrix = np.array([[0.7, 0.05, 80], [-0.04, 0.75, 60], [0.0002, 0.0001, 1]])
    source = RANDOM.uniform(20, 490, (60, 2))
    projected = np.column_stack([source, np.ones(60)]) @ matrix.T
    a, b = make_features(source), make_features(projected[:, :2] / projected[:, 2:])
    agreement = find_agreement(a, b, False)
    assert agreement is not None
    fit = find_homography(a, b, agreement.transform, match_points(a, b, False))
    assert fit is not None
    np.testing.assert_allclose(fit[0], matrix, rtol=0.01, atol=1e-3)
    assert fit[1] >= 58
