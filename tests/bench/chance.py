"""What `Hit.chance` and `Hit.certainty` promise, held against labels.

Of pairs whose labels differ, so many should reach a chance as it says; fewer do where it is too careful. Settings were
chosen by CHOSEN_BY; the other sets are reported. Labels are narrower than likeness: a folder of small letters lies
beside one of large letters. So two pictures are called unrelated if the names of their folders share no word.
"""

from __future__ import annotations

import re
import time
from collections import Counter

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.vectors.chance import COHORT, ChanceModel
from retrieval import Collection
from retrieval.search.certainty import find_word
from tests.bench.harness import Bench, make_nested_vectors, time_in_turns
from tests.bench.vectors import embed_all, load
from tests.bench.vectors_data import PictureSet, load_sets

CHOSEN_BY = ("gcompris", "OpenMoji", "digits", "parts of scikit-image's samples")
CHANCES = (0.01, 0.001)
QUERIES, HITS, DRAWS = 200, 20, 4


def run(bench: Bench) -> None:
    embedder = load("whole+inner")
    for each in load_sets(bench.scale):
        judge(bench, each, embed_all(embedder, each.pictures))
    compare_time(bench)


def judge(bench: Bench, each: PictureSet, rows: np.ndarray) -> None:
    """Add the ratios of one set, and the share of hits with each word that are of the query's class.

    One cohort in three is twice off where the mean over cohorts is right: so DRAWS are averaged.
    """
    may_be_related, ratios = find_related(each.classes), np.zeros((DRAWS, len(CHANCES)))
    right: dict[str, list[bool]] = {}
    for draw in range(DRAWS):
        order, reached, pairs = np.random.default_rng(draw).permutation(len(rows)), np.zeros(len(CHANCES)), 0
        model = ChanceModel(rows[order[:COHORT]], "cosine")
        for place in order[-QUERIES:]:
            others = np.delete(np.arange(len(rows)), place)
            scores = rows[others] @ rows[place]
            chances = model.compute_chances(rows[place], scores)
            is_same = each.label[others] == each.label[place]
            is_unrelated = ~may_be_related[each.label[place], each.label[others]]
            pairs += int(is_unrelated.sum())
            reached += [(chances[is_unrelated] <= chance).sum() for chance in CHANCES]
            for best in np.argsort(-scores)[:HITS]:
                right.setdefault(find_word(chances[best], len(others)), []).append(bool(is_same[best]))
        ratios[draw] = np.maximum(reached, 0.5) / pairs / CHANCES
    use = "chosen by" if each.name in CHOSEN_BY else "reported"
    words = ", ".join(
        f"{word} {np.mean(right[word]):.2f} of {len(right[word]) / QUERIES / DRAWS:.1f} a query"
        for word in ("certain", "likely", "possible", "unsure")
        if word in right
    )
    count = f"{len(rows)} pictures, {len(np.unique(each.label))} classes"
    for chance, ratio in zip(CHANCES, np.exp(np.log(ratios).mean(axis=0)).tolist(), strict=True):
        bench.add(
            f"chance: off for unrelated pairs at 1 in {1 / chance:,.0f}, {each.name} ({use})",
            max(ratio, 1 / ratio),
            "x",
            "at most 2" if chance == 0.001 else "",
            limit=2 if chance == 0.001 else None,
            note=f"{ratio:.2g} times as many reach it; {count}; of the query's class: {words}",
        )


def find_related(classes: list[str]) -> np.ndarray:
    """Return for each two classes whether their names share a word that less than half of all have."""
    words = [set(re.split(r"[\W_]+", name.casefold())) for name in classes]
    counts = Counter(word for each in words for word in each)
    telling = [{word for word in each if counts[word] < len(classes) / 2} for each in words]
    return np.array([[a == b or bool(telling[a] & telling[b]) for b in range(len(words))] for a in range(len(words))])


def compare_time(bench: Bench) -> None:
    """Measure a search with and without what judges its hits, in processor time."""
    rows = scale_to_unit(make_nested_vectors(int(100_000 * max(bench.scale, 0.02)), 512)[0])
    with Collection.open(bench.work / "chance", create=True, clusters=0) as collection:
        collection.add_vectors(rows)
        start = time.process_time()
        collection.search(vector=rows[0])
        bench.add("chance: the first search, which makes the null", 1e3 * (time.process_time() - start), "ms", "")
        view = collection._spaces.current
        assert view is not None
        model = view.chance_models["cosine", False][1]
        scores = rows[:20] @ rows[0]
        ours, search = time_in_turns(
            200,
            lambda turn: model.compute_chances(rows[turn], scores),
            lambda turn: collection.search(vector=rows[turn]),
            clock=time.process_time,
        )
        bench.add("chance: judging the hits of a search, of all that it takes", 1e6 * ours, "us", "", peer=1e6 * search)
