"""How much more of the classes the neural clusterers find than k-means, and what their training costs.

AMI is adjusted mutual information with the classes, the mean over SEEDS; k is the number of classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from indexers.clusterers import Clusterer, Deep, Hvae
from tests.bench.harness import Bench, run_python
from tests.bench.labelled import Labelled, load_featured

SEEDS = range(5)
MORE = {"deep": 0.05, "hvae": 0.03}
"""What AMI is to be above k-means' on Fashion-MNIST."""
SECONDS, MEGABYTES = 240, 2000
"""Of training on 10,000 x 1,280 with two cores. Others may use the cores beside: seconds are the processor's."""
TRAINING = """
import json, resource, sys, time
import numpy as np
from indexers import plugins
rows = np.random.default_rng(0).standard_normal((int(sys.argv[2]), 1280), dtype=np.float32)
rows += 4 * rows[np.arange(len(rows)) % 10]
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
kind, start = plugins.load_member("nearkin.clusterers", sys.argv[1]), time.process_time()
kind(10, device="cpu", random_state=0).fit(rows)
seconds, peak = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "megabytes": peak / (1024 if sys.platform == "linux" else 1024**2)}))
"""


def run(bench: Bench) -> None:
    for dataset in load_featured(bench):
        classes = len(np.unique(dataset.label))
        means = over_seeds(dataset, lambda seed, k=classes: KMeans(k, n_init=3, random_state=seed))  # type: ignore[misc]
        for name, kind in (("deep", Deep), ("hvae", Hvae)):
            fitted: list[Clusterer] = []
            scores = over_seeds(dataset, lambda seed, k=classes, kind=kind: kind(k, random_state=seed), fitted)  # type: ignore[misc]
            beside(
                bench,
                f"{dataset.name}: AMI of {name}, beside k-means",
                scores,
                means,
                MORE[name],
                "fashion" in dataset.name,
            )
            if name == "hvae":
                falling(bench, dataset.name, [clusterer.round_errors_ for clusterer in fitted])  # type: ignore[attr-defined]
    for name in MORE:
        cost(bench, name)


def over_seeds(
    dataset: Labelled, make: Callable[[int], Clusterer], collected: list[Clusterer] | None = None
) -> np.ndarray:
    """Return the AMI with each seed; the fitted clusterers are appended to `collected`."""
    fitted = [make(seed).fit(dataset.vectors) for seed in SEEDS]
    if collected is not None:
        collected += fitted
    return np.array([adjusted_mutual_info_score(dataset.label, clusterer.labels_) for clusterer in fitted])


def beside(bench: Bench, title: str, scores: np.ndarray, means: np.ndarray, more: float, bound: bool) -> None:
    peer = float(means.mean())
    note = f"{len(scores)} seeds, standard deviation {scores.std():.3f}, k-means {means.std():.3f}"
    goal, limit = (f"at least the peer's + {more}", peer + more) if bound else ("none", None)
    bench.add(title, float(scores.mean()), "", goal, peer=peer, limit=limit, more=True, note=note)


def falling(bench: Bench, name: str, errors: list[np.ndarray]) -> None:
    """Report the largest ratio of the last round's error to the first's."""
    left = [float(round_errors[-1] / round_errors[0]) for round_errors in errors]
    note = f"rounds {', '.join(str(len(round_errors)) for round_errors in errors)}"
    bench.add(f"{name}: error of hvae's last round over the first's", max(left), "", "below 1", limit=0.999, note=note)


def cost(bench: Bench, name: str) -> None:
    rows = int(10_000 * max(bench.scale, 0.02))
    outcome = run_python(TRAINING, name, str(rows))
    title = f"{name}, {rows:,} x 1,280"
    bench.add(f"{title}: training", outcome["seconds"], "s", f"at most {SECONDS} of the processor", limit=SECONDS)
    bench.add(f"{title}: peak memory", outcome["megabytes"], "MB", f"at most {MEGABYTES}", limit=MEGABYTES)
