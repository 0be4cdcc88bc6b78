"""Words in the space of `lite0`: the directions in which its own classifier looks for the classes that they mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.embedders.class_words import read_words, suggest
from indexers.embedders.lite0_graph import DIMENSIONS, EPSILON, Weights
from indexers.errors import BadQuery, UnknownWords
from indexers.types import Vectors


def make_directions(weights: Weights, layers: str) -> Vectors:
    """Return a unit vector for each of the 1,000 classes, float32 (1000, DIMENSIONS[layers]).

    The classifier sees what "last" is; its rows are the directions. What "inner" ends with, the last stage, becomes
    that by one more convolution of 1 x 1 pixels, whose weights carry the rows one layer down; the ReLU6 between is left
    out. A class is told from others, not from nothing: the mean of all rows is subtracted.
    """
    rows = np.asarray(weights["_fc.weight"], np.float32)
    rows = rows - rows.mean(axis=0)
    if layers == "last":
        return scale_to_unit(rows)
    scale = weights["_bn1.weight"] / np.sqrt(weights["_bn1.running_var"] + np.float32(EPSILON))
    rows = scale_to_unit(rows @ (weights["_conv_head.weight"][:, :, 0, 0] * scale[:, None]))
    directions = np.zeros((len(rows), DIMENSIONS[layers]), np.float32)
    directions[:, -rows.shape[1] :] = rows
    return directions


def embed_texts(texts: Sequence[str], directions: Vectors) -> Vectors:
    """Return unit vectors, float32 (n, d). Raises UnknownWords for a text without a known word, BadQuery for what is
    no text."""
    mixtures = np.zeros((len(texts), len(directions)), np.float32)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise BadQuery(f"a text to embed is a str; got {text!r}")
        reading = read_words(text)
        if not reading.known:
            raise UnknownWords(_explain_unknown(text, reading.unknown))
        mixtures[row] = reading.mixture
    return scale_to_unit(mixtures @ directions)


def _explain_unknown(text: str, unknown: Sequence[str]) -> str:
    what = f"knows no word of {_shorten(text)!r}"
    if len(unknown) == 1:
        near = suggest(unknown[0])
        what = f"does not know the word {_shorten(unknown[0])!r}" + (f" (did you mean {near!r}?)" if near else "")
    return (
        f"the embedder 'lite0' {what}: it reads names of things that can be seen, not moods, styles or "
        "sentences. Search for the thing itself or its kind ('dog', 'animal'), in texts and names (query=), or fill a "
        "space of an embedder that reads sentences: clip"
    )


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
