"""The page of hits: each with its picture, its score and what is known about it."""

from __future__ import annotations

import os
from pathlib import Path

from indexers.errors import UnreadablePicture
from indexers.pictures.scan import to_path
from retrieval.pages.page import escape, format_count, make_data_uri, render_page
from retrieval.records.search import Hit, Hits

STYLE = """
.hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 14px; margin-top: 18px; }
.hits figure { margin: 0; padding: 10px; border: 1px solid var(--line); border-radius: 10px; background: var(--card); }
.hits img { display: block; width: 100%; height: 200px; object-fit: contain; }
.hits a { color: inherit; }
"""


def render_hits(hits: Hits, title: str) -> str:
    """Return the page: the hits, best first, in groups if the search asked for them. A picture leads to its file."""
    if hits.groups:
        body = "".join(
            f"<section><h2>{escape(_name_group(group.cluster))}</h2>{_render_grid(group.hits)}</section>"
            for group in hits.groups
        )
    else:
        body = _render_grid(hits.hits)
    return render_page(title, f'<p class="quiet">{format_count(len(hits), "hit")}</p>{body}', STYLE)


def _name_group(cluster: object) -> str:
    name = getattr(cluster, "name", None) or "unnamed"
    return f"{name}, {format_count(getattr(cluster, 'size', 0), 'item')}" if cluster else "in no cluster"


def _render_grid(hits: tuple[Hit, ...]) -> str:
    return f'<div class="hits">{"".join(map(_render_hit, hits))}</div>'


def _render_hit(hit: Hit) -> str:
    name = hit.uri or hit.key
    address = _find_address(hit.uri)
    try:
        picture = f'<img src="{make_data_uri(hit.thumbnail(400), "webp")}" alt="{escape(name)}" loading="lazy">'
    except UnreadablePicture:
        picture = '<p class="quiet">no picture</p>'
    linked = f'<a href="{escape(address)}">{picture}</a>' if address else picture
    facts = ", ".join(f"{key}: {value}" for key, value in hit.metadata.items())
    text = f"{hit.score:.3f} {escape(os.path.basename(name) or name)}"
    facts = "; ".join(part for part in (hit.describe_chance(), facts) if part)
    return f'<figure>{linked}<figcaption>{text}<p class="quiet">{escape(facts)}</p></figcaption></figure>'


def _find_address(uri: str | None) -> str | None:
    """Return the address of a file for a browser; None for what is none, such as a picture in an archive."""
    if uri is None or not os.path.isabs(to_path(uri)):
        return uri if uri and uri.startswith(("http://", "https://")) else None
    return Path(to_path(uri)).as_uri()
