"""The centres of the inner layers of `lite0`: python -m tests.bench.centre writes them, for `lite0_centre.txt`.

The pictures are in the public domain: drawings of Debian's openclipart-png, and parts of samples of scikit-image. Both
count alike. None of the sets that `tests.bench.vectors` reports is among them.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from indexers.arrays import scale_to_unit
from indexers.embedders.lite0 import Lite0
from indexers.embedders.lite0_inner import BOUNDS
from indexers.errors import UnreadablePicture
from indexers.pictures import images
from tests.bench.vectors_data import OPENCLIPART, make_views

SAMPLES = "astronaut brick camera cat coffee coins colorwheel grass gravel hubble_deep_field moon retina rocket"
DRAWINGS = 1200


def main() -> None:
    embedder = Lite0(device="cpu")
    photographs = [
        view for name in SAMPLES for view in make_views(Image.fromarray(getattr(data, name)()).convert("RGB"), 0)
    ]
    centres = [compute_means(embedder, pictures) for pictures in (load_drawings(OPENCLIPART), photographs)]
    for value in np.mean(centres, axis=0):
        print(f"{value:.5f}")


def load_drawings(folder: Path) -> list[Image.Image]:
    paths = sorted(folder.rglob("*.png"))
    chosen = np.random.default_rng(0).permutation(len(paths))[:DRAWINGS]
    drawings = []
    for place in chosen:
        try:
            drawings.append(images.shrink(images.decode(paths[place]).image, 448))
        except UnreadablePicture as error:
            print(error, file=sys.stderr)
    return drawings


def compute_means(embedder: Lite0, pictures: list[Image.Image]) -> np.ndarray:
    """Return the mean, over the pictures, of the unit vectors of each stage, float64 (d,)."""
    means = np.concatenate([embedder.engine().run(embedder.prepare(picture)[None], 1) for picture in pictures])
    parts = [scale_to_unit(means[:, start:end]) for start, end in pairwise(BOUNDS)]
    return np.concatenate(parts, axis=1).mean(axis=0, dtype=np.float64)


if __name__ == "__main__":
    main()
