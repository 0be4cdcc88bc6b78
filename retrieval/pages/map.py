"""The map as a picture (PNG), and as a page that holds all of it and loads nothing from elsewhere."""

from __future__ import annotations

import base64
import colorsys
import html
import io
import json
from collections.abc import Callable, Sequence
from importlib import resources

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from indexers.errors import NearkinError
from retrieval.pages.page import hash_source, make_data_uri, make_printable
from retrieval.records.maps import CollectionMap, Territory

MARGIN = 0.06
"""The share of the picture's width around the square from -1 to 1."""
NAMES = 24
"""Territories whose names a picture shows, at most."""
SHOWN = 300
"""Items of which the page holds a thumbnail, at most."""
GROUND, INK, LOOSE = (20, 21, 23), (236, 236, 234), (120, 123, 130)


def choose_colour(cluster: int) -> tuple[int, int, int]:
    """Return the colour of a cluster; that of items in none is grey."""
    if not cluster:
        return LOOSE
    hue = cluster * 0.618034 % 1
    red, green, blue = colorsys.hls_to_rgb(hue, 0.62 + 0.1 * (cluster % 3 - 1), 0.62)
    return round(255 * red), round(255 * green), round(255 * blue)


def render_png(drawn: CollectionMap, edge: int = 1600) -> bytes:
    """Return the map as a PNG, `edge` pixels wide and high: a dot for each item, names of the largest territories."""
    pixels = np.empty((edge, edge, 3), np.uint8)
    pixels[:] = GROUND
    column, row = (_to_pixels(values, edge) for values in (drawn.x, -drawn.y))
    radius = max(1, min(9, round(edge / 14 / max(len(drawn.items), 1) ** 0.5)))
    colours = _colour_items(drawn)
    for down in range(-radius, radius + 1):
        for across in range(-radius, radius + 1):
            if down * down + across * across <= radius * radius:
                pixels[np.clip(row + down, 0, edge - 1), np.clip(column + across, 0, edge - 1)] = colours
    image = Image.fromarray(pixels)
    _write_names(image, choose_territories(drawn), edge)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def render_map_webp(drawn: CollectionMap, edge: int = 800) -> bytes:
    """Return the map as a small WebP."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(render_png(drawn, edge))) as image:
        image.save(stream, "WEBP", quality=80)
    return stream.getvalue()


def choose_territories(drawn: CollectionMap) -> Sequence[Territory]:
    """Return the largest territories of medium, or of coarse where there are more than a picture has room for."""
    medium = [territory for territory in drawn.territories if territory.level == "medium"]
    coarse = [territory for territory in drawn.territories if territory.level == "coarse"]
    return (medium if len(medium) <= NAMES or not coarse else coarse)[:NAMES]


def _colour_items(drawn: CollectionMap) -> np.ndarray:
    ids, places = np.unique(drawn.clusters[:, 1] if len(drawn.items) else np.empty(0, np.int64), return_inverse=True)
    palette = np.array([choose_colour(cluster) for cluster in ids.tolist()] or [LOOSE], np.uint8)
    return palette[places]


def _to_pixels(values: np.ndarray, edge: int) -> np.ndarray:
    share = MARGIN + (1 - 2 * MARGIN) * (np.clip(values.astype(np.float64), -1.1, 1.1) + 1) / 2
    pixels: np.ndarray = np.clip((share * edge).astype(np.int64), 0, edge - 1)
    return pixels


def _write_names(image: Image.Image, territories: Sequence[Territory], edge: int) -> None:
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(12, edge // 70))
    taken: list[tuple[float, float, float, float]] = []
    for territory in territories:
        name = make_printable(territory.name or f"cluster {territory.cluster}")[:40]
        x, y = _to_pixels(np.array([territory.x, -territory.y]), edge).tolist()
        box = draw.textbbox((x, y), name, font, anchor="mm")
        if any(box[0] < right and left < box[2] and box[1] < low and top < box[3] for left, top, right, low in taken):
            continue
        taken.append((box[0], box[1], box[2], box[3]))
        draw.text((x, y), name, INK, font, anchor="mm", stroke_width=max(2, edge // 500), stroke_fill=GROUND)


def render_page(drawn: CollectionMap, title: str, make_thumbnail: Callable[[int], bytes]) -> str:
    """Return the map as a page: it can be moved and zoomed, and shows thumbnails of items spread over it."""
    thumbnails = {}
    for item_id in _spread_items(drawn, SHOWN):
        try:
            thumbnails[item_id] = make_data_uri(make_thumbnail(item_id), "webp")
        except NearkinError:  # a file that is gone is a dot
            continue
    order = [drawn.items.tolist(), [choose_colour(cluster) for cluster in drawn.clusters[:, 1].tolist()]]
    data = {
        "x": _encode(drawn.x),
        "y": _encode(drawn.y),
        "colours": base64.b64encode(np.array(order[1], np.uint8).tobytes()).decode(),
        "pictures": [[int(np.searchsorted(drawn.items, item_id)), uri] for item_id, uri in thumbnails.items()],
        "names": [
            [
                make_printable(territory.name or f"cluster {territory.cluster}"),
                territory.x,
                territory.y,
                territory.level,
            ]
            for territory in drawn.territories
            if territory.level != "fine"
        ],
    }
    template = resources.files("retrieval").joinpath("pages/map.html").read_text(encoding="utf-8")
    style, script = (template.split(f"<{name}>")[1].split(f"</{name}>")[0] for name in ("style", "script"))
    policy = f"default-src 'none'; img-src data:; style-src '{hash_source(style)}'; script-src '{hash_source(script)}'"
    text = json.dumps(data).replace("<", "\\u003c")
    filled = template.replace("POLICY", html.escape(policy)).replace("TITLE", html.escape(make_printable(title)))
    return filled.replace("DATA", text)


def _encode(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def _spread_items(drawn: CollectionMap, limit: int) -> list[int]:
    """Return items of which no two lie in one cell of a grid, the medoids of territories first."""
    cells = max(1, round(limit**0.5 * 1.3))
    chosen: dict[tuple[int, int], int] = {}
    medoids = [territory.medoid for territory in drawn.territories]
    for item_id in dict.fromkeys([*medoids, *drawn.items.tolist()]):
        row = int(np.searchsorted(drawn.items, item_id))
        cell = int((drawn.x[row] + 1) / 2 * cells), int((drawn.y[row] + 1) / 2 * cells)
        if len(chosen) < limit:
            chosen.setdefault(cell, item_id)
    return list(chosen.values())
