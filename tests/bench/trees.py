"""The cluster tree alone, on arrays: cost, stability and equality. The graph is exact and given. What its clusters are
worth is in `quality`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.level_parameters import LevelParameters
from tests.bench.harness import Bench, make_nested_vectors

K = 15
REPEATS = 7
WHOLE = 100_000
"""Items for which the goals hold."""
LEVELS = (("coarse", 0.90), ("medium", 0.95), ("fine", 0.95))


def run(bench: Bench) -> None:
    costs = {}
    for count in (max(bench.count // 10, 1000), bench.count):
        vectors = scale_to_unit(make_nested_vectors(count, bench.dimension)[0])
        edges = graph(bench, vectors)
        costs[count] = _costs(bench, vectors, edges)
    small, large = sorted(costs)
    for place, (change, limit) in enumerate((("1 item", 2.0), ("100 items", 3.0))):
        growth = costs[large][place] / costs[small][place]
        bench.add(
            f"growth of an update of {change}, {small:,} to {large:,}",
            growth,
            "x",
            f"at most {limit} x",
            limit=limit if large >= WHOLE else None,
        )
    _stability(bench, vectors, edges)
    _equality(bench, batches=max(int(200 * min(bench.scale, 1)), 10))


def graph(bench: Bench, vectors: np.ndarray) -> np.ndarray:
    """Return the edges of the exact graph, saved beside the other large files: for 100,000 rows it takes minutes."""
    path = bench.work / f"tree-edges-{len(vectors)}-{vectors.shape[1]}.npy"
    if not path.exists():
        np.save(path, build_edges(find_neighbours(vectors, K)))
    return np.load(path)


def _tree(vectors: np.ndarray, edges: np.ndarray) -> ClusterTree:
    tree = ClusterTree(vectors.shape[1])
    tree.update(np.arange(len(vectors)), vectors, new_pairs=edges)
    return tree


def _time(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def _costs(bench: Bench, vectors: np.ndarray, edges: np.ndarray) -> list[float]:
    """Time a full run, and updates that remove items and bring them back, in the same minute."""
    count, random = len(vectors), np.random.default_rng(0)
    full = float(np.median([_time(lambda: _tree(vectors, edges)) for _ in range(3)]))
    whole = count >= WHOLE
    bench.add(f"full run, {count:,} items", full, "s", "10 s on one core", limit=10 if whole else None)
    tree = _tree(vectors, edges)
    used = tree.nbytes
    note = ", ".join(f"{part} {size / count:.0f} B" for part, size in used.items())
    title, limit = f"memory beyond graph and vectors, {count:,} items", 1500 if whole else None
    bench.add(title, used["tree"] / count, "B/item", "1,500 B", limit=limit, note=note)
    updates = []
    for changes, seconds, share in ((1, 0.030, 300), (100, 0.4, 20)):
        times = []
        for _ in range(REPEATS * 3 if changes == 1 else REPEATS):
            ids = random.choice(count, changes, replace=False)
            touched = edges[np.isin(edges, ids).any(1)]
            tree.update(removed=ids, gone_pairs=touched)
            times.append(_time(lambda i=ids, t=touched: tree.update(i, vectors[i], new_pairs=t)))  # type: ignore[misc]
        updates.append(float(np.median(times)))
        title = f"update after {changes} new, {count:,} items"
        bench.add(title, updates[-1] * 1000, "ms", f"{seconds * 1000:.0f} ms", limit=seconds * 1000 if whole else None)
        bench.add(
            f"full run over that update, {count:,} items",
            full / updates[-1],
            "x",
            f"at least {share} x",
            limit=share if whole else None,
            more=True,
        )
    return updates


def _stability(bench: Bench, vectors: np.ndarray, edges: np.ndarray) -> None:
    """Replace one item in a thousand, and measure how much of each level stays for the items that stay."""
    count, random = len(vectors), np.random.default_rng(1)
    chosen = random.choice(count, 2 * max(count // 1000, 1), replace=False)
    leave, come = np.split(chosen, 2)
    tree = ClusterTree(vectors.shape[1])
    present = np.setdiff1d(np.arange(count), come)
    tree.update(present, vectors[present], new_pairs=edges[~np.isin(edges, come).any(1)])
    levels = tree.choose_levels()
    stay = np.setdiff1d(present, leave)
    before = _label(tree, stay, levels)
    without, within = np.isin(edges, leave).any(1), np.isin(edges, come).any(1)
    tree.update(come, vectors[come], leave, new_pairs=edges[within & ~without], gone_pairs=edges[without & ~within])
    for (level, limit), old, new in zip(LEVELS, before, _label(tree, stay, levels), strict=True):
        same = adjusted_mutual_info_score(old, new)
        bench.add(
            f"stability of {level}, .1 % replaced",
            same,
            "AMI",
            f"at least {limit}",
            limit=limit if count >= WHOLE else None,
            more=True,
        )


def _label(tree: ClusterTree, items: np.ndarray, levels: LevelParameters) -> list[np.ndarray]:
    """Return the clusters of items on each level; loose items are clusters of their own."""
    place = np.searchsorted(tree.items.ids(), items)
    return [np.where(labels > 0, labels, -1 - np.arange(len(labels)))[place] for labels in tree.cut_levels(levels)]


def _equality(bench: Bench, count: int = 5000, batches: int = 200, dimension: int = 32) -> None:
    """Check after each mixed batch that the tree equals one built at once (in full every tenth time)."""
    from tests.support.trees import build_at_once, describe_tree

    random = np.random.default_rng(2)
    vectors, _ = make_nested_vectors(2 * count, dimension)
    near = build_edges(find_neighbours(scale_to_unit(vectors), K))
    present = np.zeros(2 * count, bool)
    present[:count] = True
    tree = ClusterTree(dimension)
    tree.update(np.flatnonzero(present), vectors[present], new_pairs=near[present[near].all(1)])
    equal = compared = 0
    for batch in range(batches):
        size = int(random.choice([1, 3, 10, 100]))
        leave = random.choice(np.flatnonzero(present), size, replace=False)
        come = random.choice(np.flatnonzero(~present), int(random.integers(0, 2 * size)), replace=False)
        old = present[near].all(1)
        present[leave], present[come] = False, True
        new = present[near].all(1)
        tree.update(come, vectors[come], leave, new_pairs=near[new & ~old], gone_pairs=near[old & ~new])
        fresh = ClusterTree(dimension)
        fresh.update(np.flatnonzero(present), vectors[present], new_pairs=near[new])
        same = _prints(tree) == _prints(fresh)
        if batch % 10 == 9:
            ids = np.flatnonzero(present).tolist()
            edges = {(int(a), int(b)) for a, b in near[new]}
            whole = build_at_once({item: vectors[item] for item in ids}, edges, dimension, 1000)
            same = same and describe_tree(tree) == describe_tree(whole)
        equal, compared = equal + same, compared + 1
    bench.add(
        f"mixed batches at {count:,} items after which the tree is that of a full run",
        equal,
        f"of {compared}",
        "all",
        limit=compared,
        more=True,
    )


def _prints(tree: ClusterTree) -> tuple[list[int], list[tuple[int, float]]]:
    """Return the nodes in each round, and all merges with their heights."""
    merges = tree.merges()
    merges_and_heights = zip(tree.contents(merges).tolist(), tree.heights(merges).tolist(), strict=True)
    return tree.rounds.counts.tolist(), sorted(merges_and_heights)
