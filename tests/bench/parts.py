"""Parts: cut-outs on cluttered photographs, and a box of a picture as the query.

The pictures of gcompris-qt-data (Debian) that have an alpha channel are laid over parts of scikit-image's photographs,
with true boxes for nothing. "Whole" compares whole pictures, "oracle" the drawings alone on white: what a finder that
never fails would reach. Nothing here was trained on these pictures, and no number of the finders was chosen by them.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from indexers.arrays import scale_to_unit
from indexers.embedders.lite0 import Lite0
from indexers.finders.base import Box, load_finder
from retrieval import Collection
from tests.bench import labelled
from tests.bench.harness import Bench

PICTURES = 400
LEAST = 5
"""Drawings of a folder, at least: else its drawings have too few alike."""
SIZE = (400, 300)
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "immunohistochemistry", "retina")
SHARES = (0.04, 0.2)
"""Of the picture, what the drawing's box covers where a box asks."""
SUBJECT_SHARES = (0.2, 0.5)
"""And where the subject is looked for."""


class Cutout(NamedTuple):
    """A drawing with an alpha channel, and the folder that it is from."""

    image: Image.Image
    label: str


def run(bench: Bench) -> None:
    try:
        cutouts = load_cutouts(int(max(60, PICTURES * bench.scale)))
    except FileNotFoundError as error:
        print(f"  left out: {error}", file=sys.stderr, flush=True)
        return
    measure_subjects(bench, cutouts)
    measure_boxes(bench, cutouts)


def load_cutouts(count: int) -> list[Cutout]:
    """Return up to `count` drawings, drawn at random but the same each time."""
    if not labelled.GCOMPRIS.exists():
        raise FileNotFoundError(f"there is no {labelled.GCOMPRIS}; install gcompris-qt-data")
    found: list[Cutout] = []
    seen: set[bytes] = set()
    for path in sorted(labelled.GCOMPRIS.glob("*.rcc")):
        for name, data in sorted(labelled._resources(path.read_bytes())):
            if not name.endswith((".png", ".webp")) or data in seen:
                continue
            seen.add(data)
            image = Image.open(io.BytesIO(data)).convert("RGBA")
            alpha = np.asarray(image.getchannel("A")) > 127
            if min(image.size) >= 80 and 0.15 < alpha.mean() < 0.9:
                found.append(Cutout(image.crop(image.getchannel("A").getbbox()), name.rpartition("/")[0]))
    counts = Counter(cutout.label for cutout in found)
    fitting = [cutout for cutout in found if counts[cutout.label] >= LEAST]
    chosen = np.random.default_rng(0).permutation(len(fitting))[:count]
    return [fitting[place] for place in sorted(chosen.tolist())]


def compose(cutout: Image.Image, seed: int, shares: tuple[float, float]) -> tuple[Image.Image, Box]:
    """Return a drawing on part of a photograph, and its box."""
    import skimage.data

    random = np.random.default_rng(seed)
    photograph = Image.fromarray(getattr(skimage.data, PHOTOGRAPHS[random.integers(len(PHOTOGRAPHS))])()).convert("RGB")
    width = int(random.uniform(0.5, 0.9) * min(photograph.width, photograph.height * 4 / 3))
    height = width * 3 // 4
    left, top = random.integers(0, photograph.width - width + 1), random.integers(0, photograph.height - height + 1)
    ground = photograph.crop((left, top, left + width, top + height)).resize(SIZE)
    area = random.uniform(*shares) * SIZE[0] * SIZE[1]
    scale = min(
        (area / (cutout.width * cutout.height)) ** 0.5, 0.95 * SIZE[0] / cutout.width, 0.95 * SIZE[1] / cutout.height
    )
    small = cutout.resize((max(8, int(cutout.width * scale)), max(8, int(cutout.height * scale))))
    x, y = random.integers(0, SIZE[0] - small.width + 1), random.integers(0, SIZE[1] - small.height + 1)
    ground.paste(small, (int(x), int(y)), small)
    return ground, (int(x), int(y), small.width, small.height)


