from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import data

from indexers.matching.registration import (
    MODELS,
    Model,
    apply_matrix,
    detect_points,
    list_corners,
    measure_overlap,
    register_points,
)


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.fromarray(data.coffee())


@pytest.mark.parametrize("model", MODELS)
def test_a_turned_crop_lies_where_it_was_cut(photograph: Image.Image, model: Model) -> None:
    crop = photograph.crop((150, 80, 450, 330))
    found = register_points(detect_points(crop), detect_points(photograph), model)
    assert found is not None
    expected = list_corners(crop.size) + np.array([150, 80])
    np.testing.assert_allclose(apply_matrix(found.matrix, list_corners(crop.size)), expected, atol=0.3)
    assert found.overlap == pytest.approx(1, abs=0.01)
    assert found.residual < 0.5
    assert found.inliers <= found.matches


def test_other_pictures_and_blank_ones_lie_nowhere(photograph: Image.Image) -> None:
    other, blank = Image.fromarray(data.astronaut()), Image.new("RGB", (200, 200), "white")
    assert register_points(detect_points(other), detect_points(photograph)) is None
    assert register_points(detect_points(blank), detect_points(photograph)) is None


def test_overlap_is_of_the_smaller_one() -> None:
    shift = np.array([[1, 0, 50], [0, 1, 0], [0, 0, 1.0]])
    assert measure_overlap(shift, (100, 100), (100, 100)) == pytest.approx(0.5)
    assert measure_overlap(shift, (100, 100), (400, 400)) == pytest.approx(1)
    assert measure_overlap(np.array([[1, 0, 500], [0, 1, 0], [0, 0, 1.0]]), (100, 100), (100, 100)) == 0
    inside_out = np.array([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1.0]])
    assert measure_overlap(inside_out, (100, 100), (100, 100)) == 0
