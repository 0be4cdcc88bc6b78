"""Judging the clusterings that a collection keeps, methods that are tried on it, and its spaces.

Clusterings are compared with labels, by measures that need none, and with themselves on a part of the items; spaces
are judged by retrieval. The data of each space is read at one moment; the judging itself blocks nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, UsageError
from indexers.types import LEVELS, Ids, Json, Space, Vectors
from retrieval.checks import show_value
from retrieval.clusters.browse import Moment
from retrieval.evaluation import metrics, trials
from retrieval.evaluation.metrics import sample_positions
from retrieval.evaluation.refits import TreeRefit, make_named_refit, make_partition_refit
from retrieval.evaluation.request import MAX_RANKED, EvaluationRequest, Method
from retrieval.records.evaluation import Evaluation, JudgedClustering, JudgedSpace
from retrieval.spaces.choices import find_space
from retrieval.spaces.view import find_cluster_state

Refit = Callable[[Vectors], Ids]
"""Rows (n, d) -> the labels (n,) that the same way of clustering gives them."""


class Plan(NamedTuple):
    """What is judged.

    items: int64, sorted, the ids that all spaces have, or a sample of them. truth: the number of each item's label, -1
    without one. total: the number of items before sampling.
    """

    request: EvaluationRequest
    spaces: tuple[Space, ...]
    items: Ids
    truth: Ids
    total: int
    as_of: int


class StoredClustering(NamedTuple):
    """A clustering that the collection keeps.

    items: ids, sorted. labels: one for each item, below 0 where it is loose. refit: repeats the clustering on other
    rows, to measure its stability; or the reason why that is impossible.
    """

    name: str
    kind: str
    items: Ids
    labels: Ids
    refit: Refit | str


class SpaceData(NamedTuple):
    """What is judged in a space: items, their labels and vectors, and the stored clusterings of them."""

    space: Space
    items: Ids
    truth: Ids
    rows: Vectors
    stored: tuple[StoredClustering, ...]


def read_stored_clusterings(moment: Moment) -> Iterator[StoredClustering]:
    """Yield the clusterings that a space keeps: the one place where another kind is added."""
    state, levels = (
        find_cluster_state(moment.view, moment.snapshot),
        moment.snapshot.clusters.tree_levels(moment.view.space.id),
    )
    if state is not None and levels is not None:
        tree = TreeRefit(moment.view.space, levels.levels)
        for place, level in enumerate(LEVELS):
            cut = state.assignment(level)
            yield StoredClustering(level, "level", cut.items, _mark_loose(cut.labels), tree.make_level_refit(place))
    if moment.view.partitions is not None:
        items, labels = moment.view.partitions.labels()
        yield StoredClustering("partitions", "partitions", items, labels, make_partition_refit(len(np.unique(labels))))
    for row in moment.snapshot.clusterings.rows(moment.view.space.id):
        members = moment.snapshot.clusterings.item_clusters(row.id)
        labels, refit = _mark_loose(members.cluster_ids[:, 0]), make_named_refit(row, moment.view.space)
        yield StoredClustering(row.name, "by name", members.item_ids, labels, refit)


def _mark_loose(cluster_ids: Ids) -> Ids:
    """Return the cluster ids with -1 for items that are in no cluster."""
    return np.where(cluster_ids > 0, cluster_ids, -1)


# ---- what is judged


def plan_evaluation(snapshot: Snapshot, request: EvaluationRequest) -> Plan:
    """Choose the spaces, items and labels. Raises BadQuery, SpaceNotFound, UsageError."""
    spaces = _choose_spaces(snapshot, request)
    items = _read_item_ids(snapshot, spaces[0])
    for space in spaces[1:]:
        items = np.intersect1d(items, _read_item_ids(snapshot, space), assume_unique=True)
    if len(items) < 2:
        raise UsageError(f"items in {_list_names(spaces)}: {len(items)}; an evaluation needs at least two")
    sample = items[sample_positions(len(items), MAX_RANKED, request.random_state)]
    truth = _read_truth(snapshot, request.labels, sample) if request.labels is not None else np.full(len(sample), -1)
    if request.k is not None and request.k > min(len(sample), request.sample):
        raise BadQuery(f"k is {request.k}; only {min(len(sample), request.sample)} items are clustered")
    return Plan(request, spaces, sample, truth, len(items), snapshot.number)


def _choose_spaces(snapshot: Snapshot, request: EvaluationRequest) -> tuple[Space, ...]:
    spaces = snapshot.spaces()
    if not spaces:
        raise UsageError("the collection is empty; add pictures or vectors first")
    if request.spaces is None:
        return tuple(space for space in spaces if space.current)
    given: Any = [request.spaces] if isinstance(request.spaces, str) else request.spaces
    if not isinstance(given, list | tuple | set | dict) or any(not isinstance(name, str) for name in given):
        raise BadQuery(f"spaces is the name of a space, or a list of several; got {show_value(request.spaces)}")
    names = dict.fromkeys(given)
    if not names:
        raise BadQuery("spaces is an empty list; leave it out for the current space")
    return tuple(find_space(spaces, name) for name in names)


def _read_item_ids(snapshot: Snapshot, space: Space) -> Ids:
    return np.array([change.item_id for change in snapshot.changes(0, space.id)], np.int64)


def _list_names(spaces: Sequence[Space]) -> str:
    return " and ".join(f"the space {space.name!r}" for space in spaces)


def _read_truth(snapshot: Snapshot, key: str, items: Ids) -> Ids:
    """Return the number of each item's label, -1 without one. Raises BadQuery if they can't serve as labels."""
    values = snapshot.metadata_values(key)
    labels = [values.get(item_id) for item_id in items.tolist()]
    distinct = {_tag_type(label) for label in labels if label is not None}
    numbers = {label: number for number, label in enumerate(sorted(distinct, key=repr))}
    if not numbers:
        keys = ", ".join(snapshot.metadata_keys(10)) or "none"
        raise BadQuery(f"no item has the metadata key {key!r} with a text or number; the keys are: {keys}")
    if len(numbers) == 1:
        only = next(label for label in labels if label is not None)
        raise BadQuery(f"all items that have {key!r} have the same value, {only!r}; labels need two or more values")
    truth = np.array([-1 if label is None else numbers[_tag_type(label)] for label in labels])
    if np.bincount(truth[truth >= 0]).max() == 1:
        raise BadQuery(f"no two items have the same value of {key!r}; labels say which items belong together")
    return truth


def _tag_type(value: Any) -> tuple[bool, bool, Any]:
    """Return the value with its type, since types don't coerce: 1, "1" and true are three labels."""
    return isinstance(value, str), isinstance(value, bool), value


