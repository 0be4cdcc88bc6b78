"""Features of a stretched, inverted or projected picture are those that the picture itself would have."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from indexers.matching.features import decode_detail, extract_features
from indexers.matching.reshaping import (
    crop_features,
    invert_features,
    project_features,
    stretch_features,
    stretch_points,
)
from tests.support.photographs import load_photograph


def load() -> Image.Image:
    return load_photograph("coffee", 512)


def correlate(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_stretched_features_have_the_pixels_and_points_of_the_stretched_picture() -> None:
    features = extract_features(load())
    stretched, expected = stretch_features(features, 1.25), extract_features(load().resize((640, 341)))
    assert (stretched.width, stretched.height) == (640, 341)
    assert stretched.thumbnail.shape == expected.thumbnail.shape
    assert correlate(stretched.thumbnail, expected.thumbnail) > 0.99
    assert correlate(stretched.colours, expected.colours) > 0.98
    assert correlate(decode_detail(stretched), decode_detail(expected)) > 0.97
    np.testing.assert_allclose(stretched.points / stretched.size, features.points / features.size, atol=0.003)
    higher = stretch_points(features, 1 / 1.25)
    assert (higher.width, higher.height) == (512, 426)
    assert higher.detail == features.detail


def test_inverted_features_are_those_of_the_negative() -> None:
    inverted, expected = invert_features(extract_features(load())), extract_features(ImageOps.invert(load()))
    assert len(inverted.points) == len(inverted.descriptors) == 0
    assert np.abs(inverted.thumbnail.astype(int) - expected.thumbnail).mean() < 2
    assert np.abs(inverted.colours.astype(int) - expected.colours).mean() < 2


def test_projected_features_show_a_part_in_the_frame_of_another_picture() -> None:
    whole, part = extract_features(load()), extract_features(load().crop((128, 85, 384, 256)))
    matrix = np.array([[0.5, 0, 128], [0, 0.5, 85], [0, 0, 1]])  # from the part, enlarged to 512, to its place
    projected = project_features(whole, part, matrix)
    assert (projected.width, projected.height) == (256, 171)
    assert projected.thumbnail.shape == part.thumbnail.shape
    assert correlate(projected.thumbnail, part.thumbnail) > 0.98


def test_cropped_features_are_those_of_the_part() -> None:
    cropped = crop_features(extract_features(load()), (100, 50, 400, 300))
    expected = extract_features(load().crop((100, 50, 400, 300)))
    assert (cropped.width, cropped.height) == (300, 250)
    assert len(cropped.points) == len(cropped.descriptors) == 0
    assert correlate(cropped.thumbnail, expected.thumbnail) > 0.99
    assert correlate(cropped.colours, expected.colours) > 0.9
