"""Embedders as callers name them."""

from __future__ import annotations

import pytest

from indexers.embedders.tiny import Tiny
from indexers.errors import UnknownPlugin
from retrieval.spaces.embedder_names import check_name, embedder_setting, name_of, normalise_name


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


def test_a_name_is_spelled_as_the_embedder_spells_it() -> None:
    pytest.importorskip("skimage", reason="classic needs scikit-image")
    assert normalise_name("tiny") == "tiny"
    assert normalise_name("classic:colour+hog") == normalise_name(normalise_name("classic:colour+hog"))
