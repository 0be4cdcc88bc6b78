"""Colour profiles are brought to sRGB; the camera is remembered."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from indexers.pictures import images
from indexers.pictures.colours import to_srgb
from retrieval import Collection
from tests.support import pictures

KINDS = [("RGB", "PNG"), ("RGB", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("RGB", "WEBP")]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def make_wide_profile() -> bytes:
    """A profile that is not sRGB: its red and green primaries are exchanged."""
    tags = SRGB
    count = struct.unpack(">I", tags[128:132])[0]
    table = {tags[132 + 12 * i : 136 + 12 * i]: 132 + 12 * i for i in range(count)}
    red, green = table[b"rXYZ"], table[b"gXYZ"]
    swapped = bytearray(tags)
    swapped[red + 4 : red + 12], swapped[green + 4 : green + 12] = (
        tags[green + 4 : green + 12],
        tags[red + 4 : red + 12],
    )
    place = tags.find("sRGB".encode("utf-16-be"))
    while place >= 0:
        swapped[place : place + 8] = "swap".encode("utf-16-be")
        place = tags.find("sRGB".encode("utf-16-be"), place + 8)
    return bytes(swapped).replace(b"sRGB", b"swap")


def encode_with_profile(profile: bytes, mode: str = "RGB", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 24), (250, 10, 10)).convert(mode).save(file, kind, icc_profile=profile)
    return file.getvalue()


def decode_middle(data: bytes) -> tuple[int, int, int]:
    return images.decode(data).image.getpixel((16, 12))  # type: ignore[return-value]


@pytest.mark.parametrize(("mode", "kind"), KINDS)
def test_colours_are_what_the_profile_says(mode: str, kind: str) -> None:
    red, green, blue = decode_middle(encode_with_profile(make_wide_profile(), mode, kind))
    assert green > 200  # what the file calls red is this profile's green
    assert red < 120
    assert blue < 120


def test_srgb_itself_costs_nothing_and_changes_nothing() -> None:
    picture = Image.open(io.BytesIO(encode_with_profile(SRGB)))
    picture.load()
    assert to_srgb(picture) is picture


@pytest.mark.parametrize("profile", [b"x" * 200, make_wide_profile()[:300], SRGB[:128], b""], ids=len)
def test_a_broken_profile_is_passed_over(profile: bytes) -> None:
    red, green, _ = decode_middle(encode_with_profile(profile))
    assert (red, green) == (250, 10)


def test_a_profile_for_another_kind_of_picture_is_passed_over() -> None:
    assert (
        decode_middle(encode_with_profile(make_wide_profile(), "L"))[0]
        == decode_middle(encode_with_profile(SRGB, "L"))[0]
    )


def test_transparent_pictures_stay_so() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), (250, 10, 10, 0)).save(file, "PNG", icc_profile=make_wide_profile())
    assert images.decode(file.getvalue()).image.getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("NIKON CORPORATION\0", "  D70\0", "NIKON CORPORATION D70"),
        ("", "X100", "X100"),
        ("", "", None),
        ("a\x07b", "c", None),
    ],
)
def test_the_camera_is_read(make: str, model: str, camera: str | None) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = make, model
    assert images.decode(pictures.jpeg(pictures.disc(), exif=exif)).facts.camera == camera


def test_the_camera_becomes_metadata_unless_the_caller_says_otherwise(tmp_path: Path, collection: Collection) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Apple", "iPhone 12"
    for name in ("red", "blue"):
        (tmp_path / f"{name}.jpg").write_bytes(pictures.jpeg(pictures.disc(name), exif=exif))
    collection.add(tmp_path / "red.jpg")
    collection.add(tmp_path / "blue.jpg", metadata={"camera": "another"})
    assert collection.count(where={"camera": "Apple iPhone 12"}) == 1
    assert collection.get(str(tmp_path / "blue.jpg")).metadata == {"camera": "another"}
    assert collection.search(query="iphone")[0].uri == str(tmp_path / "red.jpg")


def test_threads_share_a_profile() -> None:
    from concurrent.futures import ThreadPoolExecutor

    data = encode_with_profile(make_wide_profile())
    with ThreadPoolExecutor(4) as pool:
        decoded = list(pool.map(lambda _: np.asarray(images.decode(data).image).tobytes(), range(40)))
    assert len(set(decoded)) == 1
