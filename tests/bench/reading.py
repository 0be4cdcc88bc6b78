"""Text in pictures: of the words on rendered pages and on photographs, the share that a query finds.

Pages: sentences of the languages of `readers.tsv` in Latin letters, in sizes from 20 to 34 pixels, turned by up to a
degree, with noise, saved as JPEG. Photographs: samples of scikit-image with a board that bears two lines. A word counts
if `search(query=word)` has the picture among its hits. Nothing was chosen by these pages.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from retrieval import Collection
from tests.bench.harness import Bench
from tests.bench.vectors_data import SAMPLES
from tests.bench.words import READERS

FONTS = Path("/usr/share/fonts/truetype/liberation")
FACES = ("Sans-Regular", "Serif-Regular", "Mono-Regular", "Serif-Italic", "Sans-Bold")
LATIN = ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "pl", "tr", "cs", "fi")
PAGE, PAGES, PHOTOGRAPHS = (1240, 1754), 100, 40
WORD = re.compile(r"[^\W\d_]{4,}")


def run(bench: Bench) -> None:
    sentences = [line.split("\t")[2] for line in READERS.read_text("utf-8").splitlines() if line[:2] in LATIN]
    random = np.random.default_rng(0)
    pages = [draw_page(sentences, random) for _ in range(max(4, round(PAGES * bench.scale)))]
    photographs = [draw_board(sentences, random) for _ in range(max(4, round(PHOTOGRAPHS * bench.scale)))]
    for name, pictures, goal in (("rendered pages", pages, 0.97), ("photographs", photographs, 0.9)):
        measure(bench, name, pictures, goal)


def measure(bench: Bench, name: str, pictures: list[tuple[Image.Image, str]], goal: float) -> None:
    folder = bench.work / f"reading {name}"
    folder.mkdir(parents=True, exist_ok=True)
    texts: dict[str, str] = {}
    for place, (picture, text) in enumerate(pictures):
        path = folder / f"{place:03}.jpg"
        picture.save(path, quality=80)
        texts[str(path)] = text
    with Collection.open(folder / "collection", create=True, clusters=0, path_weight=0, threads=1) as collection:
        collection.add(sorted(texts))
        start = time.process_time()
        report = collection.read()
        seconds = time.process_time() - start
        found: list[bool] = []
        for path, text in texts.items():
            for word in sorted(set(WORD.findall(text))):
                hits = collection.search(query=word, k=len(texts))
                found.append(path in [hit.uri for hit in hits])
    bench.add(
        f"reading: words of {report.read} {name} found by query",
        float(np.mean(found)),
        "",
        f"{goal}",
        limit=goal,
        more=True,
        note=f"{len(found):,} words",
    )
    bench.add(f"reading: {name} a second of processor time", report.read / seconds, "", "")


def draw_page(sentences: list[str], random: np.random.Generator) -> tuple[Image.Image, str]:
    picture, size = Image.new("L", PAGE, 255), int(random.integers(20, 35))
    font = ImageFont.truetype(FONTS / f"Liberation{FACES[random.integers(len(FACES))]}.ttf", size)
    drawer, top, lines = ImageDraw.Draw(picture), 90, []
    for place in random.permutation(len(sentences))[: int(random.integers(8, 20))].tolist():
        for line in wrap(sentences[place], font, PAGE[0] - 200):
            drawer.text((100, top), line, 20, font)
            top += int(1.5 * size)
            lines.append(line)
    picture = picture.rotate(float(random.uniform(-1, 1)), Image.Resampling.BICUBIC, fillcolor=255)
    pixels = np.asarray(picture) + random.normal(0, 6, PAGE[::-1])
    return Image.fromarray(np.uint8(np.clip(pixels, 0, 255))).convert("RGB"), "\n".join(lines)


def wrap(sentence: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Return the lines of a sentence; no word is parted."""
    lines = [""]
    for word in sentence.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def draw_board(sentences: list[str], random: np.random.Generator) -> tuple[Image.Image, str]:
    from skimage import data

    names = [name for name in SAMPLES.split() if name not in ("page", "text")]
    array = getattr(data, names[random.integers(len(names))])()
    picture = Image.fromarray(array if array.dtype == np.uint8 else np.uint8(255 * array)).convert("RGB")
    picture = picture.resize((1000, round(1000 * picture.height / picture.width)))
    words = [word for place in random.permutation(len(sentences))[:4] for word in WORD.findall(sentences[place])][:4]
    lines, size = [" ".join(words[:2]), " ".join(words[2:])], int(random.integers(26, 60))
    font = ImageFont.truetype(FONTS / f"Liberation{FACES[random.integers(len(FACES))]}.ttf", size)
    width = int(max(font.getlength(line) for line in lines)) + 60
    ground, ink = [(20, 60, 120), (240, 235, 220), (150, 30, 30), (30, 90, 40)][random.integers(4)], (250, 250, 245)
    board = Image.new("RGBA", (width, 3 * size + 30), (*ground, 255))
    for place, line in enumerate(lines):
        ImageDraw.Draw(board).text(
            (30, 15 + place * 1.4 * size), line, ink if sum(ground) < 500 else (30, 30, 30), font
        )
    board = board.rotate(float(random.uniform(-8, 8)), Image.Resampling.BICUBIC, expand=True)
    left = int(random.integers(max(1, picture.width - board.width)))
    picture.paste(board, (left, int(random.integers(max(1, picture.height - board.height)))), board)
    return picture, "\n".join(lines)
