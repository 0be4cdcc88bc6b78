"""What corrections of clusters do for pictures that come later: the more are made, the better these are clustered.

A person looks at clusters of medium, takes the most mixed one apart by five pictures of either kind, and joins the two
largest of one kind. The peer is k-means with the true number of clusters, begun at the means of the pictures that were
named (seeded k-means: Basu, Banerjee and Mooney 2002), which tells all pictures of a merge apart, too.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from retrieval import Collection
from tests.bench.harness import Bench
from tests.bench.labelled import Labelled, load_labelled

STEPS = (0, 5, 10, 20)
MOST = 2000
"""Pictures of a set, half of which come after the corrections."""
EXEMPLARS, MIXED = 5, 0.2
"""Pictures that are named of either kind, and the share of the second kind that makes a cluster mixed."""


def run(bench: Bench) -> None:
    for labelled in load_labelled(bench):
        for count in STEPS:
            folder = bench.work / "corrected"
            shutil.rmtree(folder, ignore_errors=True)
            made, score, seeded = judge_corrections(labelled, count, folder)
            bench.add(
                f"{labelled.name}: AMI of later pictures after {made} corrections",
                score,
                "",
                "rises with their number",
                peer=seeded,
                more=True,
            )


def judge_corrections(labelled: Labelled, count: int, folder: Path) -> tuple[int, float, float]:
    """Correct clusters so often; return how often there was reason to, and the AMI of later pictures, ours and that of
    the peer."""
    order = np.random.default_rng(0).permutation(len(labelled.label))[:MOST]
    rows, label = labelled.vectors[order], labelled.label[order]
    half, named = len(rows) // 2, np.zeros(len(rows), bool)
    with Collection.open(folder, create=True) as collection:
        collection.add_vectors(rows[:half], keys=[str(place) for place in range(half)])
        made = 0
        while made < count and (touched := correct_once(collection, label, made)) is not None:
            named[touched] = True
            made += 1
        collection.add_vectors(rows[half:], keys=[str(place) for place in range(half, len(rows))])
        place_of = {item.id: int(item.key) for item in collection.walk()}
        found = -1 - np.arange(len(rows))
        for cluster in collection.clusters():
            found[[place_of[item] for item in cluster.members]] = cluster.id
    later = np.arange(len(rows)) >= half
    return (
        made,
        float(adjusted_mutual_info_score(label[later], found[later])),
        float(adjusted_mutual_info_score(label[later], cluster_seeded(rows, label, named)[later])),
    )


def correct_once(collection: Collection, label: np.ndarray, turn: int) -> list[int] | None:
    """Make one correction, splits and merges in turns; return which pictures it names, None if all is well."""
    place_of = {item.id: int(item.key) for item in collection.walk()}
    mixed, by_kind = None, dict[int, list[tuple[int, int]]]()
    for cluster in collection.clusters():
        counts = np.bincount(label[[place_of[item] for item in cluster.members]], minlength=2)
        first, second = np.argsort(-counts, kind="stable")[:2].tolist()
        by_kind.setdefault(first, []).append((cluster.size, cluster.id or 0))
        if counts[second] >= max(EXEMPLARS, MIXED * cluster.size) and (mixed is None or counts[second] > mixed[0]):
            mixed = int(counts[second]), cluster, (first, second)
    alike = [sorted(clusters)[-2:] for clusters in by_kind.values() if len(clusters) > 1]
    if mixed and (turn % 2 == 0 or not alike):
        _, cluster, kinds = mixed
        groups = [[item for item in cluster.members if label[place_of[item]] == kind][:EXEMPLARS] for kind in kinds]
        collection.split_cluster(cluster.id or 0, groups)
        return [place_of[item] for group in groups for item in group]
    if not alike:
        return None
    pair = [collection.cluster(cluster_id) for _, cluster_id in max(alike)]
    collection.merge_clusters(pair[0].id or 0, pair[1].id or 0)
    return [place_of[cluster.medoid] for cluster in pair]


def cluster_seeded(rows: np.ndarray, label: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Return the clusters of k-means begun at the means of the named pictures of each class, others at random ones."""
    kinds = np.unique(label)
    random = np.random.default_rng(0)
    starts = [
        rows[named & (label == kind)].mean(0) if np.any(named & (label == kind)) else rows[random.integers(len(rows))]
        for kind in kinds
    ]
    return np.asarray(KMeans(len(kinds), init=np.stack(starts), n_init=1).fit_predict(rows))
