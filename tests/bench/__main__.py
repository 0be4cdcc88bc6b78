"""Run benchmarks and print a table: what, ours, peer, ratio, goal.

    python -m tests.bench                    all that belong to the default run
    python -m tests.bench search filters     some
    python -m tests.bench embed              models, spaces, words; lite0 alone: the default, beside torch
    python -m tests.bench clusters           the tree, quality, corrections, streams, a living collection, histories
    python -m tests.bench histories          whether the graph depends on what came when
    python -m tests.bench vectors            what the default vector finds, beside other ways to see a picture
    python -m tests.bench duplicates         copies of real pictures, beside other tools; a library of 100,000
    python -m tests.bench proofs             proved answers on pictures; a million questions on hard vectors
    python -m tests.bench chance             what the chances and words beside scores promise, held against labels
    python -m tests.bench parts              cut-outs on photographs by subject, a box of a picture as the query
    python -m tests.bench sight              what a filter by words for what pictures show finds
    python -m tests.bench reading            text in pictures, found by its words
    python -m tests.bench edited             of these: whatever was done to them, found end to end
    python -m tests.bench papers             of these: papers of one form and other contents, never copies
    python -m tests.bench templates          the same of memes, forms, plots, products, in several fonts and formats
    python -m tests.bench stacks             bursts, brackets, edits ...: what belongs together, and is no copy
    python -m tests.bench structure          paths, diffusion and summaries over the graph of neighbours
    python -m tests.bench maps               the map: layout, new items, trustworthiness beside openTSNE anew
    python -m tests.bench classify           what is learned from labels, beside logistic regression
    python -m tests.bench together           stitching, fusing, denoising
    python -m tests.bench methods            every way of seeing and of grouping; searches in other distances (hours)
    python -m tests.bench server             the server, and its page in a browser
    python -m tests.bench adapters           other systems' doors, and the indices side by side
    python -m tests.bench indices            codes in cells beside hnswlib and others, at equal recall
    python -m tests.bench distributed        a catalogue in PostgreSQL beside one in SQLite; several writers
    python -m tests.bench lookups            every way to look something up beside a plain search
    python -m tests.bench faults             kills, damages, full disks (long; --scale .1 is shorter)
    python -m tests.bench --json out.json    the same as data

Each figure is a median, and each peer is measured in the same run, in turns with ours, on the same data with the same
threads. A missed goal is printed, and does not fail the run: machines are noisy.
"""

from __future__ import annotations

import os

THREADS = os.environ.setdefault("NEARKIN_BENCH_THREADS", "1")
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, THREADS)  # before numpy is imported
del os.environ["NEARKIN_BENCH_THREADS"]  # not a setting of the library's

import argparse  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402

from tests.bench.harness import Bench, format_table  # noqa: E402

METHODS = tuple(f"methods_{name}" for name in ("features", "density", "neural", "genetic", "sampling", "distances"))
SERVER = ("methods_server", "methods_page")
ADAPTERS = ("methods_adapters", "methods_indices", "methods_sklearn")
DEFAULT = ("search", "filters", "opening", "adding")
ON_REQUEST = (
    "distributed",
    "faults",
    "indices",
    "lookups",
    "words",
    "queries",
    "chance",
    "reading",
    "sight",
    "lite0",
    "vectors",
    "embed",
    "clusters",
    "corrected",
    "histories",
    "duplicates",
    "proofs",
    "edited",
    "papers",
    "templates",
    "parts",
    "stacks",
    "structure",
    "maps",
    "classify",
    "together",
    "methods",
    "server",
    "adapters",
    *METHODS,
    *SERVER,
    *ADAPTERS,
)
TOGETHER = {
    "words": ("words", "queries"),
    "methods": METHODS,
    "server": SERVER,
    "adapters": ADAPTERS,
    "duplicates": ("copies", "edited", "rules", "library"),
    "embed": ("lite0", "embed", "spaces", "hostile"),
    "clusters": ("trees", "quality", "corrected", "streams", "living", "histories"),
}
"""Names that stand for several modules."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*DEFAULT, *ON_REQUEST)))
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    parser.add_argument("--work", type=Path, help="keep pictures and collections here, and use them again")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the job; 1 is what the goals are about")
    chosen = parser.parse_args()
    logging.getLogger("nearkin").setLevel(logging.ERROR)
    unknown = set(chosen.names) - {*DEFAULT, *ON_REQUEST}
    if unknown:
        parser.error(f"there is no bench {sorted(unknown)[0]!r}; there are: {', '.join((*DEFAULT, *ON_REQUEST))}")
    with tempfile.TemporaryDirectory(prefix="nearkin-bench-") as folder:
        bench = Bench(chosen.work or Path(folder), chosen.scale)
        for name in chosen.names or DEFAULT:
            print(f"# {name}", file=sys.stderr, flush=True)
            for module in TOGETHER.get(name, (name,)):
                import_module(f"tests.bench.{module}").run(bench)
        print(format_table(bench.rows))
        if chosen.json:
            machine = {
                "machine": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
                "scale": chosen.scale,
            }
            chosen.json.write_text(json.dumps({**machine, "rows": [row.to_dict() for row in bench.rows]}, indent=1))


if __name__ == "__main__":
    main()
