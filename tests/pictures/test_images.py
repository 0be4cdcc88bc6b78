"""Pictures read and seen as a person sees them; whatever can't be is said in words."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.errors import BadQuery, PictureTooLarge, UnreadablePicture
from indexers.pictures import images
from tests.support import pictures
from tests.support.pictures import corners, looks_like_quarters

# ---- reading


def test_fingerprint() -> None:
    assert images.hash_content(b"") == bytes.fromhex("3345524abf6bbe1809449224b5972c41790b6cf2")
    assert len({images.hash_content(pictures.jpeg()), images.hash_content(pictures.jpeg(quality=50))}) == 2


@pytest.mark.parametrize(
    ("name", "reason"), [("none.jpg", "no such file"), (".", "can't be read|not a file"), ("a\0b", "null")]
)
def test_what_cannot_be_read_has_a_reason(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        images.read_file(tmp_path / name)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "huge.jpg", "wb") as file:
        file.truncate(10**12)  # sparse
    with pytest.raises(PictureTooLarge, match=r"1,000,000,000,000 bytes.*max_bytes"):
        images.read_file(tmp_path / "huge.jpg")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnreadablePicture, match="no permission"):
        images.read_file(tmp_path / "a.jpg")


# ---- decoding: as a person sees it


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_comes_upright(kind: str, orientation: int) -> None:
    image, facts = images.decode(pictures.oriented(orientation, kind), 8)
    assert looks_like_quarters(image)
    assert (facts.width, facts.height, facts.format) == (64, 48, kind)


def test_a_nonsense_orientation_is_passed_over() -> None:
    assert looks_like_quarters(images.decode(pictures.oriented(77)).image)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "ICO", "PCX"])
def test_each_format_is_read_by_its_content(kind: str, tmp_path: Path) -> None:
    """Whatever the file is called."""
    (tmp_path / "picture.xyz").write_bytes(pictures.encoded(pictures.quarters(), kind))
    image, facts = images.decode(tmp_path / "picture.xyz")
    assert looks_like_quarters(image, 60)
    assert (facts.width, facts.height) == ((48, 36) if kind == "ICO" else (64, 48))
    assert facts.format == kind


def test_heic() -> None:
    opened = set(Image.OPEN)
    image, facts = images.decode(pictures.heic(), 224)
    assert looks_like_quarters(image)
    assert (facts.width, facts.height, facts.format) == (64, 48, "HEIF")
    assert set(Image.OPEN) - opened <= {"AVIF"}, "Pillow is as it was"


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_heic_is_turned_as_it_says(turns: int) -> None:
    image, facts = images.decode(pictures.heic(turns))
    assert looks_like_quarters(image.rotate(-90 * turns, expand=True))
    assert (facts.width, facts.height) == image.size == ((48, 64) if turns % 2 else (64, 48))


def test_cmyk() -> None:
    image, _ = images.decode(pictures.jpeg(pictures.quarters().convert("CMYK")))
    assert looks_like_quarters(image, 40)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_tiff_in_other_colour_spaces(mode: str) -> None:
    stored = pictures.lab(pictures.quarters()) if mode == "LAB" else pictures.quarters().convert(mode)
    assert looks_like_quarters(images.decode(pictures.encoded(stored, "TIFF")).image)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("colours", ["RGB", "RGBA", "CMYK"])
def test_tiff_of_16_bits_a_channel(order: str, colours: str) -> None:
    assert looks_like_quarters(images.decode(pictures.deep_tiff(colours, order)).image)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    image, _ = images.decode(pictures.deep_grey(kind))
    assert [image.getpixel((x, 20)) for x in (8, 24, 40, 56)] == [(v, v, v) for v in (0, 85, 170, 255)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0, 128, 255], [0, 128, 255]),
        ([0, 257, 65535], [0, 1, 255]),
        ([0, 4e5, 1e6], [0, 102, 255]),
        ([-5, np.nan, 1], [0, 0, 255]),
    ],
)
def test_floating_point_pictures_are_scaled_by_what_holds_them(values: list[float], expected: list[int]) -> None:
    data = pictures.encoded(Image.fromarray(np.array([values], np.float32)), "TIFF")
    assert [pixel[0] for pixel in np.asarray(images.decode(data).image)[0]] == expected


def test_32_bit_integers() -> None:
    data = pictures.encoded(Image.fromarray(np.array([[0, 257 * 100, 65535]], np.int32)), "TIFF")
    assert [pixel[0] for pixel in np.asarray(images.decode(data).image)[0]] == [0, 100, 255]


def test_palettes() -> None:
    image, _ = images.decode(pictures.palette())
    assert corners(image)[:2] == [(255, 0, 0), (0, 0, 255)]


def test_a_transparent_palette_colour_is_white() -> None:
    image, _ = images.decode(pictures.palette(transparent=1))
    assert corners(image)[:2] == [(255, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF"), ("RGBA", "AVIF")]
)
def test_what_is_transparent_is_white(mode: str, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    left, right = corners(images.decode(pictures.encoded(pictures.see_through(mode), kind, **options)).image)[:2]
    assert np.abs(np.array(right) - 255).max() <= 2
    assert max(left) < 205


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F", "I;16", "I;16B"],
)
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.new({"PA": "LA", "La": "LA", "RGBa": "RGBA", "I;16B": "I"}.get(mode, mode), (9, 7))
    image = image.convert(mode)
    assert images.flatten(image).mode == "RGB"
    assert images.as_picture(image).size == (9, 7)


def test_half_transparent_over_white() -> None:
    image = images.flatten(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))
    assert image.getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("size", [0, 40])
def test_a_jpeg_without_its_end_is_read_if_nearly_all_is_there(size: int) -> None:
    """As every viewer does; its lowest rows may be missing."""
    whole = pictures.jpeg(pictures.noise(3, (400, 400)))
    for end in (len(whole) - 2, len(whole) * 98 // 100):
        upper = (0, 0, 50, 50)
        apart = np.asarray(images.decode(whole[:end], size).image.crop(upper), float)
        assert np.abs(apart - np.asarray(images.decode(whole, size).image.crop(upper))).max() == 0
    progressive = pictures.jpeg(pictures.noise(3, (90, 70)), progressive=True)
    for cut in (whole[: len(whole) // 2], whole[: len(whole) * 9 // 10], progressive[: len(progressive) * 9 // 10]):
        with pytest.raises(UnreadablePicture, match="cut off"):
            images.decode(cut, size)


def test_black_and_white() -> None:
    data = pictures.encoded(pictures.stripes().convert("1"), "TIFF", compression="group4")
    assert corners(images.decode(data).image)[0] in ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    assert corners(images.decode(pictures.animation(kind)).image)[0] == (255, 0, 0)


@pytest.mark.parametrize(
    ("exif_time", "expected"),
    [
        ("2024:05:17 10:20:30", "2024-05-17T10:20:30"),
        ("2024:05:17 10:20:30\0", "2024-05-17T10:20:30"),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2024:13:45 10:20:30", None),
        ("0001:01:01 00:00:00", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_when_it_was_taken(exif_time: str | None, expected: str | None) -> None:
    data = pictures.jpeg(exif=pictures.exif(taken=exif_time))
    assert images.decode(data, 16).facts.taken_at == expected


def test_a_damaged_exif_block_does_not_spoil_the_picture() -> None:
    for block in (b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\x7f"):
        image, facts = images.decode(pictures.jpeg(pictures.quarters(), exif=block))
        assert looks_like_quarters(image)
        assert facts.taken_at is None


# ---- decoding: small and quick


def test_a_large_jpeg_is_drafted_and_its_facts_are_of_the_whole() -> None:
    data = pictures.oriented(6, picture=pictures.quarters((4000, 3000)))
    image, facts = images.decode(data, 224)
    assert (facts.width, facts.height) == (4000, 3000)
    assert image.size == (1000, 750)
    assert looks_like_quarters(image)
    assert images.decode(data).image.size == (4000, 3000)


@pytest.mark.parametrize("size", [(900, 900), (448, 6000), (447, 6000), (895, 3000), (1793, 1792)])
def test_a_draft_has_both_edges_at_least_twice_the_target(size: tuple[int, int]) -> None:
    image = images.decode(pictures.jpeg(pictures.gradient(size)), 224).image
    assert min(image.size) >= min(448, *size)


def test_a_draft_looks_like_the_whole() -> None:
    data = pictures.jpeg(pictures.gradient((1920, 1440)))
    draft, whole = images.decode(data, 100).image, images.decode(data).image
    apart = np.asarray(draft.resize((64, 48)), float) - np.asarray(whole.resize((64, 48)), float)
    assert np.abs(apart).max() < 4


def test_shrink_and_thumbnail() -> None:
    assert images.shrink(pictures.gradient((400, 100)), 200).size == (200, 50)
    assert images.shrink(pictures.gradient((40, 10)), 200).size == (40, 10)
    assert images.shrink(pictures.gradient((4000, 2)), 100).size == (100, 1)
    small, facts = images.decode(images.make_thumbnail(pictures.quarters((400, 300)), 80))
    assert (small.size, facts.format) == ((80, 60), "JPEG")
    assert looks_like_quarters(small)


# ---- what callers search with


def test_a_query_may_be_a_path_bytes_an_image_or_an_array(tmp_path: Path) -> None:
    (tmp_path / "q.jpg").write_bytes(pictures.oriented(6))
    data, upright = pictures.oriented(3, "PNG"), pictures.quarters()
    queries: list[Any] = [
        tmp_path / "q.jpg",
        str(tmp_path / "q.jpg"),
        "file://" + str(tmp_path / "q.jpg"),
        data,
        bytearray(data),
        memoryview(data),
        Image.open(io.BytesIO(data)),
        Image.open(io.BytesIO(pictures.oriented(7, "TIFF"))),
        upright.convert("RGBA"),
        np.asarray(upright),
        np.asarray(upright.convert("RGBA")),
        np.asarray(upright)[:, ::-1][:, ::-1],
    ]
    for query in queries:
        assert looks_like_quarters(images.as_picture(query))
    assert images.as_picture(np.zeros((5, 9), np.uint8)).size == (9, 5)


@pytest.mark.parametrize("query", [None, 7, 1.5, ["a.jpg"], {"path": "a.jpg"}, object])
def test_what_is_no_query_is_named(query: object) -> None:
    with pytest.raises(BadQuery, match="is no picture: give a path") as caught:
        images.as_picture(query)
    assert repr(query) in str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3)),
        np.zeros(512, np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.uint8(3),
    ],
)
def test_an_array_that_is_no_picture_is_named(array: Any) -> None:
    with pytest.raises(BadQuery, match=r"is no picture"):
        images.as_picture(array)


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("none.jpg", UnreadablePicture, "'none.jpg' can't be used as a picture: there is no such file"),
        (b"hello", UnreadablePicture, r"a file of 5 bytes can't be used as a picture: not a picture but text"),
        (pictures.bomb(), PictureTooLarge, "50000 x 50000"),
        (Image.new("RGB", (0, 5)), UnreadablePicture, "RGB, 0 x 5.*no pixels"),
        (Image.open(io.BytesIO(pictures.jpeg()[:2000])), UnreadablePicture, "RGB, 160 x 120.*cut off"),
    ],
)
def test_a_query_that_cannot_be_read_is_named(query: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        images.as_picture(query)


@pytest.mark.parametrize("data", [b"\xff\x0a\0\0\0\0", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_without_its_plug_in_says_what_to_install(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FORMATS", {})
    with pytest.raises(UnreadablePicture, match=r"JPEG XL.*nearkin\[jxl\]"):
        images.decode(data)


def test_jpeg_xl_states_its_size_as_its_plug_in_reads_it() -> None:
    pytest.importorskip("pillow_jxl")
    for size in [(160, 120), (256, 256), (77, 300), (8, 16), (300, 8), (200, 100), (33, 33), (1080, 600)]:
        for boxed in (False, True):
            data = pictures.encoded(Image.new("RGB", size), "JXL", use_container=boxed)
            assert images._read_jxl_size(data) == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_xl_comes_upright(orientation: int) -> None:
    pytest.importorskip("pillow_jxl")
    stored = Image.open(io.BytesIO(pictures.oriented(orientation)))
    image, facts = images.decode(pictures.encoded(stored, "JXL"))
    assert looks_like_quarters(image)
    assert (facts.width, facts.height) == (64, 48)


def test_jpeg_xl_is_read_where_its_plug_in_is_installed() -> None:
    pytest.importorskip("pillow_jxl")
    decoded = images.decode(pictures.encoded(pictures.disc(), "JXL"), 16)
    assert (decoded.facts.format, decoded.image.size) == ("JXL", (160, 120))
    assert ".jxl" in images.PICTURE_SUFFIXES


def test_webp_keeps_small_pictures_as_they_are() -> None:
    with Image.open(io.BytesIO(images.encode_webp(Image.new("RGB", (30, 20), "red"), 160))) as image:
        assert (image.size, image.format) == ((30, 20), "WEBP")
    with Image.open(io.BytesIO(images.encode_webp(Image.new("RGB", (400, 200), "red"), 160))) as image:
        assert image.size == (160, 80)


def test_every_format_has_its_plug_in() -> None:
    openers = {name: images.find_opener(name)[0] for name in images.FORMATS}
    assert [name for name, opener in openers.items() if opener is Image.open and name != "JXL"] == []
