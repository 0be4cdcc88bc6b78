"""Pictures that are damaged or made to harm: a picture or a reason, in bounded memory and time."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from indexers.errors import PictureError, PictureTooLarge, UnreadablePicture
from indexers.pictures import images
from indexers.types import Limits
from tests.bench import hostile as structured
from tests.support import pictures
from tests.support.pictures import looks_like_quarters


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"Dear Sir,\nplease find attached", "text, which begins with 'Dear Sir"),
        (b"<html>", "text"),
        ("grüße".encode(), "text"),
        (bytes(100), "not a picture, or of a format"),
        (b"PK\x03\x04" + bytes(100), "an archive; give the address of its pictures"),
        (bytes(257) + b"ustar", "an archive; give the address of its pictures"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "text"),
        (b"\xff\xd8\xff", "cut off|damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"GIF89a", "damaged"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "damaged"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "damaged"),
        (b"\x80\x02]q\x00.", "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        images.decode(data)


def whole_files() -> dict[str, bytes]:
    kinds = ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "PPM"]
    files = {kind: pictures.encoded(pictures.noise(size=(90, 70)), kind) for kind in kinds}
    files["progressive"] = pictures.jpeg(pictures.noise(size=(90, 70)), progressive=True)
    files["TIFF lzw"] = pictures.encoded(pictures.noise(size=(90, 70)), "TIFF", compression="tiff_lzw")
    return files | {"HEIF": pictures.heic(), "animated GIF": pictures.animation("GIF")}


@pytest.mark.parametrize("kind", sorted(whole_files().keys() - {"animated GIF"}))  # whose first frame ends early
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_half_a_picture_is_no_picture(kind: str, kept: float) -> None:
    data = whole_files()[kind]
    for size in (0, 8):
        with pytest.raises(UnreadablePicture):
            images.decode(data[: int(len(data) * kept)], size)


@pytest.mark.parametrize("kind", whole_files())
def test_random_damage_is_a_picture_or_a_picture_error(kind: str) -> None:
    data, chance = whole_files()[kind], random.Random(kind)
    for _ in range(40):
        damaged = bytearray(data)
        for _ in range(chance.choice([1, 3, 30])):
            damaged[chance.randrange(min(len(data), chance.choice([64, len(data)])))] = chance.randrange(256)
        with suppress(PictureError):
            assert images.decode(bytes(damaged), 8, Limits(max_pixels=10**7)).image.mode == "RGB"


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff\xe0",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"II*\0",
            b"MM\0*",
            b"BM",
            b"8BPS",
            b"P6 ",
            b"\0\0\x01\0",
            b"qoif",
            b"icns",
        ]
    ),
)
def test_arbitrary_bytes_never_raise_anything_else(data: bytes, start: bytes) -> None:
    with suppress(PictureError):
        images.decode(start + data, 8, Limits(max_pixels=10**6))


def bombs() -> dict[str, bytes]:
    jpeg, gif = bytearray(pictures.jpeg()), bytearray(pictures.encoded(pictures.disc(), "GIF"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 50_000, 50_000)
    gif[6:10] = struct.pack("<HH", 50_000, 50_000)
    bmp = bytearray(pictures.encoded(pictures.disc(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    return {"PNG": pictures.bomb(), "JPEG": bytes(jpeg), "GIF": bytes(gif), "BMP": bytes(bmp)}


@pytest.mark.parametrize("kind", bombs())
def test_a_bomb_is_refused_before_its_pixels_are_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.core, "new", None)  # no room for pixels is asked for
    with pytest.raises(PictureTooLarge, match=r"50000 x 50000 makes 2,500,000,000 pixels.*180,000,000"):
        images.decode(bombs()[kind], 224)


def test_the_limits_are_the_callers() -> None:
    data = pictures.jpeg(pictures.gradient((100, 50)))
    assert images.decode(data, limits=Limits(max_pixels=5000)).image.size == (100, 50)
    with pytest.raises(PictureTooLarge, match="max_pixels is 4,999"):
        images.decode(data, limits=Limits(max_pixels=4999))
    with pytest.raises(PictureTooLarge, match="max_bytes is 100"):
        images.decode(data, limits=Limits(max_bytes=100))


def test_pictures_above_pillows_own_limit_are_read_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (3000, 1000):  # where Pillow would warn, and where it would refuse
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            assert images.decode(pictures.jpeg(pictures.gradient((100, 50)))).image.size == (100, 50)
        assert not heard


def test_pillow_does_not_warn_about_odd_pictures() -> None:
    odd = Image.new("P", (8, 8))
    data = pictures.encoded(odd, "PNG", transparency=bytes([0, 128, 255]))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        images.decode(data)
        images.decode(pictures.jpeg(exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0garbage"))
    assert not heard


def test_memory_that_runs_out_is_a_failure_of_that_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.core, "new", refuse)
    with pytest.raises(UnreadablePicture, match="more memory"):
        images.decode(pictures.jpeg())


def test_threads_decode_beside_each_other() -> None:
    files = [pictures.oriented(i, "JPEG", pictures.quarters((640, 480))) for i in range(1, 9)]
    files += [pictures.heic(), pictures.bomb(), b"text", pictures.oriented(5, "TIFF")]
    start = threading.Barrier(4)

    def work(_: int) -> list[str]:
        start.wait()
        return [outcome(data) for data in files * 5]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    expected = ["upright"] * 9 + ["PictureTooLarge", "UnreadablePicture", "upright"]
    assert results == [expected * 5] * 4


def outcome(data: bytes) -> str:
    try:
        return "upright" if looks_like_quarters(images.decode(data, 64).image) else "wrong"
    except PictureError as error:
        return type(error).__name__


def test_a_small_file_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "SECONDS", 0.3)
    slow, started = pictures.many_scans(Image.new("L", (3000, 3000), 200), 5000), time.process_time()
    assert len(slow) < 400_000
    for size in (0, 224):
        with pytest.raises(UnreadablePicture, match=r"longer than 0\.3 seconds"):
            images.decode(slow, size)
    assert time.process_time() - started < 30  # 3 s where nothing else runs, and hours without a limit


JXL = b"\0\0\0\x0cJXL \r\n\x87\n"
JXL_BOMB = b"\xff\x0a" + (50_000 - 1 << 3 | 2 << 1 | 1 << 21).to_bytes(8, "little")
"""A codestream's first bytes: 50,000 high by 18 bits, as wide."""


