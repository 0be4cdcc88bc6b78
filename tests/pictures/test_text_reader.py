"""Reading the text in pictures, with the real network, never online."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from indexers.errors import MissingPackage, WeightsUnavailable
from indexers.pictures import text_reader
from indexers.pictures.text_reader import TextReader, check_reader

SMALL_PRINT = [
    "fresh mackerel, lobster and oysters for the wedding",
    "banquet at the lighthouse beside the old station",
]
LINES = ["Harbour office", "open 9 to 17", "Tickets 4,50"]


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader(1)


def draw_lines(lines: list[str], size: tuple[int, int] = (640, 240)) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    for place, line in enumerate(lines):
        ImageDraw.Draw(picture).text((30, 20 + 64 * place), line, "black", ImageFont.load_default(40))
    return picture


def test_lines_are_read_from_top_to_bottom_without_the_network(
    reader: TextReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("it went online")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    lines = reader.read(draw_lines(LINES)).splitlines()
    assert [line.lower().replace(" ", "") for line in lines] == [line.lower().replace(" ", "") for line in LINES]
    assert reader.read(Image.new("RGB", (300, 200), "white")) == ""
    assert reader.read(Image.new("RGB", (1, 1))) == ""


@pytest.mark.parametrize("angle", [90, 180, 270, 12])
def test_lines_are_read_at_any_angle(reader: TextReader, angle: int) -> None:
    picture = draw_lines(LINES).rotate(angle, expand=True, fillcolor="white")
    assert {"harbour", "tickets"} <= set(reader.read(picture).lower().split())


def test_small_print_is_read(reader: TextReader) -> None:
    picture = Image.new("RGB", (420, 120), "white")
    for place, line in enumerate(SMALL_PRINT):
        ImageDraw.Draw(picture).text((20, 20 + 16 * place), line, "black", ImageFont.load_default(10))
    assert {"lobster", "lighthouse"} <= set(reader.read(picture).lower().split())


def test_what_is_missing_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reader, "find_spec", lambda name: None if name == "rapidocr" else find_spec(name))
    with pytest.raises(MissingPackage, match=r"pip install 'nearkin\[ocr\]'"):
        check_reader()
    with pytest.raises(MissingPackage):
        TextReader(1).read(draw_lines(LINES))


def test_other_weights_are_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(text_reader.WEIGHTS, "Det", (text_reader.WEIGHTS["Det"][0], "0" * 64))
    with pytest.raises(WeightsUnavailable, match=r"does not hold PP-OCRv6_det_small\.onnx as it should"):
        TextReader(1).read(draw_lines(LINES))
