"""Embedders as callers name them."""

from __future__ import annotations

import pytest

from indexers.embedders.lite0 import FIRST, Lite0
from indexers.embedders.tiny import Tiny
from indexers.errors import UnknownPlugin
from indexers.types import Json, Space
from retrieval.spaces.embedder_names import check_name, embedder_setting, find_own_space, name_of


def test_an_unknown_name_is_refused_before_anything_is_created() -> None:
    check_name("tiny")
    check_name(Tiny())
    check_name(None)
    with pytest.raises(UnknownPlugin, match="no embedder 'tyny'"):
        check_name("tyny")


def test_a_new_collection_remembers_what_it_was_created_with() -> None:
    assert embedder_setting(None) == {}
    assert embedder_setting("classic") == embedder_setting("classic") == {"embedder": "classic"}
    assert name_of(Tiny()) == name_of("tiny") == "tiny"


def make_space(embedder: str | None, settings: Json) -> Space:
    return Space(1, embedder or "vectors", embedder, settings, "", 4, "cosine", True)


def test_a_name_may_be_spelled_in_several_ways() -> None:
    pytest.importorskip("skimage", reason="classic needs scikit-image")
    from indexers.embedders.classic import Classic

    space = make_space("classic:hog+colour", Classic(**Classic.parse_argument("hog+colour")).settings)
    assert find_own_space("classic:hog+colour", [space]) is space
    assert find_own_space("classic:colour*1+hog", [make_space("tiny", {}), space]) is space
    assert find_own_space("classic:hog", [space]) is None
    assert find_own_space("tiny", [space, make_space(None, {})]) is None


def test_a_plain_name_is_that_of_the_space_which_has_it_whatever_it_stands_for_today() -> None:
    old, new = make_space("lite0", {}), make_space("lite0", Lite0().settings)
    for plain in ("lite0", Lite0(), Lite0(device="cpu")):
        assert find_own_space(plain, [old]) is old
        assert find_own_space(plain, [new]) is new


def test_an_embedder_with_settings_has_the_space_of_these_settings() -> None:
    old, new, padded = (
        make_space("lite0", {}),
        make_space("lite0", Lite0().settings),
        make_space("lite0:pad", {"fit": "pad", "layers": "inner"}),
    )
    for first in ("lite0:crop+last", "lite0:last+crop", Lite0(**FIRST)):
        assert find_own_space(first, [old, padded]) is old
        assert find_own_space(first, [new, padded]) is None
    for today in ("lite0:whole", "lite0:inner", Lite0(fit="whole")):
        assert find_own_space(today, [old, padded]) is None
        assert find_own_space(today, [padded, new]) is new
    assert find_own_space("lite0", [padded]) is None