def gather_space_data(moment: Moment, plan: Plan) -> SpaceData:
    """Return what is judged of the space, all at its moment."""
    flat = moment.view.flat.index
    has_vector = flat.has(plan.items)
    items = plan.items[has_vector]
    return SpaceData(
        moment.view.space, items, plan.truth[has_vector], flat.take(items), tuple(read_stored_clusterings(moment))
    )


# ---- judging


@dataclass
class Steps:
    """The steps of an evaluation, reported to a watcher: steps done, steps in all, the task at hand."""

    total: int
    report: Callable[[int, int, str], object]
    done: int = 0

    def start(self, task: str) -> None:
        """Report the task at hand."""
        self.report(self.done, self.total, task)

    def finish(self, task: str) -> None:
        """Count one step of the task as done, and report it."""
        self.done += 1
        self.start(task)


@dataclass
class Judge:
    """The rows of one space that are clustered, and everything that clusterings of them are compared with.

    `draws`: positions of rows, one array for each repetition. `k`: the number of clusters for methods that need one.
    `labelled`: positions of the rows that have a label. `classes`: the number of labels.
    """

    space: Space
    rows: Vectors
    truth: Ids
    draws: list[Ids]
    random_state: int
    k: int | None = None
    labelled: Ids = field(init=False)
    classes: int = field(init=False)

    def __post_init__(self) -> None:
        self.labelled = np.flatnonzero(self.truth >= 0)
        self.classes = len(np.unique(self.truth[self.labelled]))

    def measure(self, labels: Ids) -> Json:
        """Return the figures of the labels of all rows."""
        metric, labelled = self.space.metric, self.labelled
        figures: Json = {"clusters": len(np.unique(labels[labels >= 0])), "loose": float((labels < 0).mean())}
        if len(labelled):
            figures |= metrics.measure_agreement(self.truth[labelled], labels[labelled])._asdict()
        silhouette = metrics.measure_silhouette(self.rows, labels, metric, random_state=self.random_state)
        figures |= {"silhouette": silhouette, "davies_bouldin": metrics.measure_davies_bouldin(self.rows, labels)}
        notes = ("silhouette and Davies-Bouldin need two clusters or more",) if silhouette is None else ()
        return figures | {"notes": notes}

    def measure_stability(self, labels: Ids, draw_labels: Sequence[Ids]) -> Json:
        """Return how much the labels of each draw agree with those of the same rows among all, with standard errors."""
        pairs = zip(self.draws, draw_labels, strict=False)
        scores = [metrics.compare_clusterings(labels[draw], repeated) for draw, repeated in pairs]
        if not scores:
            return {}
        names = ("stability", "stability_ami")
        figures: Json = dict(zip(names, np.mean(scores, axis=0).tolist(), strict=True))
        if len(scores) > 1:
            errors = np.std(scores, axis=0, ddof=1) / len(scores) ** 0.5
            figures |= zip([f"{name}_error" for name in names], errors.tolist(), strict=True)
        return figures


