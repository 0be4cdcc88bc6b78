"""Thousands of damaged pictures through `add`, decoded in processes of their own."""

from __future__ import annotations

import resource
import shutil

from retrieval import Collection
from tests.bench.harness import Bench
from tests.hostile import mutated


def run(bench: Bench) -> None:
    count = int(4200 * bench.scale)
    target = bench.work / "hostile"
    shutil.rmtree(target, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Collection.open(target, create=True, embedder="tiny", isolated=1, seconds=20) as collection:
        keys = [f"k{number}" for number in range(count)]
        report = collection.add([mutated(number) for number in range(count)], keys=keys)
        crashed = sum("crashed" in failure.reason for failure in report.failures)
        late = sum("longer than" in failure.reason for failure in report.failures)
        kept = collection.count()
    note = f"{report.added} added, {report.failed} failed, {crashed} decoders crashed, {late} took too long"
    bench.add(
        f"damaged pictures accounted for, of {count:,}",
        report.added + report.failed,
        "",
        "all",
        limit=count,
        more=True,
        note=note,
    )
    bench.add("items kept beside those counted as added", kept - report.added, "", "none", limit=0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    bench.add("memory that the run took at its peak", grown, "MiB", "bounded", limit=500)
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    bench.add("largest decoding process", worker, "MiB", "at most 2,048 MiB", limit=2048)
    shutil.rmtree(target)
