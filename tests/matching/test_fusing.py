from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from indexers.errors import UsageError
from indexers.matching.fusing import fuse_pictures


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.fromarray(data.coffee()).resize((300, 200))


def measure_error(image: Image.Image, truth: Image.Image) -> float:
    return float(np.abs(np.asarray(image, float) - np.asarray(truth, float))[5:-5, 5:-5].mean())


def test_the_median_leaves_out_what_one_shows(photograph: Image.Image) -> None:
    marked = [photograph.copy() for _ in range(3)]
    for place, picture in enumerate(marked):
        picture.paste((255, 0, 0), (60 + 50 * place, 60, 90 + 50 * place, 90))
    marked[1] = marked[1].crop((6, 4, 300, 200))  # another frame of the same scene
    fused, place = fuse_pictures(marked), (60, 60, 190, 90)
    assert measure_error(marked[0].crop(place), photograph.crop(place)) > 10
    assert measure_error(fused.crop(place), photograph.crop(place)) < 4


def test_the_sharpest_parts_are_taken(photograph: Image.Image) -> None:
    blurred = photograph.filter(ImageFilter.GaussianBlur(2))
    left, right = photograph.copy(), photograph.copy()
    left.paste(blurred.crop((150, 0, 300, 200)), (150, 0))
    right.paste(blurred.crop((0, 0, 150, 200)), (0, 0))
    fused = fuse_pictures([left, right], "sharpest")
    assert measure_error(fused, photograph) < 0.5 * min(
        measure_error(left, photograph), measure_error(right, photograph)
    )


def test_another_scene_is_refused(photograph: Image.Image) -> None:
    with pytest.raises(UsageError, match="picture 2 does not show what the first one does"):
        fuse_pictures([photograph, Image.fromarray(data.astronaut()).resize((200, 200))])
