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

LINES = ["Harbour office", "open 9 to 17", "Tickets 4,50"]


def draw_lines(lines: list[str], size: tuple[int, int] = (640, 240)) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    for place, line in enumerate(lines):
        ImageDraw.Draw(picture).text((30, 20 + 64 * place), line, "black", ImageFont.load_default(40))
    return picture


def test_lines_are_read_from_top_to_bottom_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("it went online")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    reader = TextReader(1)
    lines = reader.read(draw_lines(LINES)).splitlines()
    assert [line.lower().replace(" ", "") for line in lines] == [line.lower().replace(" ", "") for line in LINES]
    assert reader.read(Image.new("RGB", (300, 200), "white")) == ""
    assert reader.read(Image.new("RGB", (1, 1))) == ""


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
