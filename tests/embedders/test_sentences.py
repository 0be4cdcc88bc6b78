"""Words as captions: which are read in several sentences, and their mean."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.embedders.sentences import PROMPTS, TEXTS, embed_sentences, write_sentences
from indexers.errors import BadQuery
from indexers.types import Vectors

CALLS: list[int] = []


def encode(sentences: list[str]) -> Vectors:
    CALLS.append(len(sentences))
    return np.array([[len(text), sum(map(ord, text)) % 97, 1] for text in sentences], np.float32)


def test_a_word_or_two_are_read_in_several_sentences() -> None:
    assert write_sentences("polar bear") == [prompt.format("polar bear") for prompt in PROMPTS]
    assert write_sentences(" dog ") == write_sentences("dog")
    for text in ("a dog", "The dog", "two dogs run", "dog!", "", " "):
        assert write_sentences(text) == [text]


def test_their_directions_are_averaged_and_other_texts_stay() -> None:
    CALLS.clear()
    texts = ["a red boat", "polar bear", "snow on the roofs", *["dog"] * 30]
    found = embed_sentences(texts, 3, encode)
    np.testing.assert_allclose(found[1], scale_to_unit(encode(write_sentences("polar bear"))).mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(found[[0, 2]], encode(["a red boat", "snow on the roofs"]))
    assert (found[3:] == found[3]).all()
    assert max(CALLS) == TEXTS
    assert embed_sentences([], 3, encode).shape == (0, 3)
    with pytest.raises(BadQuery, match="3 is no text"):
        embed_sentences([3], 3, encode)  # type: ignore[list-item]
