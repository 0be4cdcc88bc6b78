"""The default embedder in its light engines beside torch: processor time, and whether its vectors are the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain

import numpy as np
from PIL import Image

from indexers.arrays import scale_to_unit
from indexers.embedders.engines import TITLES, Engine, OnnxRuntime, OpenVino, compute_least_cosine, has_packages
from indexers.embedders.lite0 import Lite0, load_graph, load_weights
from indexers.embedders.lite0_torch import TorchLite0
from retrieval.cli.demo import make_pictures
from tests.bench.harness import Bench, run_python, time_in_turns

TURNS, BATCH, NEIGHBOURS = 7, 16, 10
PICTURES = 400
LAYERS = "inner"
"""Of the network, as in the default."""
MAKERS: dict[str, Callable[[bytes], Engine]] = {
    "onnxruntime": lambda model: OnnxRuntime(model, one_by_one=True),
    "openvino": lambda model: OpenVino(model, bf16=False, one_by_one=True),
}
LOAD = """
import json, time
start = time.process_time()
from indexers.embedders.lite0 import Lite0
Lite0(device="cpu").engine()
print(json.dumps({"seconds": time.process_time() - start}))
"""


def run(bench: Bench) -> None:
    pixels = prepare_pictures(bench)
    torch = TorchLite0(load_weights(), "cpu", LAYERS)
    reference = torch.run(pixels, 1)
    for package, make in MAKERS.items():
        if has_packages(package):
            compare(bench, TITLES[package], make(load_graph(LAYERS)), torch, pixels, reference)
    _, warm = (run_python(LOAD)["seconds"] for _ in range(2))
    bench.add("lite0: loading it in a new process, imports included", warm, "s", "less than 1 s", limit=1.0)


def compare(bench: Bench, title: str, engine: Engine, torch: Engine, pixels: np.ndarray, reference: np.ndarray) -> None:
    """Measure both on one core, in processor time; the vectors of all pictures, and their nearest neighbours."""
    batch = pixels[:BATCH]
    times = time_in_turns(
        TURNS, lambda _: engine.run(batch, 1), lambda _: torch.run(batch, 1), warm=1, clock=time.process_time
    )
    ours, peer = (BATCH / seconds for seconds in times)
    vectors = engine.run(pixels, 1)
    cosine = compute_least_cosine(vectors, reference)
    kept = compute_kept_share(vectors, reference)
    bench.add(
        f"lite0 in {title}, one core",
        ours,
        "pictures/s",
        "1.6 x torch",
        peer=peer,
        limit=1.6 * peer,
        more=True,
        note=f"cosine at least {cosine:.7f}; {kept:.4f} of the {NEIGHBOURS} nearest are the same",
    )


def prepare_pictures(bench: Bench) -> np.ndarray:
    """Return drawings, and crops of photographs, as the network sees them: uint8 (n, 224, 224, 3)."""
    folder, random, embedder = bench.work / "demo", np.random.default_rng(0), Lite0(fit="crop")
    make_pictures(folder)
    drawings = sorted((folder / "emoji").iterdir())
    chosen = (drawings[place] for place in random.permutation(len(drawings))[: PICTURES // 2])
    images = (Image.open(path).convert("RGB") for path in chosen)
    photographs = [Image.open(path).convert("RGB") for path in sorted((folder / "photographs").iterdir())]
    crops = (crop_somewhere(photographs[place % len(photographs)], random) for place in range(PICTURES // 2))
    return np.stack([embedder.prepare(image) for image in chain(images, crops)])


def crop_somewhere(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return a square of a third to all of the short edge."""
    edge = int(min(image.size) * random.uniform(1 / 3, 1))
    left, top = (int(random.integers(0, side - edge + 1)) for side in image.size)
    return image.crop((left, top, left + edge, top + edge))


def compute_kept_share(vectors: np.ndarray, reference: np.ndarray) -> float:
    """Return the share of the nearest neighbours in `reference` that are among those in `vectors`."""
    found, expected = (find_nearest(scale_to_unit(rows)) for rows in (vectors, reference))
    shares = [
        len({*ours} & {*theirs}) / NEIGHBOURS for ours, theirs in zip(found.tolist(), expected.tolist(), strict=True)
    ]
    return float(np.mean(shares))


def find_nearest(rows: np.ndarray) -> np.ndarray:
    """Return the nearest other rows of each, by cosine."""
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1)[:, :NEIGHBOURS]
