"""The cluster tree as text in a terminal"""

from __future__ import annotations

from collections.abc import Iterator

from retrieval.pages.album import Album, Below, Tile, _below, _captions, _counted, _same
from retrieval.pages.page import printable

_SAMPLES, _SAMPLE = 3, 24  # captions in a line of the tree, and the columns that one may take


def tree(album: Album, width: int = 100, depth: int = 2) -> str:
    """The clusters as an indented tree, the finer ones below the coarser ones, `depth` of them deep.

    A line: size, name, some captions, what is new, and the id. A cluster without a name is called by its captions. One
    that holds a single other of the same size is one line with it, under the name and id of the first that has a name.
    No line is wider than `width` columns (at least 40), and each ends in `#id`, whatever had to be cut.
    """
    below = _below(album)
    count = f"{_counted(album.items, 'item')}, {_counted(len(album.tiles), 'cluster')}, as of change {album.as_of:,}"
    lines = [_cut(f"{printable(album.title)}: {count}", max(width, 40)), ""]
    lines += _branches(album, below, below.get(None, []), max(width, 40), depth, "")
    lines += [""] if below else []
    lines += [printable(album.note)] if album.note else []
    return "\n".join([*lines, _counted(album.loose, "loose item")])


def _branches(album: Album, below: Below, tiles: list[Tile], width: int, depth: int, rail: str) -> Iterator[str]:
    """The lines of these clusters, and of what lies in them."""
    digits = max((len(f"{tile.size:,}") for tile in tiles), default=0)
    for tile in tiles:
        chain, last = _same(tile, below), tile is tiles[-1]
        inner = below.get(chain[-1].id, [])
        shown = next((one for one in chain if one.name), tile)
        start = f"{rail}{'└' if last else '├'} {tile.size:>{digits},}  "
        end = _facts(shown, len(inner) if depth <= 1 else 0, width - len(start))
        room = width - len(start) - len(end)
        text = _told(album, shown, room)
        yield f"{start}{text}{' ' * (room - _columns(text))}{end}"
        if depth > 1:
            yield from _branches(album, below, inner, width, depth - 1, rail + ("  " if last else "│ "))


def _facts(tile: Tile, parts: int, room: int) -> str:
    """How a line ends: what is new, how many clusters lie in it unseen, and the id; only that where room is scarce."""
    new = f"  +{tile.new:,} new" if tile.new else ""
    unseen = f"  {_counted(parts, 'part')}" if parts else ""
    full, bare = f"{unseen}{new}  #{tile.id}", f"  #{tile.id}"
    return full if len(full) < room - 12 else bare


def _told(album: Album, tile: Tile, room: int) -> str:
    """What a line says of a cluster: its name, then captions in the room that is left."""
    samples = ", ".join(_cut(one, _SAMPLE) for one in _captions(album, tile)[:_SAMPLES])
    if not tile.name:
        return _cut(samples or "unnamed", room)
    name = _cut(printable(tile.name), room)
    left = room - _columns(name) - 2
    return f"{name}: {_cut(samples, left)}" if samples and left >= _SAMPLE // 2 else name


def _columns(text: str) -> int:
    """How many columns of a terminal it takes: wide letters take two, accents of their own none."""
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, width: int) -> str:
    """The text, cut with an ellipsis where it is wider than that."""
    if _columns(text) <= width:
        return text
    text = text[: 4 * width]
    while text and _columns(text) >= width:
        text = text[:-1]
    return text.rstrip(" ,") + "…"
