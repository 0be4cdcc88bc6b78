"""Descriptors, threads and memory after many openings, and after many questions of many shapes: they must stay flat.

Each trial has a process of its own, which notes what it holds at ten moments; those after the first tenth, or the first
thousand, must not hold more than the first of them.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import Collection
from tests.bench.faults_process import Nursery

DIMENSION, ITEMS = 16, 300
MOMENTS = 10
WARM = 1000
"""Openings or questions after which memory must not grow."""
MAX_GROWTH = 10.0
"""MB that memory may differ by between two moments: allocators keep some, and give it back late."""
OPENINGS, QUESTIONS = "openings", "questions"


@dataclass(frozen=True)
class Moment:
    """What a process holds after `number` openings or questions."""

    number: int
    descriptors: int
    threads: int
    megabytes: float


@dataclass
class Resources:
    """What came of a trial. `moments`: what its process held, in order."""

    tried: int = 0
    problems: list[str] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """Return the MB by which memory has grown since the process was warm."""
        warm = self.moments[_find_warm(self.moments)].megabytes if self.moments else 0.0
        return self.moments[-1].megabytes - warm if self.moments else 0.0


# ---- in a process of its own


def open_often(folder: str, count: int) -> list[dict[str, Any]]:
    """Open a collection so often, each time with a search, and now and then with clusters; return the moments."""
    rows, moments = _fill(Path(folder)), []
    for number in range(1, count + 1):
        with Collection.open(folder, scan_below=0) as collection:
            collection.search(vector=rows[number % ITEMS], k=3)
            if number % 10 == 1:
                collection.clusters("fine")
                collection.partitions()
        if number in _list_moments(count):
            moments.append(_measure(number))
    return moments


def ask_often(folder: str, count: int) -> list[dict[str, Any]]:
    """Ask a collection so many questions, hardly any of them twice; return the moments."""
    rows, moments = _fill(Path(folder)), []
    noise = np.random.default_rng(1)
    with Collection.open(folder, scan_below=0) as collection:
        kinds = _list_kinds(collection)
        for number in range(1, count + 1):
            query = rows[number % ITEMS] + 0.01 * noise.standard_normal(DIMENSION).astype(np.float32)
            kinds[number % len(kinds)](query, number)
            if number in _list_moments(count):
                moments.append(_measure(number))
    return moments


def _list_kinds(collection: Collection) -> list[Callable[[np.ndarray, int], object]]:
    """Return functions that ask: each takes a vector and a number, of which the shape of the question follows."""
    members = collection.clusters("groups")

    def ask_with_filter(query: np.ndarray, number: int) -> object:
        return collection.search(vector=query, where={"a": {"$gte": number % 7}, "t": f"w{number}"})

    def ask_by_item(query: np.ndarray, number: int) -> object:
        return collection.search(item=1 + number % ITEMS, k=5, where={"a": {"$in": list(range(number % 50))}})

    def ask_within(query: np.ndarray, number: int) -> object:
        chosen = [cluster.id or 0 for cluster in members][: 1 + number % 3]
        return collection.search(vector=query, within=chosen)

    def count(query: np.ndarray, number: int) -> object:
        return collection.count(where={"t": {"$in": [f"w{place}" for place in range(number % 60)]}})

    def ask_for_clusters(query: np.ndarray, number: int) -> object:
        collection.cluster_events(number % 5)
        return collection.clusters("fine", loose="nearest" if number % 2 else "apart")

    return [
        lambda query, number: collection.search(vector=query, k=1 + number % 40),
        ask_with_filter,
        ask_by_item,
        lambda query, number: collection.items(limit=1 + number % 30, where={"t": f"w{number}"}),
        lambda query, number: collection.cut(threshold=(number % 1000) / 1000),
        count,
        ask_within,
        lambda query, number: collection.search(vector=query, metric=f"minkowski:{1 + (number % 500) / 100}"),
        lambda query, number: collection.search(query=f"word{number % 50}", k=4),
        lambda query, number: collection.search_many(np.stack([query] * (1 + number % 5)), k=3),
        ask_for_clusters,
    ]


def _fill(folder: Path) -> np.ndarray:
    """Make a collection; return its vectors, float32 (300, 16)."""
    rows = np.random.default_rng(0).standard_normal((ITEMS, DIMENSION)).astype(np.float32)
    with Collection.open(folder, create=True, scan_below=0) as collection:
        numbers = range(ITEMS)
        collection.add_vectors(
            rows,
            keys=[f"k{number}" for number in numbers],
            metadata=[{"a": number % 7, "t": f"w{number}"} for number in numbers],
            texts=[f"word{number % 13} cat" for number in numbers],
        )
        collection.make_clustering("groups", k=4)
    return rows


def _list_moments(count: int) -> set[int]:
    """Return the numbers after which a process is measured; one is where it counts as warm."""
    return {max(1, count * place // MOMENTS) for place in range(1, MOMENTS + 1)} | {min(WARM, max(1, count // 2))}


def _measure(number: int) -> dict[str, Any]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "number": number,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "megabytes": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
    }


# ---- the trial


def run(count: int, folder: Path, kind: str, report: Callable[[str], object] = print) -> Resources:
    """Open so often, or ask so many questions, in a process of its own, and judge what it held."""
    job = {OPENINGS: "open_often", QUESTIONS: "ask_often"}[kind]
    outcome = Resources()
    with Nursery(folder / f"{kind}-out") as nursery:
        ended = nursery.run(job, folder=str(folder / kind), count=count)
    outcome.tried = count
    if ended.status:
        outcome.problems.append(f"the process ended with {ended.status}: {ended.output}")
        return outcome
    outcome.moments = [Moment(**moment) for moment in ended.value()]
    outcome.problems += _judge(outcome.moments)
    last = outcome.moments[-1]
    report(
        f"{count} {kind}: {last.descriptors} descriptors, {last.threads} threads, {last.megabytes:.0f} MB, "
        f"grown by {outcome.growth:.1f} MB, {len(outcome.problems)} problems"
    )
    return outcome


def _find_warm(moments: list[Moment]) -> int:
    """Return the place of the moment from which on memory must be flat."""
    limit = min(WARM, max(1, moments[-1].number // 2))
    return next(place for place, moment in enumerate(moments) if moment.number >= limit)


def _judge(moments: list[Moment]) -> list[str]:
    """Return what has grown: descriptors and threads since the first moment, memory since the process was warm."""
    problems = []
    first, warm = moments[0], moments[_find_warm(moments)]
    for moment in moments[1:]:
        for name in ("descriptors", "threads"):
            before, after = getattr(first, name), getattr(moment, name)
            if after > before:
                problems.append(f"{name}: {before} after {first.number}, {after} after {moment.number}")
    for moment in moments:
        if moment.number > warm.number and moment.megabytes > warm.megabytes + MAX_GROWTH:
            problems.append(
                f"memory: {warm.megabytes:.1f} MB after {warm.number}, {moment.megabytes:.1f} after {moment.number}"
            )
    return problems
