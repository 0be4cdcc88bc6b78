"""Hand-made features: how quick each is on one core, and how often the most similar other picture is of the same class.

Rates are per second of processor time. Retrieval is P@1 over every picture of a set; its standard error is at most .005
on fashion and .01 on gcompris. All features of a set are taken at once, as blocks of equal weight, and what a name
stands for is put together of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from indexers import plugins
from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import find_neighbours
from indexers.embedders.classic import Classic
from indexers.embedders.features import EDGE, FEATURES, LEVELS, count_cells
from tests.bench.adding import samples
from tests.bench.harness import Bench, time_in_turns
from tests.bench.labelled import Labelled, load_featured

GOAL = 60
EVERY = "classic:" + "+".join(f"{name}@{LEVELS}" for name in FEATURES)
CLASSIC = "hog+colour@2+lbp@2*.5"
NAMES = (
    *FEATURES,
    *(f"{name}@{LEVELS}" for name in FEATURES),
    "hog+colour",
    "hog+colour+lbp@3",
    "hog+moments+lbp@3",
    "moments+lbp@3+gabor",
    "lbp@3+gabor@3",
    "hog@3+moments@3+lbp@3+gabor@3",
)


def run(bench: Bench) -> None:
    every = [dataset for dataset in load_featured(bench, [EVERY]) if dataset.name != "digits"]
    networks = [dataset for dataset in load_featured(bench, ["lite0"]) if dataset.name != "digits"]
    embedders: list[Classic] = [plugins.load_member("nearkin.embedders", f"classic:{name}")() for name in NAMES]
    pictures = [image.convert("RGB").resize((2 * EDGE, 2 * EDGE)) for image in samples()]
    jobs = [embedding(embedder, pictures) for embedder in (Classic(), *embedders)]
    peer, plain, *rates = (
        1 / seconds for seconds in time_in_turns(60, scikit_image(pictures), *jobs, clock=time.thread_time)
    )
    title = "classic: pictures at 128 pixels on one core, beside scikit-image's hog alone"
    bench.add(
        title,
        plain,
        "pictures/s",
        f"at least {GOAL}",
        peer=peer,
        limit=GOAL,
        more=True,
        note=describe_precision(every, CLASSIC),
    )
    for name, embedder, rate in zip(NAMES, embedders, rates, strict=True):
        note = describe_precision(every, name)
        bench.add(f"{embedder.name}, {embedder.dimension:,} numbers", rate, "pictures/s", "", note=note)
    for dataset in networks:
        bench.add(f"{dataset.name}: P@1", measure_precision(dataset.vectors, dataset.label), "", "")


def embedding(embedder: Classic, pictures: list[Image.Image]) -> Callable[[int], object]:
    return lambda place: embedder.embed([pictures[place % len(pictures)]])


def scikit_image(pictures: list[Image.Image]) -> Callable[[int], Any]:
    """Return the function that runs scikit-image's hog with its own defaults, on the same pixels."""
    from skimage.feature import hog

    def one(place: int) -> Any:
        small = pictures[place % len(pictures)].resize((EDGE, EDGE), Image.Resampling.BILINEAR, reducing_gap=3)
        return hog(np.asarray(small.convert("L")))

    return one


def describe_precision(sets: list[Labelled], name: str) -> str:
    """Return the P@1 on each dataset as a note."""
    notes = []
    for dataset in sets:
        precision = measure_precision(scale_to_unit(select_features(dataset.vectors, name)), dataset.label)
        notes.append(f"P@1 {precision:.3f} on {dataset.name.split()[0]}")
    return ", ".join(notes)


def measure_precision(vectors: np.ndarray, label: np.ndarray) -> float:
    return float((label[find_neighbours(vectors, 1)[:, 0]] == label).mean())


def select_features(every: np.ndarray, name: str) -> np.ndarray:
    """Return the vectors of `classic:name`, taken from vectors with all features."""
    blocks, start = {}, 0
    for feature, feature_class in FEATURES.items():
        blocks[feature] = every[:, start : (start := start + feature_class.size * count_cells(LEVELS))]
    chosen = []
    for term, weight in Classic.parse_argument(name)["features"].items():
        feature, _, levels = term.partition("@")
        block = blocks[feature][:, : FEATURES[feature].size * count_cells(int(levels or 1))]
        chosen.append(scale_to_unit(block) * np.float32(weight**0.5))
    return np.concatenate(chosen, axis=1)
