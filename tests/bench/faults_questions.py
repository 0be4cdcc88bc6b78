"""Questions of every kind, put to a collection with a history, and answered once more by brute force.

A history adds, replaces and removes items in batches; each moment of it is remembered, so that an answer is compared
with the moment that it names (`as_of`), also while a writer is at work beside the one who asks.
"""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import Collection
from retrieval.records.search import Hits

DIMENSION = 24
ITEMS = 3000
"""Different vectors in a history's world; more than are scanned without a graph."""
BATCHES = 40
METRICS = ("cosine", "l2", "ip")
OTHERS = ("cosine", "l2", "ip", "l1", "minkowski:3")
"""Metrics that a question may ask for."""
CLOSE = 2e-5
PROMISED = 0.99


@dataclass
class Questions:
    """What came of them. `recall`: by kind of question, of each answer. `problems`: answers that are wrong or stale."""

    asked: int = 0
    recall: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)

    def missed(self) -> list[str]:
        """Return a line for each kind whose mean recall is below what is promised."""
        means = {kind: float(np.mean(values)) for kind, values in self.recall.items()}
        return [f"{kind}: recall {mean:.4f}" for kind, mean in sorted(means.items()) if mean < PROMISED]


class World:
    """Vectors in tight and in loose groups, with lengths that differ, some of them twice; and metadata."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        centres = rng.standard_normal((30, DIMENSION))
        spread = rng.choice([0.05, 0.3, 1.0], 30)
        self.group = rng.integers(0, 30, ITEMS)
        rows = centres[self.group] + spread[self.group, None] * rng.standard_normal((ITEMS, DIMENSION))
        rows *= rng.uniform(0.5, 2, (ITEMS, 1))
        rows[rng.integers(0, ITEMS, 60)] = rows[rng.integers(0, ITEMS, 60)]
        self.rows = rows.astype(np.float32)
        self.number = rng.integers(0, 1000, ITEMS)

    def describe(self, place: int) -> dict[str, Any]:
        return {"place": place, "number": int(self.number[place]), "group": int(self.group[place])}


class History:
    """A collection and its moments: which vector each item has, by the change number."""

    def __init__(self, folder: Path, metric: str, seed: int) -> None:
        self.world, self.metric = World(seed), metric
        self.collection = Collection.open(
            folder, create=True, metric=metric, scan_below=100, threads=1, save_changes=500, wait=30
        )
        self.draw = random.Random(seed)
        self.numbers: list[int] = [0]
        self.moments: list[dict[str, int]] = [{}]
        self.ids: dict[str, int] = {}
        self._lock = threading.Lock()

    def write(self) -> None:
        """Add, replace or remove a batch."""
        state = dict(self.moments[-1])
        with self._lock:  # nobody looks for a moment that has begun and is not noted
            if len(state) > ITEMS // 4 and self.draw.random() < 0.35:
                keys = self.draw.sample(sorted(state), self.draw.randint(1, len(state) // 4))
                self.collection.remove(keys)
                for key in keys:
                    del state[key]
                change = self.collection.change()
            else:
                places = self.draw.sample(range(ITEMS), self.draw.randint(1, 300))
                keys = [f"k{self.draw.randrange(ITEMS)}" for _ in places]
                fresh = dict(zip(keys, places, strict=True))
                report = self.collection.add_vectors(
                    self.world.rows[list(fresh.values())],
                    keys=list(fresh),
                    metadata=[self.world.describe(place) for place in fresh.values()],
                )
                self.ids |= dict(zip(fresh, report.items, strict=True))
                state |= fresh
                change = report.change
            self.numbers.append(change)
            self.moments.append(state)

    def at(self, as_of: int) -> dict[str, int]:
        """Return the items, and the places of their vectors, at a change number."""
        with self._lock:
            return self.moments[bisect_right(self.numbers, as_of) - 1]


@dataclass
class Question:
    """What is asked: the arguments of `search`, and the same for brute force. `chosen`: whether an item may answer."""

    kind: str
    arguments: dict[str, Any]
    query: np.ndarray
    k: int
    metric: str
    chosen: Callable[[str, int], bool] = lambda _, __: True
    radius: float | None = None


class Asker:
    """Makes up questions and compares the answers."""

    def __init__(self, history: History, seed: int, outcome: Questions, lock: threading.Lock) -> None:
        self.history, self.outcome, self.lock = history, outcome, lock
        self.draw, self.rng = random.Random(seed), np.random.default_rng(seed)

    def ask(self, is_quiet: bool) -> None:
        """Ask one question. `is_quiet`: nobody writes, so that clusters and items stay."""
        question = self._make(is_quiet)
        before = self.history.numbers[-1]
        hits = self.history.collection.search(**question.arguments)
        recall, problems = self._compare(question, hits, before)
        with self.lock:
            self.outcome.asked += 1
            self.outcome.recall[f"{question.kind}, {self.history.metric}"].append(recall)
            self.outcome.problems += [f"{question.kind}, {question.arguments}: {problem}" for problem in problems]

    def _make(self, is_quiet: bool) -> Question:
        kinds = ["vector", "outsider", "mix", "filter along", "filter across", "radius", "metric"]
        kinds += ["item", "within", "exclude", "per cluster"] if is_quiet else []
        kind = self.draw.choice(kinds)
        k = self.draw.choice([1, 5, 10, 20, 100, 1000])
        metric = self.history.metric
        query = self._draw_query(kind)
        question = Question(kind, {"vector": query, "k": k}, query, k, metric)
        state = self.history.moments[-1]
        world = self.history.world
        match kind:
            case "item" if state:
                key = self.draw.choice(sorted(state))
                question.query = world.rows[state[key]]
                question.arguments = {"item": key, "k": k}
                question.chosen = lambda name, _: name != key
            case "filter along":
                group = self.draw.randrange(30)
                question.arguments["where"] = {"group": {"$in": [group, (group + 1) % 30]}}
                question.chosen = lambda _, place: world.group[place] in (group, (group + 1) % 30)
            case "filter across":
                limit = self.draw.choice([2, 20, 100, 500, 990])
                question.arguments["where"] = {"number": {"$lt": limit}}
                question.chosen = lambda _, place: bool(world.number[place] < limit)
            case "metric":
                question.metric = self.draw.choice(OTHERS)
                question.arguments["metric"] = question.metric
            case "radius":
                scores = compute_scores(query, world.rows, metric)
                question.radius = float(np.quantile(scores, self.draw.uniform(0.5, 0.999)))
                question.arguments = {"vector": query, "radius": question.radius}
                question.k = ITEMS
            case "within" | "exclude" if state:
                self._restrict(question)
            case "per cluster" if state:
                question.arguments["per_cluster"] = self.draw.choice([1, 2, 5])
        return question

    def _draw_query(self, kind: str) -> np.ndarray:
        rows = self.history.world.rows
        if kind == "mix":
            first, second = rows[self.rng.integers(0, ITEMS, 2)]
            return np.asarray(first / np.linalg.norm(first) + second / np.linalg.norm(second), np.float32)
        if kind == "outsider" or self.draw.random() < 0.3:
            return self.rng.standard_normal(DIMENSION).astype(np.float32)
        near = rows[self.rng.integers(0, ITEMS)] + 0.05 * self.rng.standard_normal(DIMENSION)
        return np.asarray(near, np.float32)

    def _restrict(self, question: Question) -> None:
        clusters = list(self.history.collection.clusters(self.draw.choice(["coarse", "medium", "fine"])))
        if not clusters:
            return
        cluster = self.draw.choice(clusters)
        members = {member.key for member in cluster.walk()}
        is_within = question.kind == "within"
        question.arguments["within" if is_within else "exclude"] = cluster.id
        question.chosen = lambda name, _: (name in members) == is_within

    def _compare(self, question: Question, hits: Hits, before: int) -> tuple[float, list[str]]:
        if hits.as_of < before:
            return 0.0, [f"stale: as of {hits.as_of}, and {before} was acknowledged"]
        state = self.history.at(hits.as_of)
        chosen = {key: place for key, place in state.items() if question.chosen(key, place)}
        places = np.array(list(chosen.values()), np.int64)
        scores = compute_scores(question.query, self.history.world.rows[places], question.metric)
        problems = list(self._check_hits(question, hits, chosen))
        if "per_cluster" in question.arguments:
            best, size = self._limit_per_cluster(question, chosen, scores)
        else:
            size = min(question.k, len(scores))
            if question.radius is not None:
                size = int((scores >= question.radius + CLOSE * _scale(scores)).sum())
            best = np.sort(scores)[::-1][:size]
        if len(hits) != size and question.radius is None:
            problems.append(f"{len(hits)} hits of {size}")
        if not size:
            return 1.0, problems
        least = best[-1] - CLOSE * _scale(scores)
        return float(np.mean([place < len(hits) and hits[place].score >= least for place in range(size)])), problems

    def _check_hits(self, question: Question, hits: Hits, chosen: dict[str, int]) -> Iterator[str]:
        if [hit.score for hit in hits] != sorted((hit.score for hit in hits), reverse=True):
            yield "not in order"
        if len({hit.item for hit in hits}) != len(hits):
            yield "an item twice"
        for hit in hits:
            place = chosen.get(hit.key)
            if place is None:
                yield f"{hit.key} does not belong there"
                continue
            right = float(compute_scores(question.query, self.history.world.rows[[place]], question.metric)[0])
            if hit.metadata["place"] != place or abs(hit.score - right) > CLOSE * max(1.0, abs(right)):
                yield f"{hit.key} has the score {hit.score}, right is {right}"

    def _limit_per_cluster(
        self, question: Question, chosen: dict[str, int], scores: np.ndarray
    ) -> tuple[np.ndarray, int]:
        """Return the best scores of which no cluster has more than the limit; loose items are limited by nothing."""
        cluster_of = {
            member.key: cluster.id for cluster in self.history.collection.clusters("fine") for member in cluster.walk()
        }
        counts: dict[int, int] = defaultdict(int)
        best: list[float] = []
        keys = list(chosen)
        for place in np.argsort(-scores, kind="stable"):
            cluster = cluster_of.get(keys[place])
            if cluster is not None:
                counts[cluster] += 1
                if counts[cluster] > question.arguments["per_cluster"]:
                    continue
            best.append(float(scores[place]))
            if len(best) == question.k:
                break
        return np.array(best), len(best)


def compute_scores(query: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """Return what each row scores, float64 (n,): larger is nearer."""
    query, rows = query.astype(np.float64), rows.astype(np.float64)
    if metric == "cosine":
        return np.asarray(rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query))
    if metric == "ip":
        return np.asarray(rows @ query)
    power = {"l2": 2.0, "l1": 1.0}.get(metric) or float(metric.split(":")[1])
    return np.asarray(-((np.abs(rows - query) ** power).sum(axis=1) ** (1 / power)))


def _scale(scores: np.ndarray) -> float:
    return max(1.0, float(np.abs(scores).max(initial=0)))


def ask_history(folder: Path, metric: str, count: int, seed: int, outcome: Questions, batches: int = BATCHES) -> None:
    """Ask after each batch of a history, alone and by two threads beside the writer; reopen now and then."""
    history, lock = History(folder, metric, seed), threading.Lock()
    askers = [Asker(history, 1000 * seed + number, outcome, lock) for number in range(3)]
    share = max(1, count // batches)
    for batch in range(batches):
        _beside(askers[1:], share // 4, history.write)
        for _ in range(share - 2 * (share // 4)):
            askers[0].ask(is_quiet=True)
        if batch % 10 == 9:
            history.collection.close()
            history.collection = Collection.open(folder, scan_below=100, threads=1, save_changes=500, wait=30)
    history.collection.close()


def _beside(askers: Sequence[Asker], count: int, write: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def work(asker: Asker) -> None:
        try:
            for _ in range(count):
                asker.ask(is_quiet=False)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(asker,)) for asker in askers]
    for thread in threads:
        thread.start()
    write()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def run(count: int, folder: Path, report: Callable[[str], object] = print, seed: int = 0) -> Questions:
    """Ask so many questions, shared among histories of each metric."""
    outcome = Questions()
    histories = max(len(METRICS), count // 2000)
    for number in range(histories):
        metric = METRICS[number % len(METRICS)]
        ask_history(folder / f"history-{number}", metric, count // histories, seed + number, outcome)
        report(f"{outcome.asked} questions, {len(outcome.problems)} problems, missed: {outcome.missed()}")
    return outcome
