"""Proved answers: their cost beside a contiguous scan, what bounds alone certify, and a trial of a million questions.

The figures are of processor time, in one thread. Fashion-MNIST comes from Debian's dataset-fashion-mnist; the bench's
folder keeps its vectors, since embedding them takes minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.vectors.bounds import Target
from indexers.vectors.exact import Exact
from retrieval import Collection
from tests.bench.harness import Bench, time_in_turns
from tests.bench.labelled import load_fashion
from tests.support.proofs import draw_hard_vectors, make_index, prune_at_once, rank_by_definition

QUERIES, FIRST = 100, 60
"""Queries that are timed; and those before, in which the sketch is made."""
METRICS = ("cosine", "ip", "l2", "l1", "minkowski:3", "minkowski:inf")
OWN = ("cosine", "ip", "l2")
QUESTIONS = 1_000_000
PER_INDEX = 200
DIMENSION, COUNT = 1280, 70_000


def run(bench: Bench) -> None:
    try:
        vectors = load_fashion(bench)
    except FileNotFoundError as error:
        print(f"  fashion is left out: {error}", file=sys.stderr, flush=True)
    else:
        compare_flat(bench, f"{len(vectors):,} pictures of Fashion-MNIST by lite0", vectors)
    try_questions(bench, int(QUESTIONS * bench.scale))


def run_nested(bench: Bench) -> None:
    """Add the rows of a collection, and of vectors whose variance falls slowly from axis to axis."""
    with Collection.open(bench.folder) as collection:
        search = partial(search_exactly, collection, bench.queries)
        scan = make_scan(scale_to_unit(bench.data[0]), bench.queries)
        first = measure_first(search)
        title = f"{bench.count:,} x {bench.dimension} nested"
        compare(bench, f"{title}, hits with metadata", search, scan, first)
        certify(bench, title, collection, scan)
    compare_flat(bench, f"{int(COUNT * bench.scale):,} x {DIMENSION:,}, spectrum 1/n", draw_spectrum(bench))


def search_exactly(collection: Collection, queries: np.ndarray, place: int) -> list[int]:
    hits = collection.search(vector=queries[place], k=10, exact=True)
    assert hits.proof
    return [hit.item - 1 for hit in hits]


def draw_spectrum(bench: Bench) -> np.ndarray:
    """Return vectors in no clusters, of which each axis has a variance of about 1 / its number, as embedders give."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((int(COUNT * bench.scale), DIMENSION), np.float32)
    vectors *= (np.arange(1, DIMENSION + 1) ** -0.62).astype(np.float32)
    vectors[:, 0] += 2
    return vectors


def compare_flat(bench: Bench, title: str, vectors: np.ndarray) -> None:
    """Compare the flat vector file alone, with queries that it does not hold."""
    count = len(vectors) - QUERIES - FIRST
    flat, queries = Exact(vectors.shape[1]), vectors[count:]
    flat.add(np.arange(count), vectors[:count])

    def search(place: int) -> list[int]:
        ids: list[int] = flat.search(queries[place], 10).ids[0].tolist()
        return ids

    first = measure_first(search)
    compare(bench, title, search, make_scan(scale_to_unit(vectors[:count]), queries), first)


def make_scan(rows: np.ndarray, queries: np.ndarray) -> Callable[[int], np.ndarray]:
    """Return a scan of contiguous unit vectors by numpy: the ten nearest in no order."""

    def scan(place: int) -> np.ndarray:
        scores = rows @ (queries[place] / np.linalg.norm(queries[place]))
        return np.argpartition(scores, len(scores) - 10)[-10:]

    return scan


def measure_first(search: Callable[[int], object]) -> list[float]:
    """Return the seconds of each of the first searches, while the sketch is made."""
    times = []
    for place in range(FIRST):
        start = time.process_time()
        search(place)
        times.append(time.process_time() - start)
    return times


