"""JPEGs without their end mark."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from indexers.errors import UnreadablePicture
from indexers.pictures.images import decode
from indexers.pictures.jpeg import END, find_last_detail, has_all_scans
from tests.support import pictures

PHOTOGRAPH = Image.effect_mandelbrot((320, 240), (-2, -1.2, 1, 1.2), 60).convert("RGB")


@pytest.mark.parametrize("size", [0, 40])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("tail", [b"", b"\xff", b"\n", bytes(50)])
def test_only_the_end_mark_is_missing(size: int, mode: str, progressive: bool, tail: bytes) -> None:
    whole = pictures.jpeg(PHOTOGRAPH.convert(mode), progressive=progressive)
    assert whole.endswith(END)
    found, wanted = (np.asarray(decode(data, size).image, float) for data in (whole[:-2] + tail, whole))
    assert np.abs(found - wanted).mean() < 0.5


def test_every_scan_of_a_progressive_one_has_to_be_there() -> None:
    whole = pictures.jpeg(PHOTOGRAPH, progressive=True)
    assert has_all_scans(whole)
    assert not has_all_scans(pictures.jpeg(PHOTOGRAPH))
    assert find_last_detail(whole) == 1
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for end in (*scans[2:], (scans[-1] + len(whole)) // 2):
        with pytest.raises(UnreadablePicture, match="cut off"):
            decode(whole[:end])


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc2\0\x08\x08\0\x01\0\x01\x03", b"\xff\xd8\xff\xda\0\x03\x09"]
)
def test_nonsense_has_no_scans(data: bytes) -> None:
    assert not has_all_scans(data)
