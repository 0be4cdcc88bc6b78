"""What the stored graph of neighbours is good for: paths, diffusion, summaries.

Diffusion's settings were chosen by fashion, emoji, gcompris and digits, the summary's by these and nested vectors;
openclipart, stamps and parts of wallpapers are reported.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
from sklearn.cluster import KMeans
from sklearn.neighbors import KDTree

from indexers.arrays import scale_to_unit
from retrieval import Collection
from retrieval.search.ranking import choose_diverse
from retrieval.structure.cover import choose_cover
from retrieval.structure.links import Links
from tests.bench.harness import Bench
from tests.bench.vectors import embed_all, load
from tests.bench.vectors_data import load_sets

TUNED = ("gcompris", "OpenMoji", "fashion", "digits")
QUERIES, SHOWN, TURNS = 200, 20, 10


def run(bench: Bench) -> None:
    embedder = load("whole+inner")
    gains = []
    for each in load_sets(bench.scale):
        rows, use = embed_all(embedder, each.pictures), "chosen by" if each.name in TUNED else "reported"
        folder = bench.work / f"structure-{each.name}"
        with Collection.open(folder, create=True) as collection:
            collection.add_vectors(rows)
            gain = measure_diffusion(bench, collection, f"{each.name} ({use})", each.label)
        gains += [gain] if use == "reported" else []
        measure_summary(bench, f"{each.name} ({use})", rows)
    if gains:
        title = "structure: diffusion, mean average precision gained, mean of the sets reported"
        bench.add(title, float(np.mean(gains)), "", "at least .02", limit=0.02, more=True)
    measure_paths(bench)


def measure_diffusion(bench: Bench, collection: Collection, name: str, label: np.ndarray) -> float:
    """Add the mean average precision of the first hundred hits with and without diffusion; return the gain."""
    first = min(collection.walk(), key=lambda item: item.id).id
    queries = np.random.default_rng(0).permutation(len(label))[:QUERIES]
    precision: dict[str | None, float] = {}
    seconds: dict[str | None, list[float]] = {None: [], "diffusion": []}
    for rerank in (None, "diffusion"):
        values = []
        for place in queries.tolist():
            start = time.process_time()
            hits = collection.search(item=first + place, k=100, rerank=rerank)
            seconds[rerank].append(time.process_time() - start)
            is_right = np.array([label[hit.item - first] == label[place] for hit in hits])
            possible = min(int(np.sum(label == label[place])) - 1, 100)
            if possible:
                ranks = np.flatnonzero(is_right) + 1
                values.append(float((np.arange(1, len(ranks) + 1) / ranks).sum()) / possible)
        precision[rerank] = float(np.mean(values))
    gain = precision["diffusion"] - precision[None]
    took = 1000 * (float(np.median(seconds["diffusion"])) - float(np.median(seconds[None])))
    bench.add(
        f"structure: diffusion, mean average precision at 100, {name}",
        precision["diffusion"],
        "",
        "",
        peer=precision[None],
        note=f"{gain:+.3f}; {took:.1f} ms of processor time more",
    )
    return gain


def measure_summary(bench: Bench, name: str, rows: np.ndarray) -> None:
    """Add the share of the pictures within a radius of 20 chosen ones, beside others' choices.

    The radius is that within which a random choice has half of the pictures.
    """
    random = np.random.default_rng(0)
    drawn = [random.choice(len(rows), SHOWN, replace=False) for _ in range(TURNS)]
    radius = float(np.median([np.median((rows @ rows[places].T).max(1)) for places in drawn]))

    def cover(places: list[int]) -> float:
        return float(((rows @ rows[places].T).max(1) >= radius).mean())

    means = [KMeans(SHOWN, n_init=3, random_state=seed).fit(rows).cluster_centers_ for seed in range(3)]
    by_means = float(np.mean([cover([int(np.argmax(rows @ centre)) for centre in centres]) for centres in means]))
    by_variety = cover(choose_diverse(rows, rows.mean(0), SHOWN, 0.5))
    ours = cover(choose_cover(rows, SHOWN)[0])
    best = max(by_means, by_variety, 0.5)
    bench.add(
        f"structure: summary of {SHOWN}, share within the radius, {name}",
        ours,
        "",
        "above random, k-means and MMR",
        peer=best,
        limit=best,
        more=True,
        note=f"k-means {by_means:.3f}, MMR {by_variety:.3f}, random .5",
    )


def measure_paths(bench: Bench) -> None:
    """Add the time of a path between two of many nodes of one graph, which is connected."""
    count = bench.count
    points = scale_to_unit(np.random.default_rng(0).standard_normal((count, 4)))
    near = KDTree(points).query(points, 11)[1][:, 1:]
    source, target = np.repeat(np.arange(count), near.shape[1]), near.ravel()
    code, first = np.unique(np.minimum(source, target) * count + np.maximum(source, target), return_index=True)
    similarity = np.einsum("ij,ij->i", points[source[first]], points[target[first]]).astype(np.float32)
    links = Links(np.arange(count), code // count, code % count, similarity)
    random, seconds = np.random.default_rng(1), []
    find = {"widest": links.find_widest_path, "shortest": links.find_shortest_path}
    for kind, find_path in find.items():
        seconds = [measure(partial(find_path, *random.integers(0, count, 2).tolist())) for _ in range(TURNS + 1)]
        bench.add(
            f"structure: a {kind} path between two of {count:,}, processor time",
            1000 * float(np.median(seconds[1:])),
            "ms",
            "50 ms at 100,000",
            limit=50,
            note=f"the first after a change {1000 * seconds[0]:.0f} ms",
        )


def measure(job: partial[object]) -> float:
    start = time.process_time()
    job()
    return time.process_time() - start
