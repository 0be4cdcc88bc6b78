"""Words beside vectors, and a second space that fills while the first is searched."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np

from retrieval import Collection
from tests.bench.adding import make_files, thumbnail
from tests.bench.harness import Bench, time_in_turns


def run(bench: Bench) -> None:
    measure_fusion(bench)
    filling(bench)


def measure_fusion(bench: Bench) -> None:
    """Time searches by words and a vector; items have twelve words each of 5,000 with Zipf's frequencies."""
    target = bench.work / f"words-{bench.count}"
    random = np.random.default_rng(0)
    share = 1 / np.arange(1, 5001)
    if not target.exists():
        words = random.choice(5000, (bench.count, 12), p=share / share.sum())
        with Collection.open(target, create=True) as collection:
            texts = [" ".join(f"word{word}" for word in row) for row in words]
            collection.add_vectors(bench.data[0], keys=[f"k{i}" for i in range(bench.count)], texts=texts)
    queries = bench.queries
    with Collection.open(target) as collection:
        for name, ranks in (
            ("two of the 100th to 5,000th most common", (100, 5000)),
            ("one of the 10 most common", (0, 10)),
        ):
            text_queries = [
                " ".join(f"word{word}" for word in random.integers(*ranks, 2 if ranks[0] else 1)) for _ in range(60)
            ]
            joint, alone = time_in_turns(
                50,
                lambda i, text_queries=text_queries: collection.search(vector=queries[i], query=text_queries[i], k=10),
                lambda i: collection.search(vector=queries[i], k=10),
            )
            goal = "the vector search + 5 ms" if ranks[0] else "(for comparison)"
            limit = alone * 1e3 + 5 if ranks[0] else None
            bench.add(f"words and a vector fused, {name} words", joint * 1e3, "ms", goal, peer=alone * 1e3, limit=limit)


def filling(bench: Bench) -> None:
    """Search in one space while another process fills the next; that process is killed, and resumes."""
    count = int(20_000 * bench.scale)
    folder = make_files(bench.work / "to-fill", count, thumbnail, 0)
    target = bench.work / "filled"
    shutil.rmtree(target, ignore_errors=True)
    with Collection.open(target, create=True, embedder="tiny") as collection:
        collection.add(folder)
        queries = np.random.default_rng(0).random((400, 13)).astype(np.float32)
        idle = median(collection, queries)
        process = multiprocessing.get_context("spawn").Process(target=fill, args=(target,))
        process.start()
        wait_until_begun(collection)
        beside = median(collection, queries, seconds=8)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        rows = vectors(collection)
        thread = threading.Thread(target=fill, args=(target,))
        thread.start()
        thread.join()
        again = count_embedded[0]
        total = collection.count()
    bench.add(
        "search beside a filling of 20,000 pictures, p50",
        beside * 1e3,
        "ms",
        "at most 3 x idle",
        peer=idle * 1e3,
        limit=3 * idle * 1e3,
    )
    twice = rows + again - total
    bench.add(
        "embedded twice after a kill in the middle",
        twice,
        "pictures",
        "at most one batch",
        limit=16,
        note=f"{rows} were there, {again} came after",
    )


count_embedded = [0]


def fill(target: Path) -> None:
    with Collection.open(target) as collection:
        count_embedded[0] = collection.fill("lite0").added


def vectors(collection: Collection) -> int:
    return {space.name: space.vectors for space in collection.spaces()}.get("lite0", 0)


def wait_until_begun(collection: Collection) -> None:
    deadline = time.monotonic() + 60
    while not vectors(collection) and time.monotonic() < deadline:
        time.sleep(0.05)


def median(collection: Collection, queries: np.ndarray, seconds: float = 2.0) -> float:
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        collection.search(vector=queries[len(times) % len(queries)], k=10)
        times.append(time.perf_counter() - start)
    return float(np.median(times))
