"""Calibration: the similarity that generated copies have, measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image

from indexers.embedders.tiny import Tiny
from indexers.errors import UsageError
from indexers.matching.calibration import (
    DEFAULT_THRESHOLD,
    LEAST_RECALL,
    MIN_PICTURES,
    MIN_THRESHOLD,
    calibrate_threshold,
    find_threshold,
    make_edits,
)
from tests.support import pictures


def test_ten_copies_are_made_of_any_picture() -> None:
    for size in ((200, 120), (1, 1), (3, 700)):
        edits = list(make_edits(pictures.noise(1, size)))
        assert len(edits) == 10
        assert all(edit.mode == "RGB" and min(edit.size) >= 1 for edit in edits)


def test_nearly_all_copies_are_at_least_that_similar() -> None:
    photos = [pictures.noise(number, (80, 60)) for number in range(MIN_PICTURES)]
    distinct = np.eye(MIN_PICTURES, dtype=np.float32)
    first = {picture.tobytes(): row for picture, row in zip(photos, distinct, strict=True)}

    def embed(images: Sequence[Image.Image]) -> np.ndarray:
        """Embed an original and its edits: each edit somewhat farther from it, and nothing near another original."""
        own, away = first[images[0].tobytes()], np.linspace(0, 0.5, len(images))[:, None]
        return np.concatenate([own * (1 - away), away], axis=1).astype(np.float32)

    near = calibrate_threshold(photos, embed)
    rows = np.concatenate([_measure_similarities(picture, embed) for picture in photos])
    assert (rows >= near - 1e-3).mean() >= 0.97
    assert rows.min() < near + 1e-3


def test_vectors_that_find_all_pictures_alike_name_fewer() -> None:
    photos = [pictures.noise(number, (80, 60)) for number in range(MIN_PICTURES)]
    near = calibrate_threshold(photos, Tiny().embed)
    rows = np.concatenate([_measure_similarities(picture, Tiny().embed) for picture in photos])
    assert LEAST_RECALL - 0.02 <= (rows >= near - 1e-3).mean() < 0.97


def _measure_similarities(picture: Image.Image, embed: Callable[[Sequence[Image.Image]], np.ndarray]) -> np.ndarray:
    rows = embed([picture, *make_edits(picture)])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[1:] @ rows[0]


def test_it_never_takes_everything_and_needs_some_pictures() -> None:
    def random(images: Sequence[Image.Image]) -> np.ndarray:
        return np.random.default_rng(0).standard_normal((len(images), 64)).astype(np.float32)

    assert calibrate_threshold([pictures.noise(1, (9, 9))] * MIN_PICTURES, random) == MIN_THRESHOLD
    with pytest.raises(UsageError, match="at least 20 pictures, and got 3"):
        calibrate_threshold([pictures.noise(1, (9, 9))] * 3, random)


def test_each_kind_of_vector_has_its_own_threshold_until_it_is_measured() -> None:
    assert find_threshold("lite0", 1280) == find_threshold("lite0:crop+last", 1280) == 0.7
    assert find_threshold("lite0", 624) == find_threshold("lite0:whole", 624) == 0.65
    assert find_threshold("tiny", 13) == 0.92
    assert find_threshold(None, 624) == find_threshold("clip", 512) == DEFAULT_THRESHOLD
