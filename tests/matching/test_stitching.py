from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import data

from indexers.errors import UsageError
from indexers.matching.registration import apply_matrix
from indexers.matching.stitching import FLAT, _find_largest_group, draw_difference, stitch_pictures


def test_crops_become_the_whole_and_strangers_are_told() -> None:
    whole = Image.fromarray(data.coffee())
    crops = [whole.crop((0, 0, 260, 400)), whole.crop((180, 0, 440, 400)), whole.crop((360, 0, 600, 400))]
    mosaic = stitch_pictures([*crops[::-1], Image.fromarray(data.astronaut())])
    assert (mosaic.kind, mosaic.placed, mosaic.apart) == (FLAT, [0, 1, 2], [3])
    assert mosaic.image.size == whole.size
    for matrix, left in zip(mosaic.matrices, (360, 180, 0), strict=True):
        np.testing.assert_allclose(apply_matrix(matrix, np.array([[0.0, 0.0]])), [[left, 0]], atol=0.5)
    assert np.abs(np.asarray(mosaic.image, float) - np.asarray(whole)).mean() < 1


def test_pictures_that_do_not_overlap_are_refused() -> None:
    pictures = [Image.fromarray(data.coffee()), Image.fromarray(data.astronaut())]
    with pytest.raises(UsageError, match="none of these pictures overlap"):
        stitch_pictures(pictures)


def test_the_largest_group_is_found() -> None:
    assert _find_largest_group(5, [(0, 3), (1, 2), (2, 4)]) == [1, 2, 4]
    assert _find_largest_group(2, []) == [0]


def test_a_difference_is_grey_where_they_are_alike() -> None:
    picture = Image.fromarray(data.coffee()).resize((150, 100))
    marked = picture.copy()
    marked.paste((255, 255, 255), (20, 20, 40, 40))
    difference = np.asarray(draw_difference(marked, picture, np.eye(3)), int)
    assert abs(difference[60:, 60:] - 128).max() <= 1
    assert difference[25:35, 25:35].mean() > 150
