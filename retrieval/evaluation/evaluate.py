"""Judging: clusterings that the collection keeps and methods tried on it, beside labels, by themselves, and when a part
of the items is missing; and its spaces, by what lies near each other in them.

What is to be judged is gathered within one moment of each space; the judging itself holds nobody up.
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
from retrieval.clusters.browse import At
from retrieval.evaluation import metrics as judging
from retrieval.evaluation import trials
from retrieval.evaluation.metrics import some
from retrieval.evaluation.refits import TreeAgain, named_again, partitions_again
from retrieval.evaluation.request import RANKED, Method, Wanted
from retrieval.records.evaluation import Evaluation, JudgedClustering, JudgedSpace
from retrieval.spaces.spaces import find_space
from retrieval.spaces.view import find_cluster_state

Again = Callable[[Vectors], Ids]
"""Rows -> the labels that the same way of clustering gives them."""


class Plan(NamedTuple):
    """items: int64, sorted, those in all the spaces (or a sample). truth: the number of each one's label, -1 without
    one. total: how many items there were before sampling. k: how many clusters labels stand for, if there are any."""

    how: Wanted
    spaces: tuple[Space, ...]
    items: Ids
    truth: Ids
    total: int
    as_of: int


class Stored(NamedTuple):
    """A clustering that the collection keeps: items, sorted, and the label of each, below 0 where it is loose. again:
    makes it anew of other rows, to see how stable it is; or the reason why that can't be."""

    name: str
    kind: str
    items: Ids
    labels: Ids
    again: Again | str


class Gathered(NamedTuple):
    """What is judged in a space: items, their labels and rows, and what is kept about them."""

    space: Space
    items: Ids
    truth: Ids
    rows: Vectors
    stored: tuple[Stored, ...]


def stored(at: At) -> Iterator[Stored]:
    """The clusterings that a space keeps: the one place where another kind is added."""
    there, clustering = find_cluster_state(at.view, at.snapshot), at.snapshot.clusters.clustering(at.view.space.id)
    if there is not None and clustering is not None:
        tree = TreeAgain(at.view.space, clustering.levels)
        for place, level in enumerate(LEVELS):
            grouping = there.assignment(level)
            yield Stored(level, "level", grouping.items, _loose(grouping.labels), tree.level(place))
    if at.view.partitions is not None:
        items, labels = at.view.partitions.labels()
        yield Stored("partitions", "partitions", items, labels, partitions_again(len(np.unique(labels))))
    for row in at.snapshot.groupings.rows(at.view.space.id):
        member = at.snapshot.groupings.membership(row.id)
        yield Stored(row.name, "by name", member.items, _loose(member.labels[:, 0]), named_again(row, at.view.space))


def _loose(labels: Ids) -> Ids:
    """With -1 where one is in no cluster."""
    return np.where(labels > 0, labels, -1)


# ---- what is judged


def planned(snapshot: Snapshot, how: Wanted) -> Plan:
    """Which spaces, items and labels. Raises BadQuery, SpaceNotFound, UsageError."""
    spaces = _spaces(snapshot, how)
    items = np.array([one.item for one in snapshot.changes(0, spaces[0].id)], np.int64)
    for space in spaces[1:]:
        others = np.array([one.item for one in snapshot.changes(0, space.id)], np.int64)
        items = np.intersect1d(items, others, assume_unique=True)
    if len(items) < 2:
        raise UsageError(f"items in {_names(spaces)}: {len(items)}; two or more can be judged")
    chosen = items[some(len(items), RANKED, how.random_state)]
    truth = _truth(snapshot, how.labels, chosen) if how.labels is not None else np.full(len(chosen), -1)
    if how.k is not None and how.k > min(len(chosen), how.sample):
        raise BadQuery(f"k is {how.k}; only {min(len(chosen), how.sample)} items are clustered")
    return Plan(how, spaces, chosen, truth, len(items), snapshot.number)


def _spaces(snapshot: Snapshot, how: Wanted) -> tuple[Space, ...]:
    there = snapshot.spaces()
    if not there:
        raise UsageError("the collection is empty; add pictures or vectors first")
    if how.spaces is None:
        return tuple(one for one in there if one.current)
    wanted = dict.fromkeys([how.spaces] if isinstance(how.spaces, str) else how.spaces)
    if not wanted:
        raise BadQuery("spaces names none; leave it out for the current one")
    return tuple(find_space(there, one) for one in wanted)


