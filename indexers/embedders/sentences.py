"""Words as the captions that models of pictures and words were trained on.

A word or two without an article ("dog", "polar bear") are read in several sentences, whose directions are averaged: a
word alone is hardly a caption (Radford et al., CLIP, ICML 2021, section 3.1.4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.errors import BadQuery
from indexers.types import Vectors

PROMPTS = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a bad photo of the {}.",
    "a photo of the large {}.",
    "a photo of the small {}.",
    "a drawing of a {}.",
    "art of the {}.",
)
"""Sentences for words; most are those that CLIP's authors found best on ImageNet."""
MAX_PROMPTED = 2
_LISTS = {"articles": "a an the some no ein eine der die das un une le la les el los il lo"}
ARTICLES = frozenset(_LISTS["articles"].split())
TEXTS = 64
"""Sentences in one call of the network."""


def embed_sentences(texts: Sequence[str], dimension: int, encode: Callable[[list[str]], Vectors]) -> Vectors:
    """Return the vectors of n texts, float32 (n, dimension); `encode` returns those of sentences.

    Raises BadQuery for anything that is no text.
    """
    for text in texts:
        if not isinstance(text, str):
            raise BadQuery(f"{text!r} is no text")
    sentences = [write_sentences(text) for text in texts]
    flat = [sentence for several in sentences for sentence in several]
    if not flat:
        return np.empty((0, dimension), np.float32)
    rows = np.concatenate([encode(flat[start : start + TEXTS]) for start in range(0, len(flat), TEXTS)])
    ends = np.cumsum([len(several) for several in sentences])
    parts = [rows[end - len(several) : end] for several, end in zip(sentences, ends.tolist(), strict=True)]
    return np.stack([part[0] if len(part) == 1 else scale_to_unit(part).mean(axis=0) for part in parts])


def write_sentences(text: str) -> list[str]:
    """Return the sentences in which a text is read: itself, or PROMPTS for one or two words without an article."""
    words = text.split()
    if not 1 <= len(words) <= MAX_PROMPTED or words[0].lower() in ARTICLES or not words[-1][-1].isalnum():
        return [text]
    return [prompt.format(" ".join(words)) for prompt in PROMPTS]
