"""Which space is meant, and what it takes."""

from __future__ import annotations

import pytest

from indexers.embedders.lite0 import Lite0
from indexers.embedders.tiny import Tiny
from indexers.errors import BadSetting, SpaceNotFound, UsageError
from indexers.types import Space
from retrieval.config import Config
from retrieval.spaces.choices import check_made_by, check_same_weights, find_space, make_index


def make_space(name: str, embedder: str | None, fingerprint: str = "") -> Space:
    return Space(1, name, embedder, {}, fingerprint, 4, "cosine", True)


def test_spaces_are_found_by_name() -> None:
    spaces = [make_space("a", None), make_space("b", "tiny")]
    assert find_space(spaces, "b") is spaces[1]
    with pytest.raises(SpaceNotFound, match="there is no space 'c'; there are: a, b"):
        find_space(spaces, "c")


def test_vectors_of_other_weights_are_refused() -> None:
    check_same_weights(make_space("a", "tiny", "1"), make_space("b", "tiny", "1"))
    check_same_weights(make_space("a", None), make_space("b", "tiny", "1"))  # nobody knows what made them
    with pytest.raises(UsageError, match=r"made by the embedder 'tiny' \(2\), those of the space 'b' by 'tiny' \(1\)"):
        check_same_weights(make_space("a", "tiny", "2"), make_space("b", "tiny", "1"))


def test_an_embedder_of_other_weights_or_settings_is_told_apart() -> None:
    check_made_by(Tiny(), Space(1, "a", "tiny", {}, "1", 13, "cosine", True))
    with pytest.raises(BadSetting, match=r"'tiny' has other weights .*\(1 instead of 2\)"):
        check_made_by(Tiny(), Space(1, "a", "tiny", {}, "2", 13, "cosine", True))
    first, today = Space(1, "a", "lite0", {}, "5", 1280, "cosine", True), Lite0()
    with pytest.raises(
        BadSetting, match="'a' were made with the setting fit crop, layers last, not fit whole, layers inner"
    ):
        check_made_by(today, first)


def test_an_index_takes_every_metric() -> None:
    assert make_index(Config(), 4, "cosine").dimension == 4
    assert make_index(Config(), 4, "minkowski:3").dimension == 4
