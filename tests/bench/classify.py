"""What is learned from labels: beside logistic regression on the vectors as they are, with few labels a class.

The sets are those of the bench of vectors and all drawings of gcompris, each without the classes of fewer than 13
pictures. The averaging over neighbours and the penalty were chosen by gcompris and Fashion-MNIST; OpenMoji and digits
are reported.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from indexers.arrays import scale_to_unit
from indexers.classifiers.choice import choose_classifier, hold_out, make_classifier
from indexers.classifiers.confidence import apply_temperature, find_threshold, measure_calibration_error
from indexers.classifiers.doubt import find_doubtful
from indexers.classifiers.smoothing import smooth_rows
from tests.bench import labelled
from tests.bench.harness import Bench
from tests.bench.vectors import embed_all, load
from tests.bench.vectors_data import DRAWN, draw_set, load_digits

LABELS, DRAWS, LEAST = (2, 5, 11), 5, 13
METHODS = ("tree", "forest", "knn", "centroid", "svm", "logistic")
TUNED = ("gcompris", "fashion")
MOST = 1200
NEIGHBOURS = 10


class Set(NamedTuple):
    """- rows: unit vectors, float32 (n, d); smooth: averaged with neighbours; label: int64 (n,)."""

    name: str
    rows: np.ndarray
    smooth: np.ndarray
    label: np.ndarray


def run(bench: Bench) -> None:
    sets = list(load_sets(bench))
    measure_accuracy(bench, sets)
    measure_promise(bench, sets)
    measure_noise(bench, sets)
    measure_time(bench)


def load_sets(bench: Bench) -> Iterator[Set]:
    """Yield the sets, which the bench's folder keeps."""
    count = round(MOST * max(bench.scale, 0.1))
    sources = {
        "gcompris": lambda: labelled._gcompris(DRAWN),
        "fashion": lambda: labelled._fashion(count),
        "OpenMoji": lambda: labelled._emoji(DRAWN),
        "digits": load_digits,
    }
    embedder = load("whole+inner")
    for name, source in sources.items():
        path = bench.work / f"classify-{name}-{bench.scale:g}.npz"
        if not path.exists():
            try:
                drawn = list(source())
            except (FileNotFoundError, ImportError) as error:
                print(f"  {name} is left out: {error}")
                continue
            sizes = {kind: sum(other == kind for _, other in drawn) for kind in {kind for _, kind in drawn}}
            pictures = draw_set(name, False, [row for row in drawn if sizes[row[1]] >= LEAST], count)
            np.savez(path, rows=embed_all(embedder, pictures.pictures), label=pictures.label)
        with np.load(path) as stored:
            rows, label = stored["rows"], stored["label"]
        kept = np.isin(label, np.flatnonzero(np.bincount(label) >= LEAST))
        rows, label = rows[kept], np.unique(label[kept], return_inverse=True)[1]
        if len(np.unique(label)) > 1:
            yield Set(name, rows, smooth_rows(rows, find_neighbours(rows)), label)


def find_neighbours(rows: np.ndarray) -> np.ndarray:
    """Return the places of the nearest of each, int64 (n, k), as the stored graph has them."""
    near = np.empty((len(rows), NEIGHBOURS), np.int64)
    for start in range(0, len(rows), 2048):
        similarity = rows[start : start + 2048] @ rows.T
        similarity[np.arange(len(similarity)), np.arange(start, start + len(similarity))] = -2
        near[start : start + 2048] = np.argsort(-similarity, axis=1)[:, :NEIGHBOURS]
    return near


