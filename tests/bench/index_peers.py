"""Other libraries' indices, as the bench `indices` compares them: each yields settings, and a search with each.

Those that are not installed are left out: `pip install usearch faiss-cpu scalable-vs toml pyvsag zvec`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from indexers.types import Vectors

K = 10
Setting = tuple[str, Callable[[Vectors], np.ndarray]]
"""What is set, and a search that returns the ids of the K nearest of one query."""


def pick_best(rows: Vectors, query: Vectors, ids: np.ndarray) -> np.ndarray:
    """Return the K nearest of candidates, by exact products."""
    scores = rows[ids] @ query
    return ids[np.argpartition(-scores, K)[:K]]


def build_hnswlib(rows: Vectors) -> Iterator[Setting]:
    import hnswlib

    index = hnswlib.Index("ip", rows.shape[1])
    index.init_index(len(rows), M=16, ef_construction=200)
    index.add_items(rows, np.arange(len(rows)), num_threads=1)
    for ef in (16, 32, 64, 96, 128, 192, 256, 384, 512, 1024):
        index.set_ef(ef)
        yield f"ef {ef}", lambda query: index.knn_query(query, K, num_threads=1)[0][0]


def build_usearch(rows: Vectors, precision: str) -> Iterator[Setting]:
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="ip", dtype=precision, connectivity=16, expansion_add=200)
    index.add(np.arange(len(rows)), rows, threads=1)
    for ef in (32, 64, 128, 256, 512):
        index.expansion_search = ef
        yield (
            f"ef {ef}, 40 scored",
            lambda query: pick_best(rows, query, index.search(query, 40, threads=1).keys.view(np.int64)),
        )


def build_faiss(rows: Vectors, recipe: str) -> Iterator[Setting]:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.index_factory(rows.shape[1], recipe, faiss.METRIC_INNER_PRODUCT)
    index.train(rows[:: max(1, len(rows) // 10_000)])
    index.add(rows)
    for probes in (4, 8, 16, 32, 64, 128):
        faiss.ParameterSpace().set_index_parameter(index, "nprobe", probes)
        for width in (40, 160):
            yield (
                f"{probes} cells, {width} scored",
                lambda query, width=width: pick_best(  # type: ignore[misc]
                    rows, query, index.search(query[None], width)[1][0]
                ),
            )


def build_svs(rows: Vectors) -> Iterator[Setting]:
    """Vamana over vectors of 16 bits; its codes (LVQ, LeanVec) end the process on processors that are not Intel's."""
    import svs

    parameters = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=32, window_size=200)
    index = svs.Vamana.build(parameters, rows.astype(np.float16), svs.DistanceType.MIP, num_threads=1)
    for window in (16, 32, 64, 128, 256, 512):
        index.search_window_size = window
        yield (
            f"window {window}",
            lambda query, window=window: pick_best(  # type: ignore[misc]
                rows, query, index.search(query[None], min(window, 40))[0][0].astype(np.int64)
            ),
        )


def build_vsag(rows: Vectors) -> Iterator[Setting]:
    """HGraph: a graph over codes of 8 bits, whose candidates it scores again by vectors of its own."""
    import pyvsag

    pyvsag.set_logger_off()
    settings = {"base_quantization_type": "sq8", "max_degree": 32, "ef_construction": 200}
    settings |= {"use_reorder": True, "precise_quantization_type": "fp32", "build_thread_count": 1}
    facts = {"dtype": "float32", "metric_type": "ip", "dim": rows.shape[1], "index_param": settings}
    index = pyvsag.Index("hgraph", json.dumps(facts))
    index.build(rows.reshape(-1), np.arange(len(rows)), len(rows), rows.shape[1])
    for ef in (16, 32, 64, 128, 256, 512):
        options = json.dumps({"hgraph": {"ef_search": ef}})
        yield f"ef {ef}", lambda query, options=options: index.knn_search(query, K, options)[0]  # type: ignore[misc]


def build_zvec(rows: Vectors) -> Iterator[Setting]:
    """A database with documents, through which every query goes; its index HNSW over codes by RaBitQ."""
    import zvec

    folder = tempfile.TemporaryDirectory(prefix="nearkin-bench-")
    field = zvec.VectorSchema(
        "vector", zvec.DataType.VECTOR_FP32, rows.shape[1], zvec.HnswRabitqIndexParam(zvec.MetricType.IP)
    )
    store = zvec.create_and_open(str(Path(folder.name, "rows")), zvec.CollectionSchema("rows", vectors=[field]))
    for start in range(0, len(rows), 1000):
        part = range(start, min(start + 1000, len(rows)))
        store.insert([zvec.Doc(str(number), vectors={"vector": rows[number].tolist()}) for number in part])
    store.optimize()
    for ef in (32, 64, 128, 256, 512):
        options = zvec.HnswRabitqQueryParam(ef=ef)

        def search(query: Vectors, options: object = options) -> np.ndarray:
            found = store.query(zvec.Query("vector", vector=query.tolist(), param=options), topk=K)
            return np.array([int(document.id) for document in found])

        yield f"ef {ef}", search
    folder.cleanup()


PEERS: dict[str, Callable[[Vectors], Iterator[Setting]]] = {
    "usearch bf16": lambda rows: build_usearch(rows, "bf16"),
    "usearch i8": lambda rows: build_usearch(rows, "i8"),
    "faiss IVF SQ8": lambda rows: build_faiss(rows, "IVF256,SQ8"),
    "faiss IVF RaBitQ": lambda rows: build_faiss(rows, "IVF256,RaBitQ"),
    "svs Vamana float16": build_svs,
    "pyvsag HGraph SQ8": build_vsag,
    "zvec HNSW RaBitQ": build_zvec,
}
"""By name, which begins with that of the module."""
