"""An album computed by hand: three levels, names from strangers, and a picture that is gone."""

from __future__ import annotations

from retrieval.pages.album import Album, Tile

EVIL = "<script>alert(1)</script>"
CAPTIONS = {
    1: "tabby.jpg",
    2: "persian.jpg",
    3: "</script><img src=x onerror=alert(2)>.png",
    4: 'quote".jpg',
    5: "caf\udce9.jpg",
    6: "red.png",
    7: "blue.png",
}
TILES = (
    Tile(1, "coarse", "animals", 120, None, 0.6, 3, (1, 3, 4)),
    Tile(2, "medium", "cats", 80, 1, 0.8, 3, (1, 2)),
    Tile(3, "medium", None, 37, 1, 0.7, 0, (3, 4, 5)),
    Tile(4, "fine", None, 50, 2, 0.9, 1, (2,)),
    Tile(5, "coarse", None, 9, None, 0.5, 0, (6, 7)),
    Tile(6, "medium", "colours", 9, 5, 0.5, 0, (6, 7)),
    Tile(7, "fine", EVIL, 5, 6, 0.95, 0, (6,)),
    Tile(8, "fine", "blue", 4, 6, 0.99, 0, (7, 99)),
)
ALBUM = Album("Holidays", TILES, 2, 131, CAPTIONS, 1042)
