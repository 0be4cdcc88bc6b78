"""TIFFs of scanners, cameras and satellites, which Pillow reads wrongly or not at all."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile

from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.pictures.images import decode
from indexers.types import Limits
from tests.support import pictures

COLOURS = np.asarray(pictures.quarters())
GREY = np.asarray(pictures.quarters().convert("L"))
DEEP = COLOURS.astype(np.uint16) * 257


def write(pixels: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.ascontiguousarray(pixels), **options)
    return stream.getvalue()


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("pixels", "options", "expected"),
    [
        (np.moveaxis(DEEP, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}, COLOURS),
        (np.moveaxis(COLOURS, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}, COLOURS),
        (DEEP, {"photometric": "rgb"}, COLOURS),
        (DEEP.astype(np.uint32) * 65537, {"photometric": "rgb"}, COLOURS),
        (COLOURS / np.float32(255), {"photometric": "rgb"}, COLOURS),
        (np.dstack([DEEP, GREY]), {"photometric": "rgb", "extrasamples": ["unspecified"]}, COLOURS),
        (65535 - GREY.astype(np.uint16) * 257, {"photometric": "miniswhite"}, GREY),
        (1 - GREY / np.float32(255), {"photometric": "miniswhite"}, GREY),
        (GREY.astype(np.uint32) * 16843009, {"photometric": "minisblack"}, GREY),
        (GREY / 255, {"photometric": "minisblack"}, GREY),
        (GREY.astype(np.float16) / 255, {"photometric": "minisblack"}, GREY),
    ],
)
def test_unusual_ones_are_read_as_they_are(
    pixels: Any, options: dict[str, Any], expected: Any, compression: str | None
) -> None:
    wanted = expected if expected.ndim == 3 else np.dstack([expected] * 3)
    found = np.asarray(decode(write(pixels, compression=compression, **options)).image)
    assert np.abs(found.astype(int) - wanted).max() <= 13  # a float's white is its own largest value


def test_bands_without_colours_are_refused_with_what_they_are() -> None:
    data = write(np.zeros((20, 30, 7), np.uint8), photometric="minisblack", planarconfig="contig")
    with pytest.raises(UnreadablePicture, match=r"a TIFF of 7 x 8 bits, .* none are stated to be grey or RGB"):
        decode(data)


def test_limits_hold() -> None:
    with pytest.raises(PictureTooLarge):
        decode(write(np.zeros((200, 300, 3), np.float32), photometric="rgb"), limits=Limits(max_pixels=1000))


def test_a_bomb_is_not_unpacked() -> None:
    small = write(np.zeros((20, 30, 3), np.float32), photometric="rgb", compression="zlib")
    bomb = zlib.compress(bytes(50 * 2**20))
    page = tifffile.TiffFile(io.BytesIO(small)).pages.first
    offset, count = page.tags[273], page.tags[279]
    data = bytearray(small) + bomb
    for tag, value in ((offset, len(small)), (count, len(bomb))):
        size = 2 if tag.dtype == 3 else 4
        data[tag.valueoffset : tag.valueoffset + size] = value.to_bytes(size, "little")
    with pytest.raises(UnreadablePicture, match="more than the picture has room for"):
        decode(bytes(data))


def test_a_damaged_one_is_refused() -> None:
    data = write(np.moveaxis(DEEP, 2, 0), photometric="rgb", planarconfig="separate", compression="zlib")
    for end in (9, 60, len(data) // 2):
        with pytest.raises(UnreadablePicture):
            decode(data[:end])
