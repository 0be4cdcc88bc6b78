"""Codes in cells beside hnswlib and other indices: processor time at equal recall on real vectors, building, changing,
turnovers, memory, questions between clusters, and the way through a collection.

Real vectors are those of Fashion-MNIST by lite0 (`labelled.load_fashion`); the nested ones are made.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.types import Vectors
from indexers.vectors.cells import Cells
from indexers.vectors.exact import Exact
from indexers.vectors.hnsw import Hnsw
from indexers.vectors.rabitq import Rabitq
from indexers.vectors.searcher import Searcher
from retrieval import Collection
from tests.bench.harness import Bench, time_in_turns
from tests.bench.index_peers import PEERS, K, Setting, build_hnswlib, pick_best
from tests.bench.labelled import load_fashion

RECALLS = {0.99: 3.0, 0.998: 4.0, 0.9995: 5.0}
"""Recalls of ten hits, and how many times as quick as hnswlib codes should be there."""
QUERIES = 300


def run(bench: Bench) -> None:
    vectors = scale_to_unit(load_fashion(bench))
    rows, queries = np.ascontiguousarray(vectors[QUERIES:]), vectors[:QUERIES]
    title = f"fashion x lite0, {len(rows)} x {rows.shape[1]}"
    flat = Exact(rows.shape[1])
    flat.add(np.arange(len(rows)), rows)
    compare_libraries(bench, title, flat, rows, queries)
    compare_members(bench, title, flat, rows, queries)
    turn_over(bench, rows, queries)
    search_collections(bench)


def compare_libraries(bench: Bench, title: str, flat: Exact, rows: Vectors, queries: Vectors) -> None:
    """Compare libraries alone, each with the settings that reach a recall in the least processor time."""
    true = flat.search(queries, K).ids
    peer, build_peer = build_timed(lambda: build_hnswlib(rows))
    curves = {"hnswlib": measure_curve(peer, queries, true)}
    for bits in (1, 4):
        settings, seconds = build_timed(lambda bits=bits: build_codes(flat, rows, bits))  # type: ignore[misc]
        curves[f"rabitq, {bits} bits"] = measure_curve(settings, queries, true)
        bench.add(
            f"{title}: building rabitq, {bits} bits",
            seconds,
            "s",
            "at most .3 x hnswlib",
            peer=build_peer,
            limit=0.3 * build_peer,
        )
    for name, make in PEERS.items():
        if find_spec(name.split()[0]):
            curves[name] = measure_curve(make(rows), queries, true)
    for name, curve in curves.items():
        for recall, factor in RECALLS.items():
            add_recall(bench, title, name, recall, factor, curve, curves["hnswlib"])


def add_recall(bench: Bench, title: str, name: str, recall: float, factor: float, curve: Any, peer: Any) -> None:
    ours, theirs = (
        min((each for each in of if each[0] >= recall), key=lambda each: each[1], default=None) for of in (curve, peer)
    )
    if name == "hnswlib":
        return
    what = f"{title}: {name}, a query at recall {recall}"
    if not ours or not theirs:
        best = max(curve)[0] if not ours else max(peer)[0]
        whose = name if not ours else "hnswlib"
        bench.add(what, ours[1] * 1e6 if ours else float("nan"), "us", "", note=f"{whose} reaches {best:.4f}")
        return
    is_goal = name == "rabitq, 1 bits"
    bench.add(
        what,
        ours[1] * 1e6,
        "us",
        f"1 / {factor:g} of hnswlib" if is_goal else "",
        peer=theirs[1] * 1e6,
        limit=theirs[1] * 1e6 / factor if is_goal else None,
        note=f"{ours[2]} beside {theirs[2]}",
    )


def build_timed(build: Callable[[], Iterator[Setting]]) -> tuple[Iterator[Setting], float]:
    """Return the settings of an index, one after another, and the processor time of building it."""
    start, settings = time.process_time(), build()
    first = next(settings)
    return chain([first], settings), time.process_time() - start


def measure_curve(settings: Any, queries: Vectors, true: np.ndarray) -> list[tuple[float, float, str]]:
    """Return recall, processor seconds of a query, and setting."""
    curve = []
    for name, search in settings:
        for query in queries[:10]:
            search(query)
        start = time.process_time()
        found = [search(query) for query in queries]
        seconds = (time.process_time() - start) / len(queries)
        hits = [np.isin(best, ids).mean() for best, ids in zip(true, found, strict=True)]
        curve.append((float(np.mean(hits)), seconds, name))
        if curve[-1][0] > 0.9999:
            break
    return curve


def build_codes(flat: Exact, rows: Vectors, bits: int) -> Iterator[Setting]:
    cells = Cells.train(flat.rows.freeze(flat.rows.ids), "cosine", bits, 1, 1.0)
    for share in (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2):
        for width in (32, 64, 128, 256):
            probes = max(1, round(share * cells.count))
            yield (
                f"{probes} cells, {width} scored",
                lambda query, width=width, probes=probes: pick_best(  # type: ignore[misc]
                    rows, query, cells.search(query[None], width, probes, 1)[0][0]
                ),
            )


def compare_members(bench: Bench, title: str, flat: Exact, rows: Vectors, queries: Vectors) -> None:
    """Compare the members behind the shared layer: questions of several kinds, one more vector, the size of files."""
    members: dict[str, Any] = {"hnsw": Hnsw(rows.shape[1], threads=1), "rabitq": Rabitq(rows.shape[1], threads=1)}
    members["rabitq"].bind(lambda: flat)
    for member in members.values():
        member.add(np.arange(len(rows)), rows)
        member.rebuild()
    rng = np.random.default_rng(0)
    mixes = rows[rng.integers(0, len(rows), 100)] + rows[rng.integers(0, len(rows), 100)]
    kinds = {
        "a picture": queries[:100],
        "a mix of two": mixes,
        "any direction": rng.standard_normal((100, rows.shape[1]), dtype=np.float32),
    }
    plain = 0.0
    for kind, asked in kinds.items():
        true = flat.search(asked, K).scores[:, -1:] - 1e-6
        searches = [search_each(Searcher(flat, member), asked) for member in members.values()]
        recalls = [np.mean([search(place).scores >= true[place] for place in range(100)]) for search in searches]
        theirs, ours = time_in_turns(100, *searches, clock=time.process_time)
        plain = plain or ours
        bench.add(
            f"{title}: recall of {kind}, rabitq beside hnsw",
            float(recalls[1]),
            "",
            "at least .99",
            peer=float(recalls[0]),
            limit=0.99,
            more=True,
        )
        bench.add(
            f"{title}: {kind} through the shared layer, rabitq beside hnsw",
            ours * 1e6,
            "us",
            "twice a picture" if kind != "a picture" else "",
            peer=theirs * 1e6,
            limit=2e6 * plain if kind != "a picture" else None,
        )
    sizes = {name: measure_file(bench.work / f"size-{name}", member) for name, member in members.items()}
    bench.add(
        f"{title}: codes and lists, beside hnswlib's graph",
        sizes["rabitq"] / 2**20,
        "MB",
        "at most .1 x",
        peer=sizes["hnsw"] / 2**20,
        limit=0.1 * sizes["hnsw"] / 2**20,
    )
    flat.add(np.arange(10**6, 10**6 + QUERIES), queries)
    theirs, ours = time_in_turns(
        100,
        *(lambda i, member=member: member.add(np.array([10**6 + i]), queries[i]) for member in members.values()),
        clock=time.process_time,
    )
    flat.remove(np.arange(10**6, 10**6 + QUERIES))
    bench.add(
        f"{title}: adding one, beside hnsw", ours * 1e6, "us", "at most .5 x", peer=theirs * 1e6, limit=5e5 * theirs
    )


def search_each(searcher: Searcher, queries: Vectors) -> Callable[[int], Any]:
    return lambda place: searcher.search(queries[place], K)


def measure_file(folder: Path, member: Any) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    member.save(folder / "index")
    return sum(path.stat().st_size for path in folder.iterdir())


def turn_over(bench: Bench, rows: Vectors, queries: Vectors) -> None:
    """Replace every vector ten times, a quarter of them at once, and compare with a fresh index."""
    count = min(len(rows) // 2, 8000)
    flat, index = Exact(rows.shape[1]), Rabitq(rows.shape[1], threads=1)
    index.bind(lambda: flat)
    rng = np.random.default_rng(1)
    for turn in range(41):
        ids = np.arange(count) if not turn else np.arange(count // 4) + (turn % 4) * (count // 4)
        vectors = rows[rng.choice(len(rows), len(ids), replace=False)]
        for member in (flat, index):
            member.add(ids, vectors)
        index.rebuild()
    fresh = Rabitq(rows.shape[1], threads=1)
    fresh.bind(lambda: flat)
    fresh.add(flat.ids(), flat.take(flat.ids()))
    fresh.rebuild()
    least = flat.search(queries, K).scores[:, -1:] - 1e-6
    recalls = [float((member.search(queries, K).scores >= least).mean()) for member in (index, fresh)]
    bench.add(
        "recall after ten turnovers, beside a fresh index",
        recalls[0],
        "",
        "as fresh",
        peer=recalls[1],
        limit=recalls[1] - 0.002,
        more=True,
    )


def search_collections(bench: Bench) -> None:
    """Compare a collection with `rabitq` and the same with the default: ten hits with metadata, nested vectors."""
    folder = bench.work / f"codes-{bench.count}"
    if not folder.exists():
        shutil.copytree(bench.folder, folder)
    with Collection.open(folder, index="rabitq", clusters=0, threads=1) as codes:
        codes.catch_up()
        with Collection.open(bench.folder, clusters=0, threads=1) as default:
            flat = Exact(bench.dimension)
            flat.add(np.arange(1, bench.count + 1), bench.data[0])
            true = flat.search(bench.queries[:300], K).ids
            ours, theirs = time_in_turns(
                300,
                *(lambda i, each=each: each.search(vector=bench.queries[i], k=K) for each in (codes, default)),
                clock=time.process_time,
            )
            found = [[hit.item for hit in codes.search(vector=query, k=K)] for query in bench.queries[:300]]
    title = f"through the collection, {bench.count} x {bench.dimension} nested"
    recall = float(np.mean([np.isin(best, ids).mean() for best, ids in zip(true, found, strict=True)]))
    bench.add(
        f"{title}: ten hits with metadata, rabitq beside the default",
        ours * 1e3,
        "ms",
        ".35 ms",
        peer=theirs * 1e3,
        limit=0.35,
    )
    bench.add(f"{title}: recall of rabitq", recall, "", "at least .99", limit=0.99, more=True)
