"""Clusters of a living collection: from scratch, kept up to date, their ids, and search with them."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

from indexers.arrays import scale_to_unit
from indexers.catalogue import sqlite as database
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.level_parameters import LevelParameters
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.types import LEVELS
from retrieval import Collection
from retrieval.config import Config
from retrieval.records.clusters import Cluster
from retrieval.spaces.view import View
from tests.bench.filters import near
from tests.bench.harness import Bench, make_nested_vectors, time_in_turns

WHOLE = 100_000
"""Items for which the goals on small changes hold."""
SHARES = (0.0001, 0.01, 0.05, 0.1, 0.5)


def run(bench: Bench) -> None:
    folder = copy_collection(bench)
    scratch(bench, folder)
    with Collection.open(folder) as collection:
        collection.catch_up()
        for share in SHARES:
            cluster = of_size(collection, int(share * bench.count))
            for side in ("inside", "outside"):
                within(bench, collection, cluster, share, side)
        each(bench, collection)
        adding(bench, collection)
        lasting(bench, collection)
    measure_changes(bench, folder)
    shutil.rmtree(folder)
    measure_replacement(bench)


def copy_collection(bench: Bench) -> Path:
    folder = bench.work / "living"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bench.folder, folder)
    shutil.rmtree(next((folder / "spaces").iterdir()) / "tree", ignore_errors=True)
    with closing(sqlite3.connect(folder / database.FILE, isolation_level=None)) as connection:
        for table in ("clustering", "cluster", "member", "event", "partitioning"):  # what earlier runs have remembered
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM follower WHERE name = 'tree'")
    return folder


def view(collection: Collection) -> View:
    space_view = collection._spaces.view()
    assert space_view
    return space_view


# ---- from scratch


def scratch(bench: Bench, folder: Path) -> None:
    """Time graph and tree over an existing index, compared with evoc over the same vectors with as many threads."""
    with Collection.open(folder) as collection:
        start = time.perf_counter()
        with view(collection).followers.complete_snapshot():
            ours = time.perf_counter() - start
        start = time.perf_counter()
        collection.catch_up()
        remembered = time.perf_counter() - start
    peer, note = evoc(bench.data[0])
    limit = 1.5 * peer if peer else None
    title = f"graph and tree from scratch over a standing index, {bench.count:,} items"
    bench.add(title, ours, "s", "at most 1.5 x evoc", peer=peer, limit=limit, note=note)
    bench.add("writing the members of its clusters to the catalogue", remembered, "s", "")


def evoc(vectors: np.ndarray) -> tuple[float | None, str]:
    try:
        from evoc import EVoC
    except ImportError as error:
        return None, f"evoc can't be had: {error}"
    EVoC(random_state=0).fit_predict(scale_to_unit(vectors[:2000]))  # compiled once
    rows = scale_to_unit(vectors)
    start = time.perf_counter()
    EVoC(random_state=0).fit_predict(rows)
    return time.perf_counter() - start, ""


# ---- searching with clusters


def of_size(collection: Collection, count: int) -> Cluster:
    """Return the node of the tree whose number of items is nearest to that."""
    with view(collection).followers.complete_snapshot():
        tree = view(collection).tree.tree
        nodes = tree.merges()
        members = tree.members(int(nodes[np.argmin(np.abs(tree.sizes(nodes) - count))]))
    return Cluster(None, None, len(members), None, None, (), int(members[0]), (), 0.0, _members=members)


def within(bench: Bench, collection: Collection, cluster: Cluster, share: float, side: str) -> None:
    rows = np.array(cluster.members) - 1
    matrix = scale_to_unit(bench.data[0][rows])
    outside = np.setdiff1d(np.arange(bench.count), rows)
    queries = near(bench, rows if side == "inside" else outside)

    def contiguous(i: int) -> np.ndarray:
        scores = matrix @ (queries[i] / np.linalg.norm(queries[i]))
        least = min(10, len(rows))
        return np.argpartition(-scores, least - 1)[:least]

    ours, scan = time_in_turns(40, lambda i: collection.search(vector=queries[i], k=10, within=cluster), contiguous)
    title = f"within a cluster of {len(rows):,} ({share:.2%}), query {side}"
    # what a search costs that answers with ten hits and their metadata, whatever it looks at
    floor = time_in_turns(40, lambda i: collection.search(vector=queries[i], k=10))[0]
    limit = 1.2 * scan + floor
    bench.add(
        title,
        ours * 1e3,
        "ms",
        "1.2 x an exact scan, + a search",
        peer=scan * 1e3,
        limit=limit * 1e3,
        note=f"a plain search {floor * 1e3:.2f} ms",
    )
    answers = [{hit.item for hit in collection.search(vector=queries[i], k=10, within=cluster)} for i in range(40)]
    best = [set((rows[contiguous(i)] + 1).tolist()) for i in range(40)]
    recall = np.mean([len(a & b) / max(len(b), 1) for a, b in zip(answers, best, strict=True)])
    bench.add(title + ", recall@10", float(recall), "", "at least .99", limit=0.99, more=True)
    if share in (0.05, 0.1):
        callback(bench, title, queries, rows, ours, best)


def callback(
    bench: Bench, title: str, queries: np.ndarray, rows: np.ndarray, ours: float, best: list[set[int]]
) -> None:
    """Compare with hnswlib's own filter at the smallest ef that reaches a recall of .99."""
    allowed = set((rows + 1).tolist())

    def ask(i: int) -> set[int]:
        ids = bench.raw.knn_query(queries[i], k=10, num_threads=1, filter=lambda label: label in allowed)[0][0]
        return set(ids.tolist())

    for ef in (bench.raw.ef, 256, 512, 1024, 2048, 4096, 8192):
        bench.raw.set_ef(ef)
        recall = np.mean([len(ask(i) & best[i]) / 10 for i in range(15)])
        if recall >= 0.99:
            break
    (peer,) = time_in_turns(7, ask, warm=1)
    bench.raw.set_ef(Config().ef)
    speedup_title = title + ", times faster than hnswlib's callback at that recall"
    note = f"recall {recall:.2f} at ef {ef}: {peer * 1e3:.3g} ms"
    bench.add(speedup_title, peer / ours, "x", "at least 15 x", limit=15, more=True, note=note)


