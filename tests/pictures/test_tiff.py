"""TIFFs of scanners, cameras and satellites, which Pillow reads wrongly or not at all."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ImageCms

from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.pictures.images import decode
from indexers.types import Limits
from tests.support import pictures

COLOURS = np.asarray(pictures.quarters())
GREY = np.asarray(pictures.quarters().convert("L"))
WIDE = GREY.astype(float)
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
        (COLOURS.astype(np.uint16) * 257, {"photometric": "rgb", "byteorder": ">"}, COLOURS),
    ],
)
def test_unusual_ones_are_read_as_they_are(
    pixels: Any, options: dict[str, Any], expected: Any, compression: str | None
) -> None:
    wanted = expected if expected.ndim == 3 else np.dstack([expected] * 3)
    found = np.asarray(decode(write(pixels, compression=compression, **options)).image)
    assert np.abs(found.astype(int) - wanted).max() <= 13  # a float's white is its own largest value


def store_differences(pixels: Any, byteorder: str) -> bytes:
    """Return a TIFF of floats in strips, stored as differences of their bytes (Adobe's Technical Note 3)."""
    height, width, samples = pixels.shape
    planes = pixels.astype(">f4").view(np.uint8).reshape(height, width * samples, 4).transpose(0, 2, 1)
    rows = planes.reshape(height, width * 4, samples)
    rows = np.diff(rows, axis=1, prepend=np.zeros((height, 1, samples), np.uint8))
    stored = np.frombuffer(rows.tobytes(), f"{byteorder}f4").reshape(pixels.shape)
    kind = "rgb" if samples == 3 else "minisblack"
    data = bytearray(write(stored.squeeze(), photometric=kind, compression="zlib", byteorder=byteorder, rowsperstrip=7))
    page = tifffile.TiffFile(io.BytesIO(data)).pages.first
    tag = page.tags[296]  # the unit of the resolution gives its place to the predictor, after which none comes
    order = "little" if byteorder == "<" else "big"
    data[tag.offset : tag.offset + 12] = b"".join(
        number.to_bytes(size, order) for number, size in ((317, 2), (3, 2), (1, 4), (3, 2), (0, 2))
    )
    return bytes(data)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("samples", [1, 3])
def test_floats_as_photo_programs_compress_them(byteorder: str, samples: int) -> None:
    """Photoshop and darktable store differences."""
    wanted = COLOURS if samples == 3 else np.dstack([GREY] * 3)
    data = store_differences(wanted[..., :samples] / np.float32(255), byteorder)
    assert np.abs(np.asarray(decode(data).image).astype(int) - wanted).max() <= 13


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", [">f4", "<f4", ">i4", ">u2", ">i2"])
def test_both_orders_of_bytes(kind: str, compression: str | None) -> None:
    scale = {"f4": 1 / 255, "i4": 257, "u2": 257, "i2": 128}[kind[1:]]
    data = write((WIDE * scale).astype(kind), photometric="minisblack", byteorder=kind[0], compression=compression)
    assert np.abs(np.asarray(decode(data).image)[..., 0].astype(int) - GREY).max() <= 20


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        ((WIDE * 16).astype(np.uint16), {}),  # 12 bits in 16
        ((WIDE * 64).astype(np.uint16), {"extratags": [(281, 3, 1, 16320, True)]}),
        ((WIDE * 16).astype(np.int16), {}),
        ((WIDE * 4 - 800).astype(np.float32), {}),
        ((WIDE * 4 - 800).astype(np.int16), {}),
        ((WIDE - 160).clip(-128).astype(np.int8), {}),
    ],
)
def test_measurements_are_shown_between_their_extremes(pixels: Any, options: dict[str, Any]) -> None:
    found = np.asarray(decode(write(pixels, photometric="minisblack", **options)).image)[..., 0].astype(float)
    assert found.max() > 215
    assert np.corrcoef(found.ravel(), GREY.ravel())[0, 1] > 0.99


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(UnreadablePicture, match=r"a TIFF of 1 x 64 bits, .* layout is not supported"):
        decode(write(np.zeros((20, 30), np.complex64), photometric="minisblack"))


