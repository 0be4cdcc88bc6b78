"""The map: how long it takes, how true it is after new items came, and how far old ones moved."""

from __future__ import annotations

import time

import numpy as np
from sklearn.manifold import trustworthiness

from indexers.arrays import scale_to_unit
from retrieval import Collection
from tests.bench.harness import Bench

SIZE, NEW, DIMENSION = 20_000, 200, 64
SAMPLE = 2000
"""Items on which trustworthiness is measured."""


def draw(count: int, seed: int) -> np.ndarray:
    """Return vectors in 100 groups within 10 groups, always the same for a seed."""
    random = np.random.default_rng(0)
    coarse = random.standard_normal((10, DIMENSION))
    fine = np.repeat(coarse, 10, axis=0) + 0.6 * random.standard_normal((100, DIMENSION))
    own = np.random.default_rng(seed)
    rows = fine[own.integers(0, 100, count)] + 0.35 * own.standard_normal((count, DIMENSION))
    return scale_to_unit(rows).astype(np.float32)


def run(bench: Bench) -> None:
    from openTSNE import TSNE

    size, new = max(2000, int(SIZE * bench.scale)), max(100, int(NEW * bench.scale))
    vectors, later = draw(size, 1), draw(new, 2)
    with Collection.open(bench.work / f"map-{size}", create=True) as collection:
        collection.add_vectors(vectors)
        start = time.process_time()
        before = collection.map()
        bench.add(f"map: laying out {size:,} vectors, s of CPU", time.process_time() - start, "", "")
        collection.add_vectors(later)
        start = time.process_time()
        after = collection.map()
        seconds = time.process_time() - start
        bench.add(f"map: {new:,} new among {size:,} on it, s of CPU", seconds, "", "at most 2", limit=2)
    common = np.isin(after.items, before.items)
    moved = np.hypot(after.x[common] - before.x, after.y[common] - before.y)
    share = float(np.median(moved)) / 2
    bench.add("map: median move of old ones, share of the width", share, "", "at most .005", limit=0.005)
    both = np.concatenate([vectors, later])
    chosen = np.random.default_rng(0).permutation(len(both))[:SAMPLE]
    fresh = np.asarray(TSNE(random_state=0, n_jobs=1).fit(both))
    ours = trustworthiness(both[chosen], np.column_stack([after.x, after.y])[chosen], n_neighbors=12)
    peer = trustworthiness(both[chosen], fresh[chosen], n_neighbors=12)
    bench.add(
        "map: trustworthiness, beside openTSNE anew",
        ours,
        "",
        "at least .97 of it",
        peer=peer,
        limit=0.97 * peer,
        more=True,
    )
