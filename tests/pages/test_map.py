"""The map as a picture and as a page."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from indexers.errors import UnreadablePicture
from retrieval import CollectionMap, Territory
from retrieval.pages.map import LOOSE, choose_colour, render_page, render_png

NAME = "</script><script>alert(1)</script>\u202e\x1b[2J"


def draw(count: int) -> CollectionMap:
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, count)).astype(np.float32)
    clusters = np.repeat(np.arange(count)[:, None] % 4, 3, axis=1)
    territories = tuple(
        Territory(number, NAME if number == 1 else None, level, 3, 0.1 * number, 0.2, 1)
        for level in ("coarse", "medium", "fine")
        for number in (1, 2, 3)
    )
    return CollectionMap(np.arange(1, count + 1), x, y, clusters, territories if count else (), 5, 5)


def test_a_picture_shows_dots_and_names() -> None:
    for count in (0, 1, 40, 4000):
        with Image.open(io.BytesIO(render_png(draw(count), 400))) as image:
            assert image.size == (400, 400)
            colours = {colour for _, colour in image.convert("RGB").getcolors(10**6)}
            assert (choose_colour(1) in colours) == (count > 1)
            assert (LOOSE in colours) == (count > 0)


def test_a_page_holds_all_of_it_and_no_name_runs() -> None:
    def make_thumbnail(item_id: int) -> bytes:
        if item_id % 2:
            raise UnreadablePicture("gone")
        return b"WEBP"

    page = render_page(draw(40), NAME, make_thumbnail)
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "data:image/webp" in page
    assert "default-src &#x27;none&#x27;" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
