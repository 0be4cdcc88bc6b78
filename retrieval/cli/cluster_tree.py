"""The cluster tree as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from retrieval.pages.album import Album, Children, Tile, follow_identical, group_by_parent, list_captions
from retrieval.pages.page import format_count, make_printable

_SAMPLES, _SAMPLE = 3, 24  # captions in a line of the tree, and the most columns of each


def render_tree(album: Album, width: int = 100, depth: int = 2) -> str:
    """Return the clusters as an indented tree of at most `depth` levels, the finer clusters below the coarser ones.

    A line holds the size, the name, some captions, the number of new items and the id. A cluster without a name shows
    its captions instead. A cluster that holds a single other one of the same size shares a line with it, under the name
    and id of the first of them that has a name. No line is wider than `width` columns (at least 40), and each ends in
    `#id`, however much had to be cut.
    """
    children = group_by_parent(album)
    counts = f"{format_count(album.items, 'item')}, {format_count(len(album.tiles), 'cluster')}"
    heading = f"{make_printable(album.title)}: {counts} (change {album.as_of})"
    lines = [_truncate(heading, max(width, 40)), ""]
    lines += _render_branches(album, children, children.get(None, []), max(width, 40), depth, "")
    lines += [""] if children else []
    lines += [make_printable(album.note)] if album.note else []
    return "\n".join([*lines, format_count(album.loose, "unclustered item")])


def _render_branches(
    album: Album, children: Children, tiles: list[Tile], width: int, depth: int, rail: str
) -> Iterator[str]:
    """Yield the lines of these clusters and of the clusters inside them. `rail`: what stands left of them."""
    digits = max((len(f"{tile.size:,}") for tile in tiles), default=0)
    for tile in tiles:
        chain, is_last = follow_identical(tile, children), tile is tiles[-1]
        inner = children.get(chain[-1].id, [])
        labelled = next((link for link in chain if link.name), tile)
        start = f"{rail}{'└' if is_last else '├'} {tile.size:>{digits},}  "
        end = _format_facts(labelled, len(inner) if depth <= 1 else 0, width - len(start))
        room = width - len(start) - len(end)
        text = _describe_tile(album, labelled, room)
        yield f"{start}{text}{' ' * (room - _count_columns(text))}{end}"
        if depth > 1:
            yield from _render_branches(album, children, inner, width, depth - 1, rail + ("  " if is_last else "│ "))


def _format_facts(tile: Tile, subclusters: int, room: int) -> str:
    """Return the end of a line: new items, the number of clusters inside it that are not printed, and the id.

    Where `room` is scarce, the id alone.
    """
    new = f"  +{tile.new:,} new" if tile.new else ""
    inside = f"  {format_count(subclusters, 'subcluster')}" if subclusters else ""
    full, short = f"{inside}{new}  #{tile.id}", f"  #{tile.id}"
    return full if len(full) < room - 12 else short


def _describe_tile(album: Album, tile: Tile, room: int) -> str:
    """Return the name of a cluster, then captions in the room that is left."""
    samples = ", ".join(_truncate(caption, _SAMPLE) for caption in list_captions(album, tile)[:_SAMPLES])
    if not tile.name:
        return _truncate(samples or "unnamed", room)
    name = _truncate(make_printable(tile.name), room)
    left = room - _count_columns(name) - 2
    return f"{name}: {_truncate(samples, left)}" if samples and left >= _SAMPLE // 2 else name


def _count_columns(text: str) -> int:
    """Return the columns that a text takes in a terminal: wide letters take two, combining accents none."""
    from rich.cells import cell_len

    return cell_len(text)


def _truncate(text: str, width: int) -> str:
    """Return the text, shortened to `width` columns with an ellipsis if it is wider."""
    if _count_columns(text) <= width:
        return text
    text = text[: 4 * width]
    while text and _count_columns(text) >= width:
        text = text[:-1]
    return text.rstrip(" ,") + "…"
