"""Compact features: small, the same whoever reads them, and mirrored by swapping words."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from indexers.errors import StoredFileDamaged
from indexers.matching.agreement import count_agreeing
from indexers.matching.compact import MAX_POINTS, extract_compact, pack_compact, unpack_compact
from tests.matching.test_hashes import load_photograph

pytest.importorskip("cv2", reason="finding points without OpenCV takes half a second a picture")


def test_they_come_back_as_they_were_packed_in_less_than_four_thousand_bytes() -> None:
    features = extract_compact(load_photograph())
    data = pack_compact(features)
    assert len(features.words) == MAX_POINTS
    assert len(data) < 4000
    for packed, unpacked in zip(features[:4], unpack_compact(data)[:4], strict=True):
        assert np.array_equal(packed, unpacked)


@pytest.mark.parametrize("data", [b"", b"\1", b"\2\0", b"\1\1" + 18 * b"x", b"\1\1" + 20 * b"x"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StoredFileDamaged, match="compact features"):
        unpack_compact(data)


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (64, 64)])
def test_a_picture_without_points_has_none(size: tuple[int, int]) -> None:
    features = extract_compact(Image.new("RGB", size, "red"))
    assert len(features.words) == 0
    assert len(unpack_compact(pack_compact(features)).words) == 0


def test_a_mirror_image_has_the_swapped_words() -> None:
    picture = load_photograph()
    features, mirrored = extract_compact(picture), extract_compact(ImageOps.mirror(picture))
    assert count_agreeing(features.mirror(), mirrored) > 100
    assert count_agreeing(features, mirrored) < 10
