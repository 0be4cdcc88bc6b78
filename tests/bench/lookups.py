"""Every way to look something up beside a plain search, in processor time: new filters, clusters, pages."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retrieval import Collection
from tests.bench.harness import Bench, time_in_turns

ROUNDS = 60
SHARE = 0.04
"""The share of the items that a filter leaves."""
GOAL = 1.3
"""How many times a plain search may be taken."""


def run(bench: Bench) -> None:
    folder = copy_collection(bench)
    with Collection.open(folder, threads=1) as collection:
        collection.catch_up()
        start = time.process_time()
        groups = collection.clusters(level="medium")
        bench.add("lookups: clusters() the first time", 1e3 * (time.process_time() - start), "ms", "")
        compare(bench, collection, "", list_ways(bench, collection, groups[0].id))
    with Collection.open(folder, threads=1, clusters=0, save_changes=10**9, save_seconds=1e9) as collection:
        vectors = bench.data[0]
        keys = [f"k{place}" for place in range(bench.count)]
        collection.add_vectors(vectors[: bench.count // 2] * 1.0001, keys=keys[: bench.count // 2])
        anew = {"a new filter": list_ways(bench, collection, 0)["a new filter"]}
        compare(bench, collection, ", half of the rows not saved", anew)


def copy_collection(bench: Bench) -> Path:
    folder = bench.work / f"lookups-{bench.count}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bench.folder, folder)
    return folder


def compare(bench: Bench, collection: Collection, where: str, ways: dict[str, Callable[[int], Any]]) -> None:
    """Time each way in turns with a plain search."""
    for name, way in ways.items():
        theirs, ours = time_in_turns(
            ROUNDS, lambda i: collection.search(vector=bench.queries[i], k=10), way, clock=time.process_time
        )
        bench.add(
            f"lookups: {name}{where}, beside a plain search",
            ours * 1e3,
            "ms",
            "4 ms" if name == "a new filter" else f"at most {GOAL} x",
            peer=theirs * 1e3,
            limit=4 if name == "a new filter" else GOAL * theirs * 1e3,
        )


def list_ways(bench: Bench, collection: Collection, cluster: int) -> dict[str, Callable[[int], Any]]:
    """Return the ways by name; each takes the number of its round, from 0 on."""
    queries, count = bench.queries, bench.count
    width, rounds = int(SHARE * count), iter(range(10**9))

    def filter_anew(place: int) -> Any:
        low = (next(rounds) * 37) % (count - width)
        where = {"random": {"$gte": low, "$lt": low + width}}
        return collection.search(vector=queries[place], k=10, where=where)

    same = {"random": {"$lt": width}}
    return {
        "a new filter": filter_anew,
        "the same filter": lambda place: collection.search(vector=queries[place], k=10, where=same),
        "within a cluster": lambda place: collection.search(vector=queries[place], k=10, within=[cluster]),
        "per_cluster": lambda place: collection.search(vector=queries[place], k=10, per_cluster=2),
        "group": lambda place: collection.search(vector=queries[place], k=10, group=True),
        "diversify": lambda place: collection.search(vector=queries[place], k=10, diversify=0.5),
        "by item": lambda place: collection.search(item=1 + int(place * 17 % count), k=10),
        "info": lambda place: collection.info(),
        "clusters": lambda place: collection.clusters(level="medium"),
        "one cluster": lambda place: collection.cluster(cluster),
        "1,000 hits": lambda place: collection.search(vector=queries[place], k=1000),
    }
