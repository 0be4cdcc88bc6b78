"""The page of a collection's clusters: one HTML file that needs nothing besides itself."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from string import Template
from typing import Any

from retrieval.pages.album import (
    Album,
    Children,
    Tile,
    follow_identical,
    group_by_parent,
    list_captions,
)
from retrieval.pages.page import escape, format_count, hash_source, make_data_uri, make_printable

_SAMPLES = 3
"""Captions in a line of the outline."""


class _PageTemplate(Template):
    """A template whose placeholders are `@@name`, since CSS and scripts are full of dollar signs. Values are not
    searched for placeholders again, so a title may contain `@@`."""

    delimiter = "@@"


def render_clusters(album: Album, make_thumbnail: Callable[[int], bytes | None]) -> str:
    """Return the page, to be written as UTF-8; it opens from a disk and loads nothing from elsewhere.

    `make_thumbnail` returns a small WebP or JPEG image of an item (about 160 pixels), or None if the picture is gone.
    Each image is in the page once, however many clusters show it. The page's content security policy runs only the
    script and the style that nearkin ships, whatever a file's name contains.
    """
    source = files("retrieval.pages").joinpath("clusters.html").read_text("utf-8")
    children = group_by_parent(album)
    return _PageTemplate(source).substitute(
        policy=_make_policy(source),
        title=escape(album.title),
        summary=escape(_summarize(album)),
        outline="".join(_render_outline(album, children, children.get(None, []))),
        data=_dump_json(_collect_data(album, children, make_thumbnail)),
        note=escape(album.note),
    )


def _make_policy(source: str) -> str:
    """Return the content security policy: our script and style by their hashes, images in the page, nothing else."""
    script, style = (_hash_blocks(source, tag) for tag in ("script", "style"))
    rest = "img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {script}; style-src {style}; {rest}"


def _hash_blocks(source: str, tag: str) -> str:
    blocks = re.findall(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
    return " ".join(f"'{hash_source(block)}'" for block in blocks)


def _summarize(album: Album) -> str:
    pictures, rest = format_count(album.items, "picture"), f"{album.loose:,}"
    loose = f", {rest} {'of them' if album.of is None else album.of} in no cluster" if album.loose else ""
    return f"{'' if album.of is None else f'Clusters of {album.of}. '}{pictures}{loose}. Last change: {album.as_of}."


def _count_members(album: Album, tile: Tile) -> str:
    return format_count(tile.size, "picture") if album.of is None else f"{tile.size:,} {album.of}"


def _render_outline(album: Album, children: Children, tiles: Iterable[Tile]) -> Iterator[str]:
    """Yield the clusters as nested lists, for readers without JavaScript."""
    yield "<ul>"
    for tile in tiles:
        chain = follow_identical(tile, children)
        labelled = next((link for link in chain if link.name), tile)
        name = f"<b>{escape(labelled.name)}</b>" if labelled.name else "unnamed"
        new = f", {tile.new:,} new" if tile.new else ""
        samples = html.escape(", ".join(list_captions(album, labelled)[:_SAMPLES]))
        yield f"<li>{name} ({_count_members(album, tile)}{new}) <small>{samples} #{labelled.id}</small>"
        if inner := children.get(chain[-1].id):
            yield from _render_outline(album, children, inner)
        yield "</li>"
    yield "</ul>"


def _collect_data(album: Album, children: Children, make_thumbnail: Callable[[int], bytes | None]) -> dict[str, Any]:
    """Return what the script reads. Numbers become Python's own, since they may come from arrays."""
    names, parents = _find_names(album, children), {tile.id: parent for parent, row in children.items() for tile in row}
    item_ids = sorted({int(item_id) for tile in album.tiles for item_id in tile.pictures})
    word = "item" if album.of is None else "part"
    thumbnails = ((item_id, make_thumbnail(item_id)) for item_id in item_ids)
    return {
        "title": make_printable(album.title),
        "levels": album.levels,
        "of": album.of,
        "tiles": [_to_json_tile(tile, names[tile.id], parents[tile.id]) for tile in album.tiles],
        "captions": {
            item_id: make_printable(album.captions.get(item_id) or f"{word} {item_id}") for item_id in item_ids
        },
        "thumbnails": {item_id: make_data_uri(image, _detect_format(image)) for item_id, image in thumbnails if image},
    }


def _to_json_tile(tile: Tile, name: str | None, parent: int | None) -> dict[str, Any]:
    return {
        "id": int(tile.id),
        "level": tile.level,
        "name": make_printable(name) if name else None,
        "size": int(tile.size),
        "parent": None if parent is None else int(parent),
        "tightness": round(float(tile.tightness), 3) if 0 <= tile.tightness <= 1 else 0.0,
        "new": int(tile.new),
        "pictures": [int(item_id) for item_id in tile.pictures],
    }


def _find_names(album: Album, children: Children) -> dict[int, str | None]:
    """Return the name of each cluster; one without a name takes that of a cluster with exactly the same items."""
    names: dict[int, str | None] = {}
    for tile in sorted(album.tiles, key=lambda tile: album.levels.index(tile.level)):
        chain = follow_identical(tile, children)
        name = next((link.name for link in chain if link.name), None)
        for link in chain:
            names.setdefault(link.id, link.name or name)
    return names


def _detect_format(image: bytes) -> str:
    return "webp" if image[:4] == b"RIFF" else "jpeg"


def _dump_json(value: Any) -> str:
    """Return JSON that can stand in a page: ASCII, without the characters that could end the element around it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