def measure_subjects(bench: Bench, cutouts: list[Cutout]) -> None:
    embedder, finder = Lite0(), load_finder("subject")
    if missing := finder.missing():
        print(f"  subjects are left out: {missing}", file=sys.stderr, flush=True)
        return
    labels = np.array([cutout.label for cutout in cutouts])
    composed = [compose(cutout.image, place, SUBJECT_SHARES)[0] for place, cutout in enumerate(cutouts)]

    def cut(picture: Image.Image) -> Image.Image:
        parts = finder.find(picture)
        return finder.cut(picture, parts[0]) if parts else picture

    def score(make: Callable[[int], Image.Image]) -> float:
        vectors = scale_to_unit(np.concatenate([embedder.embed([make(place)]) for place in range(len(cutouts))]))
        return average_precision(vectors @ vectors.T, labels)

    whole, subject = score(lambda place: composed[place]), score(lambda place: cut(composed[place]))
    oracle = score(lambda place: lay_on_white(cutouts[place].image))
    title = f"{len(cutouts)} cut-outs on photographs"
    bench.add(f"{title}: mAP by subject", subject, "", "beside whole pictures", peer=whole)
    bench.add(f"{title}: mAP by the drawing alone (oracle)", oracle, "", "reported")
    way = (subject - whole) / (oracle - whole)
    bench.add(f"{title}: the way from whole to oracle", way, "", "at least .75", limit=0.75, more=True)


def lay_on_white(image: Image.Image) -> Image.Image:
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, (0, 0), image)
    return ground


def average_precision(similarity: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean average precision of all pictures that have another one of their class."""
    values = []
    for place, row in enumerate(similarity):
        order = np.argsort(-row, kind="stable")
        hits = labels[order[order != place]] == labels[place]
        if hits.any():
            ranks = np.flatnonzero(hits) + 1
            values.append(float((np.arange(1, len(ranks) + 1) / ranks).mean()))
    return float(np.mean(values))


def measure_boxes(bench: Bench, cutouts: list[Cutout]) -> None:
    """The drawing of each picture, on another photograph and at another size, asks by its box."""
    folder = bench.work / f"parts-{len(cutouts)}"
    folder.mkdir(parents=True, exist_ok=True)
    for place, cutout in enumerate(cutouts):
        compose(cutout.image, place, SHARES)[0].save(folder / f"{place:04}.png")
    asking = [compose(cutout.image, 10**6 + place, SHARES) for place, cutout in enumerate(cutouts)]
    with Collection.open(bench.work / f"parts-{len(cutouts)}-collection", create=True, embedder="lite0") as collection:
        collection.add(folder)
        report = collection.find_parts(["regions", "tiles:2"])

        def count_right(**options: str) -> float:
            right = 0
            for place, (picture, box) in enumerate(asking):
                region = {} if options.get("ask") == "whole" else {"region": box}
                kinds = {name: value for name, value in options.items() if name == "by"}
                hits = collection.search(picture, k=5, **region, **kinds)  # type: ignore[arg-type]
                right += any(str(hit.uri).endswith(f"{place:04}.png") for hit in hits)
            return right / len(asking)

        title = f"a box asks, {len(asking)} drawings on 4 to 20 % of their pictures: among the first 5"
        whole, boxed = count_right(ask="whole"), count_right()
        bench.add(f"{title}, whole pictures answer", boxed, "", "beside whole pictures asking", peer=whole)
        for kind in ("tiles", "regions"):
            bench.add(f"{title}, {kind} answer", count_right(by=kind), "", "at least .85", limit=0.85, more=True)
        if report.items:
            seconds = report.seconds / report.items
            bench.add("a picture looked at by regions and tiles, two cores, loaded or not", seconds, "s", "reported")
        info = collection.info()
        bench.add("parts of a picture", report.parts / max(report.items, 1), "", "reported")
        bench.add("bytes of the collection for each part", info.bytes / max(report.parts, 1), "", "reported")
