"""An embedder: a class with its facts, a `prepare` for one picture and a `forward` for a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.embedders.base import Embedder
from indexers.types import Json, Vectors


class Moments(Embedder):
    """The mean, standard deviation and skewness of each colour channel (Stricker and Orengo, "Similarity of color
    images", 1995), and a 1, so that black is not the zero vector.

    Settings: `edge`, to which pictures are shrunk.
    """

    name = "moments"
    dimension = 10
    input_size = 32
    licence = "none needed: there are no weights"

    @classmethod
    def defaults(cls) -> Json:
        """Return the settings that change the vectors; a collection stores them, and makes the same embedder again."""
        return {"edge": 32}

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """Return float32 (edge * edge, 3), from 0 to 1."""
        edge = self.settings["edge"]
        pixels = np.asarray(image.resize((edge, edge), Image.Resampling.BOX), np.float32)
        return pixels.reshape(-1, 3) / 255

    def forward(self, batch: Sequence[NDArray[np.float32]]) -> Vectors:
        """Return float32 (n, 10) of n prepared pictures."""
        pixels = np.stack(batch).astype(np.float64)
        mean = pixels.mean(1, keepdims=True)
        spread, skew = ((pixels - mean) ** 2).mean(1), ((pixels - mean) ** 3).mean(1)
        ones = np.ones((len(pixels), 1))
        return np.concatenate([mean[:, 0], np.sqrt(spread), np.cbrt(skew), ones], axis=1).astype(np.float32)

    def fingerprint(self) -> str:
        """Return a text that changes when the computation does: its vectors can't be compared with earlier ones."""
        return f"moments-1-{self.settings['edge']}"
