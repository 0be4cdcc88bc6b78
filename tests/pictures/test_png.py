"""Which texts of a PNG are left out, and that nothing else is."""

from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image, PngImagePlugin

from indexers.pictures import png
from tests.support import pictures


def make_png(**texts: str | bytes) -> bytes:
    """Return a PNG with these texts; bytes are compressed."""
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text if isinstance(text, str) else text.decode(), zip=isinstance(text, bytes))
    return pictures.encoded(pictures.quarters(), "PNG", pnginfo=info)


def read_texts(data: bytes) -> dict[str, str]:
    image = Image.open(io.BytesIO(data))
    image.load()
    assert isinstance(image, PngImagePlugin.PngImageFile)
    return {str(name): str(text) for name, text in image.text.items()}


def test_short_texts_change_nothing() -> None:
    data = make_png(title="short", history=b"packed")
    assert png.leave_out_long_texts(data) == data


def test_the_longest_texts_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "MAX_TEXT", 200)
    data = png.leave_out_long_texts(make_png(a="a" * 60, b=b"b" * 150, c="c" * 300, d=b"d" * 50))
    assert sorted(read_texts(data)) == ["a", "d"]


def test_a_packed_text_is_measured_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "MAX_TEXT", 2000)
    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "x" * 3000, zip=True)
    data = pictures.encoded(pictures.quarters(), "PNG", pnginfo=info)
    assert len(png.leave_out_long_texts(data)) < len(data)
    assert not read_texts(png.leave_out_long_texts(data))


@pytest.mark.parametrize("cut", [0, 5, 8, 15, 60])
def test_what_is_damaged_stays_as_it_is(cut: int) -> None:
    data = make_png(title="short")
    data = png.SIGNATURE + data[8:][:cut]
    assert png.leave_out_long_texts(data) == data


def test_a_text_that_can_not_be_unpacked_counts_as_it_lies_there() -> None:
    body = b"bomb\0\0" + b"no zlib"
    chunk = len(body).to_bytes(4, "big") + b"zTXt" + body
    chunk += zlib.crc32(b"zTXt" + body).to_bytes(4, "big")
    data = make_png()
    data = data[:33] + chunk + data[33:]  # after the header
    assert png.leave_out_long_texts(data) == data