def _names(spaces: Sequence[Space]) -> str:
    return " and ".join(f"the space {one.name!r}" for one in spaces)


def _truth(snapshot: Snapshot, key: str, items: Ids) -> Ids:
    """The number of each item's label. Raises BadQuery."""
    values = snapshot.values(key)
    found = [values.get(one) for one in items.tolist()]
    known = {_typed(one) for one in found if one is not None}
    number = {one: place for place, one in enumerate(sorted(known, key=repr))}
    if not number:
        some_keys = ", ".join(snapshot.keys(10)) or "none"
        raise BadQuery(f"no item has the metadata key {key!r} with a text or number; the keys are: {some_keys}")
    if len(number) == 1:
        only = next(one for one in found if one is not None)
        raise BadQuery(f"all items that have {key!r} have the same value, {only!r}; labels have two or more")
    truth = np.array([-1 if one is None else number[_typed(one)] for one in found])
    if np.bincount(truth[truth >= 0]).max() == 1:
        raise BadQuery(f"no two items have the same value of {key!r}; labels say what belongs together")
    return truth


def _typed(value: Any) -> tuple[bool, bool, Any]:
    """Types don't coerce: 1, "1" and true are three labels."""
    return isinstance(value, str), isinstance(value, bool), value


def gathered(at: At, plan: Plan) -> Gathered:
    """What is judged of the space, all at its moment."""
    flat = at.view.flat.index
    here = flat.has(plan.items)
    items = plan.items[here]
    return Gathered(at.view.space, items, plan.truth[here], flat.take(items), tuple(stored(at)))


# ---- judging


@dataclass
class Steps:
    """How far it is, as is told to who watches."""

    total: int
    tell: Callable[[int, int, str], object]
    done: int = 0

    def say(self, what: str) -> None:
        self.tell(self.done, self.total, what)

    def step(self, what: str) -> None:
        self.done += 1
        self.say(what)


@dataclass
class Bench:
    """The rows of one space that are clustered, and everything that clusterings of them are compared with."""

    space: Space
    rows: Vectors
    truth: Ids
    draws: list[Ids]
    random_state: int
    k: int | None = None
    known: Ids = field(init=False)

    def __post_init__(self) -> None:
        self.known = np.flatnonzero(self.truth >= 0)

    def figures(self, labels: Ids) -> Json:
        """What there is to say of the labels of all rows."""
        metric, known = self.space.metric, self.known
        found: Json = {"clusters": len(np.unique(labels[labels >= 0])), "loose": float((labels < 0).mean())}
        if len(known):
            found |= judging.agreement(self.truth[known], labels[known])._asdict()
        found["silhouette"] = judging.silhouette(self.rows, labels, metric, random_state=self.random_state)
        found["davies_bouldin"] = judging.davies_bouldin(self.rows, labels)
        few = found["silhouette"] is None
        return found | {"notes": ("silhouette and Davies-Bouldin need two clusters or more",) if few else ()}

    def steady(self, labels: Ids, again: Sequence[Ids]) -> Json:
        """How much the labels of the draws are those of the same rows among all."""
        alike = [judging.alike(labels[draw], found) for draw, found in zip(self.draws, again, strict=False)]
        if not alike:
            return {}
        ari, ami = np.mean(alike, axis=0).tolist()
        return {"stability": ari, "stability_ami": ami}


def evaluated(
    plan: Plan, gather: Callable[[str], Gathered | None], tell: Callable[[int, int, str], object]
) -> Evaluation:
    """All of it, space by space."""
    started, how = time.perf_counter(), plan.how
    steps = Steps(len(plan.spaces) * (2 + len(how.methods) * (1 + how.draws)), tell)
    spaces: list[JudgedSpace] = []
    clusterings: list[JudgedClustering] = []
    labelled = classes = 0
    for space in plan.spaces:
        steps.say(f"{space.name}: reading")
        found = gather(space.name)
        if found is None or len(found.items) < 2:
            raise UsageError(f"the space {space.name!r} has lost its items meanwhile; try again")
        bench = _bench(found, plan)
        labelled, classes = len(bench.known), len(np.unique(bench.truth[bench.known]))
        steps.say(f"{space.name}: retrieval")
        spaces.append(_ranked(found, how.random_state))
        clusterings += _judged(found, bench, how, steps)
    judged = min(len(plan.items), how.sample)
    about = (how.labels, classes, plan.total, judged, labelled, how.draws, how.random_state, tuple(_notes(plan)))
    return Evaluation(tuple(spaces), tuple(clusterings), *about, plan.as_of, time.perf_counter() - started)