def run_evaluation(
    plan: Plan, gather: Callable[[str], SpaceData | None], report: Callable[[int, int, str], object]
) -> Evaluation:
    """Judge all that was planned, space by space.

    `gather` reads the data of a space by its name; None if the space is gone. `report`: see Steps. Raises UsageError.
    """
    started, request = time.perf_counter(), plan.request
    steps = Steps(len(plan.spaces) * (2 + len(request.methods) * (1 + request.draws)), report)
    spaces: list[JudgedSpace] = []
    clusterings: list[JudgedClustering] = []
    labelled = classes = 0
    for space in plan.spaces:
        steps.start(f"{space.name}: reading")
        space_data = gather(space.name)
        if space_data is None or len(space_data.items) < 2:
            raise UsageError(f"the space {space.name!r} lost its items during the evaluation; try again")
        judge = _prepare_judge(space_data, plan)
        labelled, classes = len(judge.labelled), judge.classes
        steps.start(f"{space.name}: retrieval")
        spaces.append(_judge_space(space_data, request.random_state))
        clusterings += _judge_clusterings(space_data, judge, request, steps)
    judged, notes = min(len(plan.items), request.sample), tuple(_describe_sampling(plan))
    about = (request.labels, classes, plan.total, judged, labelled, request.draws, request.random_state, notes)
    return Evaluation(tuple(spaces), tuple(clusterings), *about, plan.as_of, time.perf_counter() - started)


def _prepare_judge(space_data: SpaceData, plan: Plan) -> Judge:
    request = plan.request
    sample = sample_positions(len(space_data.items), request.sample, request.random_state)
    draws = metrics.draw_subsets(len(sample), request.draws, request.random_state)
    judge = Judge(space_data.space, space_data.rows[sample], space_data.truth[sample], draws, request.random_state)
    medium = next((stored.labels for stored in space_data.stored if stored.name == "medium"), np.empty(0, np.int64))
    judge.k = request.k or judge.classes or len(np.unique(medium[medium >= 0])) or None
    return judge


def _judge_space(space_data: SpaceData, random_state: int) -> JudgedSpace:
    space, labelled = space_data.space, space_data.truth >= 0
    about = JudgedSpace(space.name, space.embedder, space.dimension, space.metric)
    started = time.perf_counter()
    ranking = None
    if labelled.any():
        rows, truth = space_data.rows[labelled], space_data.truth[labelled]
        ranking = metrics.measure_ranking(rows, truth, space.metric, random_state=random_state)
    if ranking is None:
        return about
    return JudgedSpace(**asdict(about) | ranking._asdict() | {"seconds": time.perf_counter() - started})


