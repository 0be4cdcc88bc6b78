"""Collections that somebody else has made to do harm: opened and used, they read, write, run and delete nothing beyond
their folder, and what can't be used is said by an error of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.foreign import HOSTILE, SECRET, make_original, make_trial, read_all, use

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_original(tmp_path_factory.mktemp("theirs"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_collection_does_nothing_beyond_its_folder(original: Path, tmp_path: Path, name: str) -> None:
    place, outside = make_trial(original, tmp_path)
    HOSTILE[name](place, outside)
    before = read_all(outside)
    assert SECRET not in use(place)
    assert read_all(outside) == before
    assert {path.name for path in tmp_path.iterdir()} == {"c", "outside"}