def test_bands_without_colours_are_refused_with_what_they_are() -> None:
    data = write(np.zeros((20, 30, 7), np.uint8), photometric="minisblack", planarconfig="contig")
    with pytest.raises(UnreadablePicture, match=r"a TIFF of 7 x 8 bits, .* none of them marked as grey or RGB"):
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


def pack(values: Any, bits: int, photometric: int, compression: int = 1, rows: int = 10) -> bytes:
    """Return a TIFF of integers (height, width, samples) of so many bits, each row beginning with a new byte."""
    height, width, samples = values.shape
    strips = []
    for start in range(0, height, rows):
        texts = ("".join(f"{value:0{bits}b}" for value in row.ravel()) for row in values[start : start + rows])
        padded = (text + "0" * (-len(text) % 8) for text in texts)
        strip = b"".join(int(text, 2).to_bytes(len(text) // 8, "big") for text in padded)
        strips.append(zlib.compress(strip) if compression == 8 else strip)
    data, count = b"".join(strips), len(strips)
    offsets = np.cumsum([8, *map(len, strips[:-1])])
    lists = struct.pack(f"<{count}I{count}I{samples}H", *offsets, *map(len, strips), *[bits] * samples)
    place = 8 + len(data)
    entries = [(256, 3, 1, width), (257, 3, 1, height), (259, 3, 1, compression), (262, 3, 1, photometric)]
    entries += [(258, 3, samples, bits if samples == 1 else place + 8 * count), (273, 4, count, place)]
    entries += [(277, 3, 1, samples), (278, 3, 1, rows), (279, 4, count, place + 4 * count)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    start = place + len(lists)
    return b"II*\0" + struct.pack("<I", start) + data + lists + struct.pack("<H", len(entries)) + directory + bytes(4)


@pytest.mark.parametrize("bits", [6, 10, 12, 14])
@pytest.mark.parametrize("compression", [1, 8])
def test_bits_that_fill_no_bytes(bits: int, compression: int) -> None:
    white = 2**bits - 1
    for values, photometric in ((GREY[..., None], 1), (255 - GREY[..., None], 0), (COLOURS, 2)):
        found = np.asarray(decode(pack(values.astype(int) * white // 255, bits, photometric, compression)).image)
        expected = COLOURS if photometric == 2 else np.dstack([GREY] * 3)
        assert np.abs(found.astype(int) - expected).max() <= 255 // white + 1


def test_bits_that_are_cut_off_are_refused() -> None:
    data = pack(COLOURS[:20].astype(int) * 16, 12, 2)
    stated, higher = (struct.pack("<HHII", 257, 3, 1, height) for height in (20, 48))
    assert data.count(stated) == 1
    with pytest.raises(UnreadablePicture):
        decode(data.replace(stated, higher))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("kind", ["cielab", "icclab"])
def test_lab_colours(depth: int, kind: str) -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(pictures.quarters(), *profiles, outputMode="LAB")
    assert lab is not None
    values = np.frombuffer(lab.tobytes(), np.uint8).reshape(COLOURS.shape).astype(np.uint16)
    values[..., 1:] = (values[..., 1:] + (128 if kind == "icclab" else 0)) % 256
    deep = values.astype(np.uint8) if depth == 8 else values * 256
    assert pictures.looks_like_quarters(decode(write(deep, photometric=kind)).image)


def test_a_small_version_before_the_picture_is_passed_over() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(COLOURS[::4, ::4].copy(), photometric="rgb", subfiletype=1)
        file.write(COLOURS, photometric="rgb", subfiletype=0)
    assert decode(stream.getvalue()).facts.width == COLOURS.shape[1]
    only = write(COLOURS, photometric="rgb", subfiletype=1)
    assert decode(only).facts.width == COLOURS.shape[1]
    pages = io.BytesIO()
    with tifffile.TiffWriter(pages) as file:
        for _ in range(3):
            file.write(COLOURS, photometric="rgb", subfiletype=1)
    assert pictures.looks_like_quarters(decode(pages.getvalue()).image)