def _judge_clusterings(
    space_data: SpaceData, judge: Judge, request: EvaluationRequest, steps: Steps
) -> Iterator[JudgedClustering]:
    name = space_data.space.name
    items = space_data.items[sample_positions(len(space_data.items), request.sample, request.random_state)]
    steps.finish(f"{name}: stored clusterings")
    for stored in space_data.stored:
        steps.start(f"{name}: {stored.name}")
        yield _judge_stored(stored, items, judge)
    steps.finish(f"{name}: methods")
    for method in request.methods:
        yield _judge_method(method, judge, steps)


def _judge_stored(stored: StoredClustering, items: Ids, judge: Judge) -> JudgedClustering:
    """Judge a stored clustering on the items that are judged."""
    place = np.minimum(np.searchsorted(stored.items, items), len(stored.items) - 1)
    labels = np.where(stored.items[place] == items, stored.labels[place], -1)
    figures, refit = judge.measure(labels), stored.refit
    if len(items) != len(stored.items):
        refit = "only some of its items are judged, and it is made of all"
    if not isinstance(refit, str):
        figures |= judge.measure_stability(labels, [refit(judge.rows[draw]) for draw in judge.draws])
    elif judge.draws:
        figures["notes"] += (f"no stability: {refit}",)
    return JudgedClustering(judge.space.name, stored.name, stored.kind, **figures)


def _judge_method(method: Method, judge: Judge, steps: Steps) -> JudgedClustering:
    """Judge the clustering of a method; if the method fails, return the reason in its place."""
    task, last_step = f"{judge.space.name}: {method.title}", steps.done + 1 + len(judge.draws)
    defaults = {"random_state": judge.random_state} | ({} if judge.k is None else {"n_clusters": judge.k})
    about: Json = {"space": judge.space.name, "name": method.title, "kind": "method", "method": method.name}
    steps.start(task)
    try:
        trial = trials.run_trial(
            method.name, method.parameters, defaults, judge.rows, judge.draws, lambda: steps.finish(task)
        )
    except trials.TrialFailed as failure:
        return JudgedClustering(**about, parameters=method.parameters, error=str(failure))
    finally:
        steps.done = last_step
    figures = judge.measure(trial.labels) | judge.measure_stability(trial.labels, trial.draw_labels)
    if trial.draw_failure:
        figures["notes"] += (f"stability of {len(trial.draw_labels)} draws: {trial.draw_failure}",)
    cost = {key: getattr(trial, key) for key in ("parameters", "seconds", "cpu_seconds", "memory")}
    figures["given_count"] = judge.classes > 0 and trial.parameters.get("n_clusters") == judge.classes
    if figures["given_count"]:
        figures["notes"] += (f"it was given the true number of clusters, that of the labels: {judge.classes}",)
    return JudgedClustering(**about, **cost, **figures)


def _describe_sampling(plan: Plan) -> Iterator[str]:
    """Yield a note on each thing that was sampled or left out."""
    request, count = plan.request, len(plan.items)
    if count < plan.total:
        yield f"retrieval ranks {count:,} of the {plan.total:,} items, drawn at random"
    if request.sample < plan.total:
        yield f"{min(request.sample, count):,} of the {plan.total:,} items, drawn at random, are clustered and judged"
    silhouettes, queries = (
        min(metrics.limit_queries(limit, space.metric) for space in plan.spaces)
        for limit in (metrics.SILHOUETTE_ROWS, metrics.RANKING_QUERIES)
    )
    if min(request.sample, count) > silhouettes:
        yield f"silhouettes are of {silhouettes:,} items, drawn at random, each compared with all"
    unlabelled = int(np.count_nonzero(plan.truth < 0))
    if request.labels is not None and count - unlabelled > queries:
        yield f"retrieval asks for {queries:,} items, drawn at random"
    if request.labels is not None and unlabelled:
        key = request.labels
        yield f"{unlabelled:,} items have no text or number under {key!r} and are left out of figures with labels"
