"""The map on the command line."""

from __future__ import annotations

import numpy as np

from retrieval import Collection
from tests.support.shell import Shell


def test_it_is_written_as_picture_page_and_json(shell: Shell) -> None:
    with Collection.open(shell.place / "nearkin-collection", create=True) as collection:
        collection.add_vectors(np.eye(8), keys=[f"k{number}" for number in range(8)])
    said = shell("map", "--png", "map.png", "--edge", 300, "--html", "map.html").stdout
    assert "wrote the map to map.png" in said
    assert "wrote a map of 8 pictures to map.html" in said
    assert "8 pictures on the map" in said
    assert (shell.place / "map.png").read_bytes()[:4] == b"\x89PNG"
    assert len(shell.json("map")["items"]) == 8
    assert shell.json("map", "--rebuild")["as_of"] == shell.json("map")["as_of"]
