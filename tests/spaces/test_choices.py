"""Which space is meant, and what it takes."""

from __future__ import annotations

import pytest

from indexers.errors import SpaceNotFound, UsageError
from indexers.types import Space
from retrieval.config import Config
from retrieval.spaces.choices import check_same_weights, find_space, make_index


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


def test_an_index_takes_every_metric() -> None:
    assert make_index(Config(), 4, "cosine").dimension == 4
    assert make_index(Config(), 4, "minkowski:3").dimension == 4
