"""The default vector beside other ways to see a picture: how well they rank pictures of a class, and what they cost.

Settings were chosen by one half of the sets, and the figures are of the other; `vectors_data` says which. A query is
each picture of a class with others. P@10: the share of its class among its ten nearest, of as many as there can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from indexers.arrays import scale_to_unit
from indexers.embedders.lite0 import Lite0
from indexers.types import Vectors
from tests.bench.harness import Bench, time_in_turns
from tests.bench.vectors_data import PictureSet, load_sets

FIRST = "crop+last"
"""What `lite0` was before it had settings: the peer of all."""
WAYS = ("crop+inner", "pad+last", "pad+inner", "squash+last", "squash+inner", "whole+last")
TURNS, BATCH, SLICE = 7, 16, 64


@dataclass(frozen=True)
class Score:
    """Means over queries."""

    p_at_1: float
    p_at_10: float
    mean_average_precision: float


def run(bench: Bench) -> None:
    sets = list(load_sets(bench.scale))
    embedders = {way: load(way) for way in (FIRST, "whole+inner", *WAYS)}
    vectors = {way: [embed_all(embedder, each.pictures) for each in sets] for way, embedder in embedders.items()}
    two_views = [np.hstack(pair) for pair in zip(vectors["whole+inner"], vectors["crop+inner"], strict=True)]
    scores = {
        way: judge_sets(sets, rows)
        for way, rows in (vectors | {"whole+inner and crop+inner together": two_views}).items()
    }
    report(bench, sets, scores)
    report_sets(bench, sets, scores)
    compare_time(bench, embedders, sets[0].pictures)


def load(way: str) -> Lite0:
    embedder = Lite0(device="cpu", **Lite0.parse_argument(way))
    embedder.limit_threads(1)
    return embedder


def embed_all(embedder: Lite0, pictures: Sequence[Image.Image]) -> Vectors:
    """Return unit vectors, float32 (n, d)."""
    slices = [pictures[start : start + SLICE] for start in range(0, len(pictures), SLICE)]
    return scale_to_unit(np.concatenate([embedder.embed(part) for part in slices]))


def judge_sets(sets: list[PictureSet], rows: list[Vectors]) -> list[Score]:
    return [judge(vectors, each.label) for vectors, each in zip(rows, sets, strict=True)]


def judge(vectors: Vectors, label: np.ndarray) -> Score:
    """Rank all other pictures by their cosine to each."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1)[:, :-1]
    is_same = label[order] == label[:, None]
    count = is_same.sum(axis=1)
    is_same, count = is_same[count > 0], count[count > 0]
    precision = is_same.cumsum(axis=1) / np.arange(1, is_same.shape[1] + 1)
    return Score(
        float(is_same[:, 0].mean()),
        float((is_same[:, :10].sum(axis=1) / np.minimum(count, 10)).mean()),
        float(((precision * is_same).sum(axis=1) / count).mean()),
    )


# ---- rows


def report(bench: Bench, sets: list[PictureSet], scores: dict[str, list[Score]]) -> None:
    """Add the means over the sets that are reported, and in the note those over the sets chosen by."""
    for way, found in scores.items():
        if way == FIRST:
            continue
        for title, read in FIGURES.items():
            ours, peer = (average(sets, each, read, is_reported=True) for each in (found, scores[FIRST]))
            chosen = [average(sets, each, read, is_reported=False) for each in (found, scores[FIRST])]
            is_default = way == "whole+inner"
            bench.add(
                f"vectors: {title}, lite0:{way}{' (the default)' if is_default else ''}",
                ours,
                "",
                f"at least .03 above lite0:{FIRST}" if is_default and title != "P@1" else "",
                peer=peer,
                limit=peer + 0.03 if is_default and title != "P@1" else None,
                more=True,
                note=f"sets chosen by: {chosen[0]:.3f} beside {chosen[1]:.3f}",
            )


FIGURES: dict[str, Callable[[Score], float]] = {
    "P@1": lambda score: score.p_at_1,
    "P@10": lambda score: score.p_at_10,
    "mAP": lambda score: score.mean_average_precision,
}


def average(sets: list[PictureSet], scores: list[Score], read: Callable[[Score], float], *, is_reported: bool) -> float:
    values = [read(score) for each, score in zip(sets, scores, strict=True) if each.is_reported is is_reported]
    return float(np.mean(values)) if values else float("nan")


def report_sets(bench: Bench, sets: list[PictureSet], scores: dict[str, list[Score]]) -> None:
    for each, ours, peer in zip(sets, scores["whole+inner"], scores[FIRST], strict=True):
        use = "reported" if each.is_reported else "chosen by"
        count = f"{len(each.pictures)} pictures, {len(np.unique(each.label))} classes"
        bench.add(
            f"vectors: P@10 of {each.name} ({use})",
            ours.p_at_10,
            "",
            "",
            peer=peer.p_at_10,
            note=f"{count}; mAP {ours.mean_average_precision:.3f} beside {peer.mean_average_precision:.3f}",
        )


def compare_time(bench: Bench, embedders: dict[str, Lite0], pictures: list[Image.Image]) -> None:
    """Measure from pictures of several shapes to vectors, on one core, in processor time."""
    jobs = [embedders["whole+inner"], embedders[FIRST]]

    def embed(embedder: Lite0) -> Callable[[int], object]:
        return lambda turn: embedder.embed(pictures[BATCH * (turn % 4) : BATCH * (turn % 4 + 1)])

    ours, peer = time_in_turns(TURNS, *map(embed, jobs), warm=2, clock=time.process_time)
    bench.add(
        "vectors: processor time a picture",
        1e3 * ours / BATCH,
        "ms",
        f"at most 1.3 x lite0:{FIRST}",
        peer=1e3 * peer / BATCH,
        limit=1.3e3 * peer / BATCH,
    )