def each(bench: Bench, collection: Collection) -> None:
    queries = bench.queries
    limited, plain = time_in_turns(
        40,
        lambda i: collection.search(vector=queries[i], k=20, per_cluster=2),
        lambda i: collection.search(vector=queries[i], k=100),
    )
    bench.add(
        "per_cluster=2, k=20 (of fine)",
        limited * 1e3,
        "ms",
        "at most 1.5 x a plain k=100 search",
        peer=plain * 1e3,
        limit=1500 * plain,
    )
    filled = [len(collection.search(vector=query, k=20, per_cluster=2)) for query in queries[:200]]
    bench.add(
        "of 200 such searches filled", float(np.mean(np.array(filled) == 20)) * 200, "", "all", limit=200, more=True
    )
    medium = time_in_turns(20, lambda i: collection.search(vector=queries[i], k=20, per_cluster=2, level="medium"))[0]
    bench.add("the same of medium", medium * 1e3, "ms", "", peer=plain * 1e3)


# ---- adding


@contextmanager
def time_method(kind: type, name: str) -> Iterator[list[float]]:
    """Collect the seconds of each call of a method."""
    times: list[float] = []
    original: Callable[..., Any] = getattr(kind, name)

    def call(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(*arguments, **options)
        finally:
            times.append(time.perf_counter() - start)

    with patch.object(kind, name, call):
        yield times


def adding(bench: Bench, collection: Collection, count: int = 1000) -> None:
    """Time adding a thousand vectors: catalogue and index, then graph and partitions, then the tree."""
    fresh = make_nested_vectors(bench.count + 4 * count, bench.dimension)[0][bench.count + count :]
    whole, trees, raws = [], [], []
    bench.raw.resize_index(bench.count + 4 * count)
    for place in range(3):
        rows = fresh[place * count : (place + 1) * count]
        with time_method(ClusterTree, "update") as tree:
            start = time.perf_counter()
            collection.add_vectors(rows, catch_up=False)
            with view(collection).followers.complete_snapshot():
                seconds = time.perf_counter() - start
        whole.append(seconds - sum(tree))
        start = time.perf_counter()
        view(collection).followers.record()
        trees.append(sum(tree) + time.perf_counter() - start)
        start = time.perf_counter()
        bench.raw.add_items(rows, np.arange(count) + bench.count + 1 + place * count)
        raws.append(time.perf_counter() - start)
    ours, more, peer = (float(np.median(times)) for times in (whole, trees, raws))
    title = f"adding {count:,} vectors: catalogue, index, graph and partitions up to date"
    bench.add(title, ours, "s", "at most 3 x adding to raw hnswlib", peer=peer, limit=3 * peer)
    bench.add("the tree too, and its clusters remembered", more, "s more", "at most 3 s more", limit=3)
    del bench.__dict__["raw"]  # it holds more now


# ---- small changes


def measure_changes(bench: Bench, folder: Path) -> None:
    """Measure the processor time of the first look at the clusters, and of changes that end with them up to date."""
    rows = make_nested_vectors(bench.count + 9999, bench.dimension)[0]
    random = np.random.default_rng(5)
    with Collection.open(folder) as collection:
        first = _measure_seconds(collection.clusters)
        item_ids = np.array([item.id for item in collection.walk()])
        gone = random.permutation(item_ids)
        whole = bench.count >= WHOLE
        costs = [("the first look at the clusters, names included", first, 2.0)]
        for count, limit in ((1, 0.06), (100, 0.8)):
            fresh = [rows[place : place + count] for place in random.integers(0, len(rows) - count, 5)]
            times = [_measure_seconds(partial(collection.add_vectors, vectors)) for vectors in fresh]
            costs.append((f"adding {count}, everything up to date", float(np.median(times)), limit))
        for count, limit in ((100, 1.0), (bench.count // 10, 20.0)):
            chosen, gone = gone[:count].tolist(), gone[count:]
            costs.append((f"removing {count:,}", _measure_seconds(partial(collection.remove, chosen)), limit))
    for title, seconds, limit in costs:
        goal = f"{limit:g} s at {WHOLE:,}"
        bench.add(f"{title}, of {bench.count:,}, processor time", seconds, "s", goal, limit=limit if whole else None)


def _measure_seconds(job: Callable[[], object]) -> float:
    start = time.process_time()
    job()
    return time.process_time() - start


# ---- what lasts


def lasting(bench: Bench, collection: Collection) -> None:
    """Replace one item in a thousand, and measure which ids and members stay."""
    before = {level: {cluster.id: set(cluster.members) for cluster in collection.clusters(level)} for level in LEVELS}
    random = np.random.default_rng(3)
    count = max(bench.count // 1000, 1)
    gone = random.choice(bench.count, count, replace=False) + 1
    fresh = make_nested_vectors(bench.count + 9000, bench.dimension)[0][-count:]
    collection.remove(gone.tolist())
    collection.add_vectors(fresh)
    for level, least in zip(LEVELS, (0.90, 0.95, 0.95), strict=True):
        after = {cluster.id: set(cluster.members) for cluster in collection.clusters(level)}
        stay = len(before[level].keys() & after.keys()) / max(len(before[level]), 1)
        title = f"public ids of {level} that survive when .1 % is replaced"
        bench.add(title, stay, "", "at least .95", limit=0.95, more=True, note=f"{len(after)} clusters")
        label_before, label_after = number_clusters(before[level], bench.count), number_clusters(after, bench.count)
        kept = ~np.isin(np.arange(1, bench.count + 1), gone)
        same = adjusted_mutual_info_score(label_before[kept], label_after[kept])
        bench.add(f"stability of {level} in the collection", same, "AMI", f"at least {least}", limit=least, more=True)


def number_clusters(clusters: dict[Any, set[int]], count: int) -> np.ndarray:
    """Return a label for each item; loose items count as clusters of their own."""
    label = -np.arange(1, count + 1)
    for number, members in enumerate(clusters.values()):
        inside = np.array([item_id for item_id in members if item_id <= count], np.int64)
        label[inside - 1] = number
    return label


def measure_replacement(bench: Bench, count: int = 20_000, batch: int = 1000) -> None:
    """Replace half of the items batch by batch, and compare the kept graph with the exact one."""
    count = int(count * min(bench.scale, 1))
    vectors, _ = make_nested_vectors(count * 3 // 2, 128)
    folder = bench.work / "replaced"
    shutil.rmtree(folder, ignore_errors=True)
    order = np.random.default_rng(4).permutation(count)
    with Collection.open(folder, create=True) as collection:
        collection.add_vectors(vectors[:count])
        for start in range(0, count // 2, batch):
            collection.remove((order[start : start + batch] + 1).tolist())
            collection.add_vectors(vectors[count + start : count + start + batch])
        with view(collection).followers.complete_snapshot() as snapshot:
            follower, levels = view(collection).tree, snapshot.clusters.tree_levels(view(collection).space.id)
            assert follower
            assert levels
            compare(bench, follower.graph, follower.tree, view(collection).flat.index, LevelParameters(*levels.levels))
    shutil.rmtree(folder)


def compare(bench: Bench, graph: NeighbourGraph, tree: ClusterTree, flat: Any, levels: LevelParameters) -> None:
    ids = graph.items()
    rows = flat.take(ids)
    exact = find_neighbours(rows, graph.k)
    slots = graph.slot[ids]
    ours = np.where(graph.near[slots] >= 0, graph.item[graph.near[slots]], -1)
    recall = np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ours.tolist(), ids[exact].tolist(), strict=True)])
    title = f"after half of {len(ids):,} items were replaced"
    bench.add(f"the kept graph {title}, recall", float(recall), "", "at least .97", limit=0.97, more=True)
    exact_tree = ClusterTree(tree.dimension)
    exact_tree.update(ids, rows, new_pairs=ids[build_edges(exact)])
    kept, exact_cut = tree.cut_levels(levels, graph.link_items), exact_tree.cut_levels(levels)
    for level, label, other_label in zip(LEVELS, kept, exact_cut, strict=True):
        same = adjusted_mutual_info_score(label, other_label)
        subject = f"{level} {title}, beside that of the exact graph"
        bench.add(subject, same, "AMI", "at least .95", limit=0.95, more=True)
