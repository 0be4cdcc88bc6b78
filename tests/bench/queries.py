"""Class words as queries: how well `search(text=WORD)` ranks the pictures of a class, beside one of them as the query.

A set counts by the words that its labels give and ImageNet knows: those of which WordNet has one of the 1,000 classes
at or below the first two senses. A picture is of a word if the word is in its label: in one of its folders' names.
Settings of `retrieval.search.expansion` were chosen by CHOSEN_BY; the other sets are reported.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.embedders.class_words import read_words
from retrieval import Collection
from tests.bench import labelled
from tests.bench.harness import Bench, time_in_turns
from tests.bench.labelled import Drawn
from tests.bench.sight import FASHION
from tests.bench.vectors import embed_all, load
from tests.bench.vectors_data import DRAWN, OPENCLIPART, STAMPS, draw_set, find_folders, load_sample_views
from tests.bench.word_sources import WordNet, read_classes

CHOSEN_BY = ("OpenMoji", "gcompris", "parts of scikit-image's samples")
PICTURES, LEAST, EXAMPLES = 2500, 5, 20
"""The most pictures of a set, the least of a word, and pictures of it that are queries in turn."""


def run(bench: Bench) -> None:
    sources: dict[str, Callable[[], list[Drawn]]] = {
        "OpenMoji": lambda: list(labelled._emoji(DRAWN)),
        "gcompris": lambda: list(labelled._gcompris(DRAWN)),
        "parts of scikit-image's samples": lambda: list(load_sample_views()),
        "Tux Paint's stamps": lambda: list(find_folders(STAMPS, 1, "tuxpaint-stamps-default")),
        "openclipart": lambda: list(find_folders(OPENCLIPART, 1, "openclipart-png")),
        "fashion": lambda: labelled._fashion(PICTURES),
    }
    for name, read in sources.items():
        try:
            measure(bench, name, read())
        except (FileNotFoundError, ImportError) as error:
            print(f"  {name} is left out: {error}", file=sys.stderr, flush=True)
    compare_time(bench)


def measure(bench: Bench, name: str, drawn: list[Drawn]) -> None:
    """Add the mean average precision of one set. Its vectors are kept in the bench's folder."""
    path = bench.work / f"queries-{name}-{bench.scale:g}.npz"
    if not path.exists():
        bench.work.mkdir(parents=True, exist_ok=True)
        each = draw_set(name, False, drawn, max(100, round(PICTURES * bench.scale)))
        np.savez(path, rows=embed_all(load("whole+inner"), each.pictures), label=each.label, classes=each.classes)
    with np.load(path) as kept:
        rows, label, classes = scale_to_unit(kept["rows"]), kept["label"], kept["classes"].tolist()
    words = [list_words(name, each) for each in classes]
    figures = []
    with Collection.open(bench.work / f"queries {name}", create=True, embedder="lite0", clusters=0) as collection:
        if not collection.count():
            collection.add_vectors(rows, keys=[f"n{place}" for place in range(len(rows))])
        for word in sorted({word for each in words for word in each}):
            is_same = np.array([word in each for each in words])[label]
            if LEAST <= is_same.sum() <= len(rows) / 2 and is_known(word):
                ranking = [int(hit.key[1:]) for hit in collection.search(text=word, k=len(rows))]
                figures.append((word, average_precision(is_same[ranking]), judge_examples(rows, is_same)))
    ours, example = (float(np.mean([figure[place] for figure in figures])) for place in (1, 2))
    worse = sorted((figure for figure in figures if figure[1] < figure[2]), key=lambda figure: figure[1] - figure[2])
    bench.add(
        f"queries: mAP of class words, {name} ({'chosen by' if name in CHOSEN_BY else 'reported'})",
        ours,
        "",
        "at least that of one example",
        peer=example,
        limit=example,
        more=True,
        note=f"{len(figures)} words, {len(figures) - len(worse)} of them as good; worst: "
        + ", ".join(f"{word} {a:.2f} for {b:.2f}" for word, a, b in worse[:4]),
    )


def list_words(name: str, label: str) -> set[str]:
    """Return the words of a label: of all folders in which a picture lies."""
    if name == "fashion":
        return {FASHION[int(label)]}
    if not label.startswith("/"):
        return {label, *re.split(r"[- &]+", label)}
    folders = [part for part in Path(label).parts if part not in ("usr", "share", "resource", "images", "png", "/")]
    return {word for part in folders for word in (part.replace("_", " "), *re.split(r"[_ -]+", part))}


@cache
def is_known(word: str) -> bool:
    """Return True if a usual sense of a word has a class of ImageNet at or below it, and the embedder knows it."""
    wordnet, classes = load_wordnet()

    @cache
    def has_class(synset: int) -> bool:
        return synset in classes or any(has_class(child) for child in wordnet.below[synset])

    senses = [
        synset
        for form in (word, word.removesuffix("s"), word.removesuffix("es"))
        for synset in wordnet.senses.get(form, [])[:2]
    ]
    return len(word) > 2 and any(map(has_class, senses)) and bool(read_words(word).known)


@cache
def load_wordnet() -> tuple[WordNet, frozenset[int]]:
    return WordNet(), frozenset(read_classes())


def average_precision(is_same: np.ndarray) -> float:
    precision = is_same.cumsum() / np.arange(1, len(is_same) + 1)
    return float(precision[is_same].mean())


def judge_examples(rows: np.ndarray, is_same: np.ndarray) -> float:
    """Return the mean average precision of some pictures of a word as queries, each without itself."""
    values = []
    for place in np.random.default_rng(0).permutation(np.flatnonzero(is_same))[:EXAMPLES].tolist():
        order = np.argsort(-(rows @ rows[place]), kind="stable")
        values.append(average_precision(is_same[order[order != place]]))
    return float(np.mean(values))


def compare_time(bench: Bench) -> None:
    """Measure a search by words beside one by the vector of these words, in processor time.

    The pictures lie somewhere between two of those that were measured: words find others than made-up vectors are.
    """
    random, count = np.random.default_rng(0), int(100_000 * max(bench.scale, 0.02))
    seen = np.concatenate([np.load(path)["rows"] for path in sorted(bench.work.glob("queries-*.npz"))])
    parents, angles = random.integers(0, len(seen), (count, 2)), random.uniform(0, np.pi / 2, (count, 1))
    rows = scale_to_unit(np.cos(angles) * seen[parents[:, 0]] + np.sin(angles) * seen[parents[:, 1]])
    embedder = load("whole+inner")
    with Collection.open(bench.work / "queries", create=True, embedder="lite0", clusters=0) as collection:
        if not collection.count():
            collection.add_vectors(rows)
        words = ["dog", "a red car", "trousers", "flowers in a vase", "castle", "fruit"]
        vectors = embedder.embed_texts(words)
        collection.search(vector=vectors[0])
        start = time.process_time()
        collection.search(text="cat")
        bench.add("queries: the first search by words", 1e3 * (time.process_time() - start), "ms", "")
        ours, peer = time_in_turns(
            100,
            lambda turn: collection.search(text=words[turn % len(words)]),
            lambda turn: collection.search(vector=vectors[turn % len(words)]),
            clock=time.process_time,
        )
        limit = 1e3 * peer + 2
        name = f"queries: search(text=) among {len(rows):,}"
        bench.add(name, 1e3 * ours, "ms", "a vector search + 2 ms", peer=1e3 * peer, limit=limit)