def _bench(found: Gathered, plan: Plan) -> Bench:
    how = plan.how
    chosen = some(len(found.items), how.sample, how.random_state)
    draws = judging.draws(len(chosen), how.draws, how.random_state)
    bench = Bench(found.space, found.rows[chosen], found.truth[chosen], draws, how.random_state)
    medium = next((one.labels for one in found.stored if one.name == "medium"), np.empty(0, np.int64))
    bench.k = how.k or len(np.unique(bench.truth[bench.known])) or len(np.unique(medium[medium >= 0])) or None
    return bench


def _ranked(found: Gathered, random_state: int) -> JudgedSpace:
    space, known = found.space, found.truth >= 0
    about = JudgedSpace(space.name, space.embedder, space.dimension, space.metric)
    started = time.perf_counter()
    ranking = None
    if known.any():
        ranking = judging.ranking(found.rows[known], found.truth[known], space.metric, random_state=random_state)
    if ranking is None:
        return about
    return JudgedSpace(**asdict(about) | ranking._asdict() | {"seconds": time.perf_counter() - started})


def _judged(found: Gathered, bench: Bench, how: Wanted, steps: Steps) -> Iterator[JudgedClustering]:
    items = found.items[some(len(found.items), how.sample, how.random_state)]
    steps.step(f"{found.space.name}: what is stored")
    for one in found.stored:
        steps.say(f"{found.space.name}: {one.name}")
        yield _kept(one, items, bench)
    steps.step(f"{found.space.name}: methods")
    for method in how.methods:
        yield _tried(method, bench, steps)


def _kept(one: Stored, items: Ids, bench: Bench) -> JudgedClustering:
    """A stored clustering, of the items that are judged."""
    place = np.minimum(np.searchsorted(one.items, items), len(one.items) - 1)
    labels = np.where(one.items[place] == items, one.labels[place], -1)
    found = bench.figures(labels)
    again = one.again if len(items) == len(one.items) else "only some of its items are judged, and it is made of all"
    if not isinstance(again, str):
        found |= bench.steady(labels, [again(bench.rows[draw]) for draw in bench.draws])
    elif bench.draws:
        found["notes"] += (f"no stability: {again}",)
    return JudgedClustering(bench.space.name, one.name, one.kind, **found)


def _tried(method: Method, bench: Bench, steps: Steps) -> JudgedClustering:
    """A method's clustering; or why there is none."""
    name, last = f"{bench.space.name}: {method.title}", steps.done + 1 + len(bench.draws)
    usual = {"random_state": bench.random_state} | ({} if bench.k is None else {"n_clusters": bench.k})
    about: Json = {"space": bench.space.name, "name": method.title, "kind": "method", "method": method.name}
    steps.say(name)
    try:
        trial = trials.tried(method.name, method.parameters, usual, bench.rows, bench.draws, lambda: steps.step(name))
    except trials.TrialFailed as failed:
        return JudgedClustering(**about, parameters=method.parameters, error=str(failed))
    finally:
        steps.done = last
    found = bench.figures(trial.labels) | bench.steady(trial.labels, trial.again)
    found["notes"] += (f"stability of {len(trial.again)} draws: {trial.unstable}",) if trial.unstable else ()
    cost = {key: getattr(trial, key) for key in ("parameters", "seconds", "cpu_seconds", "memory")}
    return JudgedClustering(**about, **cost, **found)


def _notes(plan: Plan) -> Iterator[str]:
    """What was sampled and left out."""
    how, count = plan.how, len(plan.items)
    if count < plan.total:
        yield f"retrieval ranks {count:,} of the {plan.total:,} items, drawn at random"
    if how.sample < plan.total:
        yield f"{min(how.sample, count):,} of the {plan.total:,} items, drawn at random, are clustered and judged"
    if min(how.sample, count) > judging.JUDGED:
        yield f"silhouettes are those of {judging.JUDGED:,} items drawn at random, each beside all"
    without = int(np.count_nonzero(plan.truth < 0))
    if how.labels is not None and count - without > judging.ASKED:
        yield f"retrieval asks for {judging.ASKED:,} items, drawn at random"
    if how.labels is not None and without:
        yield f"{without:,} items have no text or number under {how.labels!r}, and no part in figures with labels"
