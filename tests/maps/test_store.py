"""The file of a map: one that is damaged counts as none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.maps.store import StoredMap, find_file, read_map, write_map

STORED = StoredMap(np.array([1, 4, 9]), np.array([[0, 1], [2, 3], [4, 5]], np.float32), 12, 3)


def test_it_comes_back(tmp_path: Path) -> None:
    path = find_file(tmp_path, 2)
    assert read_map(path) is None
    write_map(path, STORED)
    stored = read_map(path)
    assert stored is not None
    assert (stored.ids.tolist(), stored.places.tolist()) == (STORED.ids.tolist(), STORED.places.tolist())
    assert (stored.built, stored.base) == (12, 3)


def test_damage_is_noticed(tmp_path: Path) -> None:
    path = find_file(tmp_path, 2)
    write_map(path, STORED)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        assert read_map(path) is None
    path.write_bytes(content[:100])
    assert read_map(path) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"ids": np.array([4, 1, 9])},
        {"places": np.zeros((2, 2), np.float32)},
        {"places": np.full((3, 2), np.nan, np.float32)},
        {"ids": np.array([1.0, 4, 9])},
    ],
)
def test_what_is_no_map_counts_as_none(tmp_path: Path, wrong: dict[str, np.ndarray]) -> None:
    path = find_file(tmp_path, 2)
    write_map(path, STORED._replace(**wrong))
    assert read_map(path) is None