def draw_labels(label: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places of labelled ones, `count` of each class, and of all others."""
    random = np.random.default_rng(seed)
    chosen = np.concatenate(
        [random.permutation(np.flatnonzero(label == kind))[:count] for kind in range(int(label.max()) + 1)]
    )
    return chosen, np.setdiff1d(np.arange(len(label)), chosen)


def measure_accuracy(bench: Bench, sets: list[Set]) -> None:
    """Add the accuracy of the chosen method beside logistic regression, and of each method."""
    gains: dict[int, list[float]] = {}
    for each in sets:
        name = f"{each.name} ({'chosen by' if each.name in TUNED else 'reported'})"
        for count in LABELS:
            right: dict[str, list[float]] = {}
            errors = []
            for seed in range(DRAWS):
                chosen, others = draw_labels(each.label, count, seed)
                known, truth = each.label[chosen], each.label[others]
                for method in METHODS:
                    fitted = make_classifier(method).fit(each.smooth[chosen], known)
                    right.setdefault(method, []).append(float((fitted.predict(each.smooth[others]) == truth).mean()))
                plain = LogisticRegression(max_iter=300).fit(each.rows[chosen], known)
                right.setdefault("plain", []).append(float((plain.predict(each.rows[others]) == truth).mean()))
                weak = LogisticRegression(C=10, max_iter=300).fit(each.rows[chosen], known)
                right.setdefault("C=10", []).append(float((weak.predict(each.rows[others]) == truth).mean()))
                choice = choose_classifier(each.smooth[chosen], known)
                answers = apply_temperature(choice.classifier.predict_proba(each.smooth[others]), choice.temperature)
                is_right = choice.classifier.classes_[answers.argmax(1)] == truth
                right.setdefault("auto", []).append(float(is_right.mean()))
                errors.append(measure_calibration_error(answers.max(1), is_right))
            mean = {method: float(np.mean(values)) for method, values in right.items()}
            gains.setdefault(count, []).append(mean["auto"] - mean["plain"])
            listed = ", ".join(f"{method} {mean[method]:.2f}" for method in (*METHODS, "C=10"))
            bench.add(
                f"classify: accuracy with {count} labels a class, {name}",
                mean["auto"],
                "",
                "",
                peer=mean["plain"],
                note=f"{listed} on vectors as they are; confidence off by {np.mean(errors):.3f}",
            )
    for count, values in gains.items():
        title = f"classify: gained over logistic regression with {count} labels a class, mean of {len(sets)} sets"
        bench.add(title, float(np.mean(values)), "", "at least .02", limit=0.02, more=True)


def measure_promise(bench: Bench, sets: list[Set], draws: int = 20, promised: float = 0.02) -> None:
    """Add what share of the answers that promise at most 2 % wrong is wrong, and for how many there are answers."""
    for each in sets:
        wrong, answered = [], []
        for seed in range(draws):
            chosen, others = draw_labels(each.label, 11, seed)
            others = np.random.default_rng(seed).permutation(others)
            if len(chosen) < 150:  # of few classes: more of each, so that there are enough
                more = 150 - len(chosen)
                chosen, others = np.concatenate([chosen, others[:more]]), others[more:]
            if len(others) < 50:
                continue
            choice = choose_classifier(each.smooth[chosen], each.label[chosen], "logistic")
            held_out = apply_temperature(choice.held_out.probabilities, choice.temperature)
            answers = apply_temperature(choice.classifier.predict_proba(each.smooth[others]), choice.temperature)
            is_held_right = held_out.argmax(1) == choice.held_out.places
            threshold = find_threshold(answers.max(1), held_out.max(1), is_held_right, promised)
            kept = answers.max(1) >= threshold
            answered.append(float(kept.mean()))
            wrong.append(float((answers.argmax(1) != each.label[others])[kept].mean()) if kept.any() else 0.0)
        if wrong:
            title = f"classify: promised at most 2 % wrong, {each.name}"
            bench.add(f"{title}: wrong", float(np.mean(wrong)), "", "at most .03", limit=0.03)
            bench.add(f"{title}: answered", float(np.mean(answered)), "", "at least .3", limit=0.3, more=True)


def measure_noise(bench: Bench, sets: list[Set], share: float = 0.1) -> None:
    """Add the recall of wrong labels among the most doubtful, as long as nine of ten of these are wrong."""
    for each in sets:
        recalls, precisions = [], []
        for seed in range(DRAWS):
            random = np.random.default_rng(seed)
            wrong = random.permutation(len(each.label))[: int(share * len(each.label))]
            label = each.label.copy()
            label[wrong] = (label[wrong] + random.integers(1, label.max() + 1, len(wrong))) % (label.max() + 1)
            order, _ = find_doubtful(hold_out(each.smooth, label, "logistic"))
            found = np.isin(order, wrong)
            precision = found.cumsum() / np.arange(1, len(order) + 1)
            best = np.flatnonzero(precision >= 0.9)
            recalls.append(float(found[: best[-1] + 1].sum() / len(wrong)) if len(best) else 0.0)
            precisions.append(float(found.mean()) if len(found) else 1.0)
        bench.add(
            f"classify: a tenth of the labels wrong, found at precision .9, {each.name}",
            float(np.mean(recalls)),
            "",
            "recall of .7",
            limit=0.7,
            more=True,
            note=f"of all that are called doubtful {np.mean(precisions):.2f} are",
        )


def measure_time(bench: Bench) -> None:
    """Add the processor time of learning from 200 labels and of suggesting among many."""
    random = np.random.default_rng(0)
    label = random.integers(0, 20, bench.count)
    centres = random.standard_normal((20, 1280)).astype(np.float32)
    rows = scale_to_unit(centres[label] + 2 * random.standard_normal((bench.count, 1280), dtype=np.float32))
    near = random.integers(0, bench.count, (bench.count, NEIGHBOURS))
    start = time.process_time()
    smooth = smooth_rows(rows, near)
    smoothed = time.process_time()
    choice = choose_classifier(smooth[:220], label[:220].tolist())
    fitted = time.process_time()
    apply_temperature(choice.classifier.predict_proba(smooth), choice.temperature)
    done = time.process_time()
    size = f"{bench.count:,} x 1,280, processor time"
    bench.add(
        f"classify: learn from 220 labels among {size}",
        fitted - start,
        "s",
        "10 s at 100,000",
        limit=10,
        note=f"of it {smoothed - start:.1f} s to average with neighbours, once for each change of the collection",
    )
    bench.add(f"classify: suggest among {size}", done - fitted, "s", "1 s at 100,000", limit=1)
