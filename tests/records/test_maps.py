"""The record of a map."""

from __future__ import annotations

import json

import numpy as np

from retrieval import CollectionMap, Territory


def test_a_map_is_json() -> None:
    territory = Territory(4, "boats", "medium", 2, 0.5, -0.5, 1)
    arrays = np.array([1, 2]), np.zeros(2, np.float32), np.ones(2, np.float32), np.zeros((2, 3), np.int64)
    drawn = CollectionMap(*arrays, (territory,), 9, 7)
    plain = json.loads(json.dumps(drawn.to_dict()))
    assert (plain["items"], plain["y"], plain["clusters"]) == ([1, 2], [1, 1], [[0, 0, 0]] * 2)
    assert plain["territories"][0]["name"] == "boats"
    assert "items" in drawn._repr_html_()