@pytest.mark.parametrize(
    "data", [JXL_BOMB, JXL + struct.pack(">I", 18) + b"jxlc" + JXL_BOMB, JXL + b"\0\0\0\x16jxlp\0\0\0\0" + JXL_BOMB]
)
def test_a_jpeg_xl_bomb_is_refused_before_its_plug_in_opens_it(data: bytes) -> None:
    pytest.importorskip("pillow_jxl")
    with pytest.raises(PictureTooLarge, match="50000 x 50000"):
        images.decode(data)


@pytest.mark.parametrize("data", [JXL, b"\xff\x0a", JXL + b"\0\0\0\x01jxlc", JXL + b"\0\0\0\0jxlc", JXL + b"\xff" * 40])
def test_a_jpeg_xl_file_without_a_size_is_damaged(data: bytes) -> None:
    pytest.importorskip("pillow_jxl")
    with pytest.raises(UnreadablePicture, match="states no size"):
        images.decode(data)


def test_parts_in_disorder_are_a_picture_or_a_reason() -> None:
    """Doubled, missing, moved and changed parts whose lengths and checksums are right get deeper into a decoder."""
    decoded, reasons, limits = 0, list[str](), Limits(max_pixels=4_000_000)
    for number in range(330):
        started = time.process_time()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                decoded += images.decode(structured.restructure(number), 16, limits).image.mode == "RGB"
            except PictureError as error:
                reasons.append(str(error))
        assert not heard, number
        assert time.process_time() - started < 5, number
    assert decoded > 60
    assert len(reasons) > 60
    assert decoded + len(reasons) == 330


@pytest.mark.parametrize("kind", structured.seeds())
def test_taking_apart_and_putting_together_again_changes_nothing(kind: str) -> None:
    split, join, data = structured.seeds()[kind]
    whole = images.decode(data)
    again = images.decode(join(*split(data)))
    assert again.facts == whole.facts
    assert again.image.tobytes() == whole.image.tobytes()


def test_pillow_logs_nothing_to_the_terminal() -> None:
    """A TIFF of too many samples: Pillow logs an error, which Python prints where no logging is set up."""
    code = "from indexers.pictures import images\nfrom tests.support import pictures\n"
    code += "data = bytearray(pictures.deep_tiff('RGB', '<'))\n"
    code += "place = data.index(bytes([21, 1, 4, 0]))\ndata[place + 8] = 99\n"
    code += "try: images.decode(bytes(data))\nexcept Exception as error: print(error)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert "TIFF" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(("count", "megabytes", "is_packed"), [(1, 3, True), (1, 80, True), (80, 1, False)])
def test_long_texts_of_a_png_are_no_part_of_the_picture(count: int, megabytes: int, is_packed: bool) -> None:
    """Programs keep workflows and histories of several MB in there; Pillow would refuse more than 1, or 64 together."""
    info = PngImagePlugin.PngInfo()
    for number in range(count):
        info.add_text(f"workflow {number}", "x" * (megabytes * 2**20), zip=is_packed)
    info.add_text("Title", "Four quarters")
    picture = images.decode(pictures.encoded(pictures.quarters(), "PNG", pnginfo=info))
    assert looks_like_quarters(picture.image)
    assert picture.facts.description["title"] == "Four quarters"


def test_a_colour_profile_that_is_a_bomb_is_refused_by_its_name() -> None:
    data = pictures.encoded(pictures.quarters(), "PNG", icc_profile=b"p" * (80 * 2**20))
    with pytest.raises(UnreadablePicture, match="its colour profile is too large: it has more than 67,108,864 bytes"):
        images.decode(data)
