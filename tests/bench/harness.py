"""The common parts of all benchmarks: rows and their table, timing in turns, the data, and separate processes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Row:
    """One figure compared with its peer. `limit`: the most that `ours` may be, or with `more` the least."""

    what: str
    ours: float
    unit: str
    goal: str
    peer: float | None = None
    limit: float | None = None
    more: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        return self.ours >= self.limit if self.more else self.ours <= self.limit

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "met": self.met}


def format_table(rows: list[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| what | ours | peer | ratio | goal | met |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        peer = "" if row.peer is None else f"{format_figure(row.peer)} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        met = {True: "yes", False: "NO", None: ""}[row.met]
        note = f" ({row.note})" if row.note else ""
        lines.append(
            f"| {row.what} | {format_figure(row.ours)} {row.unit} | {peer} | {ratio} | {row.goal}{note} | {met} |"
        )
    return "\n".join(lines)


def format_figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def time_in_turns(
    count: int, *jobs: Callable[[int], object], warm: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return the median seconds of each job; they run in turns with 0, 1, 2 ..., so that drift affects all alike."""
    for job in jobs:
        for place in range(warm):
            job(place)
    times = np.empty((len(jobs), count))
    for place in range(count):
        for row, job in enumerate(jobs):
            start = clock()
            job(place)
            times[row, place] = clock() - start
    return [float(value) for value in np.median(times, axis=1)]


def run_python(code: str, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run Python in a separate process, and return the JSON in its last line."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**installed_environment(), **(environment or {})},
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def installed_environment() -> dict[str, str]:
    """Return an environment in which modules are compiled once, as those of an installed package are."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT)}


def time_command(command: list[str], runs: int = 9) -> tuple[float, float]:
    """Return the median seconds of a whole process, and those of the processor, after one that warms the disk cache."""
    times = []
    for _ in range(runs + 1):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=installed_environment())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        times.append((time.perf_counter() - start, used))
    wall, used = np.median(times[1:], axis=0).tolist()
    return wall, used


def make_nested_vectors(count: int, dimension: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return clustered vectors, float32 (count, dimension), and their groups: 40 super-groups of 25 groups each."""
    random = np.random.default_rng(seed)
    above = random.standard_normal((40, dimension))
    groups = above[np.repeat(np.arange(40), 25)] + 0.7 * random.standard_normal((1000, dimension))
    label = random.integers(0, len(groups), count)
    vectors = np.empty((count, dimension), np.float32)
    for start in range(0, count, 10_000):
        part = label[start : start + 10_000]
        vectors[start : start + 10_000] = groups[part] + 0.7 * random.standard_normal((len(part), dimension))
    return vectors, label


@dataclass
class Bench:
    """One run: its folder, its rows, and the large things that several benchmarks use."""

    work: Path
    scale: float
    rows: list[Row] = field(default_factory=list)
    dimension: int = 512

    def add(self, title: str, ours: float, unit: str, goal: str, **more: Any) -> None:
        row = Row(title, ours, unit, goal, **more)
        self.rows.append(row)
        print(
            f"  {title}: {format_figure(ours)} {unit}" + (f" beside {format_figure(row.peer)}" if row.peer else ""),
            file=sys.stderr,
            flush=True,
        )

    @property
    def count(self) -> int:
        return int(100_000 * self.scale)

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        return make_nested_vectors(self.count, self.dimension)

    @cached_property
    def queries(self) -> np.ndarray:
        """Return vectors of the same groups that are not in the collection."""
        return make_nested_vectors(self.count + 1000, self.dimension)[0][self.count :]

    @cached_property
    def orders(self) -> dict[str, np.ndarray]:
        """Return the ranks by which filters select a share: at random, or cluster after cluster."""
        random = np.random.default_rng(1)
        _, label = self.data
        cluster = random.permutation(1000)[label] + random.random(self.count)
        return {"random": random.permutation(self.count), "cluster": np.argsort(np.argsort(cluster))}

    @cached_property
    def folder(self) -> Path:
        """Return the folder of a collection of `count` ready-made vectors with metadata and places."""
        from indexers.catalogue.upgrade import upgrade_catalogue
        from retrieval import Collection

        folder = self.work / f"vectors-{self.count}"
        if not folder.exists():
            vectors, label = self.data
            metadata = [
                {
                    "random": int(self.orders["random"][i]),
                    "cluster": int(self.orders["cluster"][i]),
                    "group": int(label[i]),
                }
                for i in range(self.count)
            ]
            with Collection.open(folder, create=True) as collection:
                uris = [f"/pictures/{i // 1000}/{i}.jpg" for i in range(self.count)]
                collection.add_vectors(vectors, keys=[f"k{i}" for i in range(self.count)], uris=uris, metadata=metadata)
        upgrade_catalogue(folder)  # an earlier version may have made it
        return folder

    @cached_property
    def raw(self) -> Any:
        """Return hnswlib itself over the same vectors, with the same settings; it is saved beside the collection."""
        return self.raw_index(self.work / f"raw-{self.count}.hnsw")

    def raw_index(self, path: Path) -> Any:
        import hnswlib

        from retrieval.config import Config

        index = hnswlib.Index("cosine", self.dimension)
        if path.exists():
            index.load_index(str(path))
        else:
            index.init_index(self.count, M=Config().m, ef_construction=Config().ef_construction)
            index.add_items(self.data[0], np.arange(1, self.count + 1))  # the collection's ids begin with 1
            index.save_index(str(path))
        index.set_ef(Config().ef)
        return index