def compare(
    bench: Bench, title: str, search: Callable[[int], list[int]], scan: Callable[[int], np.ndarray], first: list[float]
) -> None:
    ours, peer = time_in_turns(QUERIES, lambda i: search(FIRST + i), lambda i: scan(FIRST + i), clock=time.process_time)
    goal = "at most .25 x a contiguous scan"
    note = f"the first {FIRST} searches: {np.mean(first) / peer:.2f} x, the slowest {max(first) / peer:.1f} x"
    bench.add(f"proved: {title}", ours * 1e3, "ms", goal, peer=peer * 1e3, limit=0.25 * peer * 1e3, note=note)
    same = np.mean([set(search(place)) == set(scan(place).tolist()) for place in range(QUERIES)])
    bench.add(f"proved: {title}, answers equal to the scan's", float(same), "", "1.0", limit=1, more=True)


def certify(bench: Bench, title: str, collection: Collection, scan: Callable[[int], np.ndarray]) -> None:
    """Tell how many of the index's answers the bounds certify, and how many rows they leave to be compared."""
    answers = [[hit.item - 1 for hit in collection.search(vector=query, k=10)] for query in bench.queries[:QUERIES]]
    right = np.mean([set(answer) == set(scan(place).tolist()) for place, answer in enumerate(answers)])
    flat = collection._spaces.view().searcher.flat  # type: ignore[union-attr]
    left = [count_left(flat, query) for query in scale_to_unit(bench.queries[:QUERIES])]
    bench.add(f"{title}: answers of the index that are the proved ones", float(right), "", "(told)")
    bench.add(f"{title}: of these certified by the bounds alone", float(np.mean(np.array(left) <= 10)), "", "(told)")
    bench.add(f"{title}: vectors that the bounds leave", 100 * float(np.mean(left)) / bench.count, "%", "(told)")


def count_left(flat: Exact, query: np.ndarray) -> int:
    """Return the number of rows whose bounds reach the score of the tenth nearest."""
    pruner, score = flat._pruner, float(flat.search(query, 10).scores[0, -1])
    return len(pruner._select_covered(pruner._drawn, Target(query, "cosine", None, score), None, len))  # type: ignore


def try_questions(bench: Bench, count: int) -> None:
    """Ask small collections of hard vectors, and count the answers that are not those of the definition."""
    random, wrong, asked = np.random.default_rng(5), 0, 0
    start = time.process_time()
    with prune_at_once():
        while asked < count:
            dimension = int(random.choice([8, 16, 64]))
            rows = draw_hard_vectors(random, int(random.integers(2, 150)) + PER_INDEX // 4, dimension)
            index = make_index(rows[: -PER_INDEX // 4], OWN[random.integers(3)])
            for number in range(PER_INDEX):
                query = rows[random.integers(len(rows))] if number % 2 else rows[number // 2 % len(rows)]
                wrong += not is_right(index, query, METRICS[random.integers(6)], random)
            asked += PER_INDEX
    note = f"{time.process_time() - start:.0f} s"
    bench.add(f"wrong among {asked:,} proved answers on hard vectors", wrong, "", "0", limit=0, note=note)


def is_right(index: Exact, query: np.ndarray, metric: str, random: np.random.Generator) -> bool:
    """Return True if an answer is that of the definition: k nearest or a radius, of all or of some."""
    some = index.ids()[random.random(len(index)) < 0.5] if random.random() < 0.2 else None
    ids, scores = rank_by_definition(index, query, metric, some)
    if random.random() < 0.3 and len(ids):
        least = scores[random.integers(len(ids))]
        found, found_scores = index.search_radius(query, float(least), some, metric)
        ids, scores = ids[scores >= least], scores[scores >= least]
    else:
        answer = index.search(query, k := int(random.integers(1, 30)), some, metric)
        found, found_scores = answer.ids[0][answer.ids[0] >= 0], answer.scores[0][answer.ids[0] >= 0]
        ids, scores = ids[:k], scores[:k]
    return np.array_equal(ids, found) and np.array_equal(scores, found_scores)
