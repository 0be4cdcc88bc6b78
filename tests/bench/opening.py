"""Opening, importing, memory, and making the index anew."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import numpy as np

from indexers.embedders.lite0 import Lite0
from retrieval import Collection
from retrieval.config import Config
from tests.bench.adding import photograph
from tests.bench.harness import Bench, make_nested_vectors, run_python, time_command

OPEN = """
import json, sys, time
start = time.perf_counter()
from retrieval import Collection
collection = Collection.open(sys.argv[1])
print(json.dumps({"seconds": time.perf_counter() - start}))
"""

MEMORY = """
import json, sys
import numpy as np
def resident():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {name: int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}
queries = np.random.default_rng(0).standard_normal((200, 512)).astype(np.float32)
"""
OURS = (
    MEMORY
    + """
from retrieval import Collection
with Collection.open(sys.argv[1]) as collection:
    for query in queries:
        collection.search(vector=query, k=10)
    print(json.dumps(resident()))
"""
)
RAW = (
    MEMORY
    + """
import hnswlib
index = hnswlib.Index("cosine", 512)
index.load_index(sys.argv[1])
for query in queries:
    index.knn_query(query, k=10)
print(json.dumps(resident()))
"""
)


def run(bench: Bench) -> None:
    folder = str(bench.folder)
    opened = sorted(run_python(OPEN, folder)["seconds"] for _ in range(5))[2]
    bench.add(f"opening {bench.count:,} (imports included)", opened, "s", "1 s", limit=1.0)
    limits = {"import retrieval": 0.15, "from retrieval import Collection": None}
    for code, limit in limits.items():
        goal = f"{limit} s" if limit else "(for comparison)"
        add_command(bench, code, [sys.executable, "-c", code], goal, limit)
    program = str(Path(sys.executable).with_name("nearkin"))
    add_command(bench, "nearkin --help", [program, "--help"], ".3 s", 0.3)
    search_from_shell(bench, program)
    memory(bench, folder)
    rebuilding(bench)


def add_command(bench: Bench, title: str, command: list[str], goal: str, limit: float | None) -> None:
    wall, used = time_command(command)
    bench.add(title, wall, "s", goal, limit=limit, note=f"{used:.2f} s of processor time")


def search_from_shell(bench: Bench, program: str) -> None:
    """Search with a picture among vectors of lite0's dimension, which stand for those of pictures."""
    folder, picture = bench.work / f"shell-{bench.count}", bench.work / "query.jpg"
    if not folder.exists():
        dimension = Lite0().dimension
        vectors, label = make_nested_vectors(bench.count, dimension)
        with Collection.open(folder, create=True, embedder="lite0", clusters=0) as collection:
            uris = [f"/pictures/{place}.jpg" for place in range(bench.count)]
            collection.add_vectors(vectors, uris=uris, metadata=[{"group": int(group)} for group in label])
    picture.write_bytes(photograph(0))
    title = f"nearkin search PICTURE of 12 megapixels, {bench.count:,} items"
    add_command(bench, title, [program, "search", str(picture), "-c", str(folder)], "1.2 s", 1.2)


def memory(bench: Bench, folder: str) -> None:
    raw = bench.raw
    del raw
    ours, peer = run_python(OURS, folder), run_python(RAW, str(bench.work / f"raw-{bench.count}.hnsw"))
    bench.add(
        "resident memory, anonymous",
        ours["RssAnon"],
        "MiB",
        "at most 1.3 x raw hnswlib",
        peer=peer["RssAnon"],
        limit=1.3 * peer["RssAnon"],
    )
    bench.add("resident memory, mapped files (reported apart)", ours["RssFile"], "MiB", "", peer=peer["RssFile"])


def rebuilding(bench: Bench) -> None:
    """Delete the index file, and compare the next open with hnswlib's build from an array in memory."""
    import hnswlib

    times: list[tuple[float, float]] = []
    copy = bench.work / "rebuilt"
    for _ in range(3):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(bench.folder, copy)
        shutil.rmtree(copy / "spaces" / "1" / "index")
        start = time.perf_counter()
        collection = Collection.open(copy)
        ours = time.perf_counter() - start
        collection._catalogue.close()
        index = hnswlib.Index("cosine", bench.dimension)
        start = time.perf_counter()
        index.init_index(bench.count, M=Config().m, ef_construction=Config().ef_construction)
        index.add_items(bench.data[0], np.arange(bench.count))
        times.append((ours, time.perf_counter() - start))
    shutil.rmtree(copy)
    ours, peer = np.median(np.array(times), axis=0)
    bench.add(
        "opening with the index lost: rebuilt from the catalogue",
        float(ours),
        "s",
        "at most 1.2 x hnswlib's build",
        peer=float(peer),
        limit=1.2 * float(peer),
    )
