"""Descriptors are 256 bits of what surrounds a point, turned with it, and reordered in a mirror image."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, ImageOps

from indexers.matching import descriptors
from indexers.matching.descriptors import describe_points, load_opencv, mirror_descriptors
from indexers.matching.features import extract_features
from indexers.matching.geometry import match_descriptors
from tests.support import pictures
from tests.support.photographs import load_photograph

ENGINES = {"opencv": "cv2", "numpy": "numpy"}


def describe(image: Image.Image, x: float, y: float, level: int = 0, angle: float = 0.0) -> np.ndarray:
    """Return the descriptor, uint8 (32,), of one point."""
    point, angles = np.array([[x, y]], np.float32), np.array([angle], np.float32)
    return describe_points(image.convert("L"), point, np.array([level]), angles)[0]


def count_bits(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.bitwise_count(a ^ b).sum()) if hasattr(np, "bitwise_count") else int(np.unpackbits(a ^ b).sum())


def test_points_are_described_in_32_bytes_each_and_none_in_none() -> None:
    grey = pictures.noise(1, (90, 70)).convert("L")
    points = np.array([[40, 30], [50.5, 20.25]], np.float32)
    described = describe_points(grey, points, np.array([0, 3]), np.zeros(2, np.float32))
    assert described.shape == (2, 32)
    assert described.dtype == np.uint8
    assert describe_points(grey, points[:0], np.empty(0, np.int64), np.empty(0, np.float32)).shape == (0, 32)


def test_a_flat_picture_has_no_bits() -> None:
    assert not describe(Image.new("L", (80, 80), 130), 40, 40).any()


def test_bits_stay_when_the_picture_is_brighter() -> None:
    picture = pictures.noise(2, (80, 80)).point(lambda value: value // 2)
    brighter = picture.point(lambda value: value + 100)
    assert count_bits(describe(picture, 40, 40), describe(brighter, 40, 40)) <= 3


def test_bits_turn_with_the_direction_of_the_point() -> None:
    picture = pictures.noise(3, (81, 81)).resize((243, 243), Image.Resampling.BICUBIC)
    turned = picture.transpose(Image.Transpose.ROTATE_270)  # clockwise: what pointed right points down
    straight = describe(picture, 121.5, 121.5)
    assert count_bits(straight, describe(turned, 121.5, 121.5, angle=np.pi / 2)) <= 25
    assert count_bits(straight, describe(turned, 121.5, 121.5)) > 80


def test_a_coarser_level_sees_the_larger_picture_alike() -> None:
    picture = pictures.noise(4, (40, 40)).resize((200, 200), Image.Resampling.BICUBIC)
    larger = picture.resize((240, 240), Image.Resampling.BICUBIC)  # 1.2 times: one level
    assert count_bits(describe(picture, 100, 100, 0), describe(larger, 120, 120, 1)) <= 30


@pytest.mark.parametrize(("x", "y"), [(0, 0), (79.5, 0.5), (40, 79.9)])
def test_points_at_the_edge_are_described_too(x: float, y: float) -> None:
    assert describe(pictures.noise(5, (80, 80)), x, y).shape == (32,)


def test_mirroring_exchanges_the_halves_of_the_bits() -> None:
    bits = np.arange(32, dtype=np.uint8)[None]
    assert mirror_descriptors(bits)[0].tolist() == [*range(16, 32), *range(16)]
    np.testing.assert_array_equal(mirror_descriptors(mirror_descriptors(bits)), bits)


def test_without_opencv_the_bits_are_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    if load_opencv() is None:
        pytest.skip("cv2 is not installed")
    picture = load_photograph(edge=300)
    places = [(60, 80), (150, 150), (220, 200)]
    with_opencv = [describe(picture, x, y, 2) for x, y in places]
    monkeypatch.setattr(descriptors, "load_opencv", lambda: None)
    for bits, (x, y) in zip(with_opencv, places, strict=True):
        assert count_bits(bits, describe(picture, x, y, 2)) <= 12


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_the_mirror_image_has_the_same_bits_in_another_order(name: str, engine: str) -> None:
    if find_spec(ENGINES[engine]) is None:
        pytest.skip(f"{ENGINES[engine]} is not installed")
    picture = load_photograph(name)
    extracted, flipped = extract_features(picture, engine), extract_features(ImageOps.mirror(picture), engine)
    assert len(match_descriptors(mirror_descriptors(extracted.descriptors), flipped.descriptors)[0]) > 250
    assert len(match_descriptors(extracted.descriptors, flipped.descriptors)[0]) < 120
    np.testing.assert_array_equal(mirror_descriptors(mirror_descriptors(extracted.descriptors)), extracted.descriptors)
