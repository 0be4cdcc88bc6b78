"""The members of the family of vectors side by side, each beside the library it is made of: queries, recall, building,
memory, files. A member answers through the shared layer, as in a collection; both with one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from indexers import plugins
from indexers.vectors.exact import Exact
from indexers.vectors.searcher import Searcher
from indexers.vectors.small_world import SmallWorld
from retrieval.config import Config
from tests.bench.harness import Bench, run_python, time_in_turns

MEMBERS = {
    "hnsw": ("hnsw", {}),
    "usearch": ("usearch", {"precision": "bf16"}),
    "usearch-i8": ("usearch", {"precision": "i8"}),
    "faiss": ("faiss", {"precision": "bf16"}),
    "faiss-i8": ("faiss", {"precision": "i8"}),
}
PART = 5
"""Building is timed with one in so many vectors."""
LEAST = 0.95
"""The recall from which on an index counts as one."""
Search = Callable[[np.ndarray], Any]
Raw = Callable[[Bench, dict[str, Any], "Path | np.ndarray"], Search]


def run(bench: Bench) -> None:
    folder = bench.work / f"indices-{bench.count}"
    folder.mkdir(exist_ok=True)
    flat = load_flat(bench, folder / "flat")
    true = flat.search(bench.queries[:500], 10).ids
    recalls = {name: measure_member(bench, name, folder, flat, true) for name in MEMBERS}
    theirs, sizes = memory("raw hnswlib", folder / "hnsw")["loaded"], {}
    for name in MEMBERS:
        size = memory(name, folder / name)
        sizes[name] = size["changed"]
        note = (
            f"file {size['file']:.0f}, as loaded {size['loaded']:.0f}, of which not pages of the file {size['own']:.0f}"
        )
        bench.add(f"{name}: memory of the index, beside hnswlib's", sizes[name], "MB", "", peer=theirs, note=note)
    best, name = min((sizes[name], name) for name in MEMBERS if recalls[name] >= LEAST)
    title = f"index memory of the leanest at recall@10 {LEAST}: {name}"
    bench.add(title, best, "MB", "at most .55 x hnswlib's", peer=theirs, limit=0.55 * theirs)


def load_flat(bench: Bench, path: Path) -> Exact:
    """Return the flat vector file; ids begin with 0."""
    flat = Exact(bench.dimension)
    if not path.exists():
        flat.add(np.arange(bench.count), bench.data[0])
        flat.save(path)
    flat.load(path)
    return flat


def empty(bench: Bench, name: str) -> SmallWorld:
    kind, settings = MEMBERS[name]
    index: SmallWorld = plugins.load_member("nearkin.vectors", kind)(bench.dimension, threads=1, **settings)
    return index


def measure_member(bench: Bench, name: str, folder: Path, flat: Exact, true: np.ndarray) -> float:
    """Measure one member, and return its recall@10."""
    kind, settings = MEMBERS[name]
    index, path = empty(bench, name), folder / name
    if not path.exists():
        index.add(np.arange(bench.count), bench.data[0])
        index.save(path)
    index.load(path)
    searcher, raw = Searcher(flat, index), RAW[kind](bench, settings, path)
    ours, peer = time_in_turns(
        400, lambda i: searcher.search(bench.queries[i], 10), lambda i: raw(bench.queries[i : i + 1])
    )
    limit = 1.3 * peer + 0.0005
    title, goal = f"{name}: query, k 10, beside the library", "at most 1.3 x + .5 ms"
    bench.add(title, ours * 1e3, "ms", goal, peer=peer * 1e3, limit=limit * 1e3)
    recall = measure_recall(searcher.search(bench.queries[: len(true)], 10).ids, true)
    plain = measure_recall(np.concatenate([raw(query[None]) for query in bench.queries[: len(true)]]), true)
    bench.add(f"{name}: recall@10, beside the library", recall, "", "at least .98", peer=plain, limit=0.98, more=True)
    building(bench, name)
    return recall


def measure_recall(ids: np.ndarray, true: np.ndarray) -> float:
    return float(np.mean([len(set(answer) & set(truth)) / len(truth) for answer, truth in zip(ids, true, strict=True)]))


def building(bench: Bench, name: str) -> None:
    """Time building twice in turns, and take the quicker run: the machine is shared."""
    kind, settings = MEMBERS[name]
    vectors = bench.data[0][: bench.count // PART]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(2):
        jobs = (
            lambda: empty(bench, name).add(np.arange(len(vectors)), vectors),
            lambda: RAW[kind](bench, settings, vectors),
        )
        for seconds, job in zip(times, jobs, strict=True):
            start = time.perf_counter()
            job()
            seconds.append(time.perf_counter() - start)
    bench.add(f"{name}: building {len(vectors):,}", min(times[0]), "s", "", peer=min(times[1]))


def raw_hnswlib(bench: Bench, settings: dict[str, Any], source: Path | np.ndarray) -> Search:
    import hnswlib

    index = hnswlib.Index("cosine", bench.dimension)
    if isinstance(source, Path):
        index.load_index(str(source))
    else:
        index.init_index(len(source), M=Config().m, ef_construction=Config().ef_construction)
        index.add_items(source, np.arange(len(source)), num_threads=1)
    index.set_ef(Config().ef)
    return lambda query: index.knn_query(query, 10, num_threads=1)[0]


def raw_usearch(bench: Bench, settings: dict[str, Any], source: Path | np.ndarray) -> Search:
    from usearch.index import Index

    index = Index(
        ndim=bench.dimension,
        dtype=settings["precision"],
        connectivity=Config().m,
        expansion_add=Config().ef_construction,
        expansion_search=Config().ef,
    )
    if isinstance(source, Path):
        index.load(source)
    else:
        index.add(np.arange(len(source)), source, threads=1)
    return lambda query: np.atleast_2d(index.search(query, 10, threads=1).keys)


def raw_faiss(bench: Bench, settings: dict[str, Any], source: Path | np.ndarray) -> Search:
    """Return faiss's search; its 8 bits are learnt from the data, as its users do."""
    import faiss

    faiss.omp_set_num_threads(1)
    if isinstance(source, Path):
        index = faiss.read_index(str(source))
    else:
        kind = faiss.ScalarQuantizer.QT_bf16 if settings["precision"] == "bf16" else faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexHNSWSQ(bench.dimension, kind, Config().m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = Config().ef_construction
        vectors = source / np.linalg.norm(source, axis=1, keepdims=True)
        index.train(vectors)
        index.add(vectors)
    index.hnsw.efSearch = Config().ef

    def search(query: np.ndarray) -> Any:
        return index.search(query / np.linalg.norm(query), 10)[1]

    return search


RAW: dict[str, Raw] = {"hnsw": raw_hnswlib, "usearch": raw_usearch, "faiss": raw_faiss}

LOADED = """
import json, sys
from pathlib import Path
import numpy as np
from tests.bench.methods_indices import empty, raw_hnswlib
from tests.bench.harness import Bench
name, path = sys.argv[1], Path(sys.argv[2])
bench = Bench(path.parent, 1)
queries = np.random.default_rng(0).standard_normal((500, bench.dimension), dtype=np.float32)
def resident(field="Rss"):
    for line in open("/proc/self/smaps_rollup"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
if name == "raw hnswlib":
    raw_hnswlib(bench, {}, queries)(queries)  # what the library itself takes
    before = resident()
    search = raw_hnswlib(bench, {}, path)
    search(queries)
    loaded = changed = resident()
    own = loaded - before
else:
    small = empty(bench, name)
    small.add(np.arange(500), queries)
    small.search(queries, 128)
    before, own, index = resident(), resident("Anonymous"), empty(bench, name)
    index.load(path)
    index.search(queries, 128)
    loaded, own = resident(), resident("Anonymous") - own
    index.add(np.array([10**9]), queries[:1])
    index.search(queries, 128)
    changed = resident()
size = sum(part.stat().st_size for part in [path, *path.parent.glob(path.name + ".*")])
print(json.dumps({"loaded": loaded - before, "own": own, "changed": changed - before, "file": size / 2**20}))
"""


def memory(name: str, path: Path) -> dict[str, float]:
    """Return the resident MB of an index in a separate process, after 500 searches.

    As `loaded`, `own` of that without mapped pages, `changed` after an addition, and the size of the `file`.
    """
    sizes: dict[str, float] = run_python(LOADED, name, str(path), environment={"OMP_NUM_THREADS": "1"})
    return sizes
