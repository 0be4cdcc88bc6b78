"""The labels of a lesson: what people said, and what metadata, clusters or folders say."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np

from indexers.arrays import split_chunks
from indexers.catalogue.lessons import LessonRow
from indexers.errors import UsageError
from indexers.types import LEVELS, Ids
from retrieval.clusters.browse import Moment
from retrieval.spaces import scope
from retrieval.spaces.view import find_cluster_state

YES, NO = "yes", "no"
FOLDER = "folder"
"""The source of labels that is the folder of each picture's file."""
DRAWN, LEAST_DRAWN = 3, 20
"""Pictures that stand for all others where a lesson about one thing has no "no": so many times as many as there are
with "yes", and at least so many."""


class Labels(NamedTuple):
    """Labelled items (n,), the class of each, what each of some items is not, and what is left out or made up.

    drawn: items without a label that stand for all others, of a lesson about one thing.
    """

    items: Ids
    values: list[str]
    excluded: dict[int, set[str]]
    note: str
    drawn: Ids

    @property
    def counts(self) -> dict[str, int]:
        """The number of labels by class."""
        return dict(sorted(Counter(self.values).items()))


def gather_labels(moment: Moment, lesson: LessonRow) -> Labels:
    """Return the labels of a lesson, of items that have a vector. Raises UsageError if nothing can be learned of them.

    What people said counts before anything else.
    """
    said, excluded = _read_said(moment, lesson.name)
    by_item = _read_source(moment, lesson) | said
    present = np.array(sorted(by_item), np.int64)
    items = present[moment.view.flat.index.has(present)]
    values = [by_item[item_id] for item_id in items.tolist()]
    is_about_one = set(values) <= {YES, NO}
    drawn = np.empty(0, np.int64)
    note = ""
    if is_about_one and YES in values and NO not in values:
        drawn = _draw_others(moment.view.flat.index.ids(), items, excluded)
        note = (
            f"no picture was rejected yet: {len(drawn)} pictures drawn at random stand for what {lesson.name!r} is not"
        )
    labels = Labels(items, values, excluded, note, drawn)
    return _check_counts(lesson.name, labels)


def _check_counts(name: str, labels: Labels) -> Labels:
    """Leave out classes of one label. Raises UsageError if fewer than two classes are left."""
    counts = labels.counts
    if not counts:
        raise UsageError(
            f"there are no labels for {name!r}: name a cluster so, accept pictures, or say with labels= where they are"
        )
    single = [value for value, count in counts.items() if count == 1]
    left = len(counts) - len(single) + (len(labels.drawn) > 0)
    if single and left < 2:
        raise UsageError(
            f"the class {single[0]!r} of {name!r} has one label; two or more are needed of each of two classes: accept "
            "more pictures"
        )
    if left < 2:
        raise UsageError(
            f"all {len(labels.items)} labels of {name!r} are {labels.values[0]!r}; reject a picture, or accept some as "
            "something else"
        )
    if not single:
        return labels
    kept = [place for place, value in enumerate(labels.values) if value not in single]
    others = f" and {len(single) - 1} others" if len(single) > 1 else ""
    note = f"the class {single[0]!r}{others} has one label and is left out"
    values = [labels.values[place] for place in kept]
    return labels._replace(items=labels.items[kept], values=values, note="; ".join(filter(None, (labels.note, note))))


def _draw_others(ids: Ids, labelled: Ids, excluded: dict[int, set[str]]) -> Ids:
    others = np.setdiff1d(ids, np.union1d(labelled, np.array(sorted(excluded), np.int64)))
    count = max(LEAST_DRAWN, DRAWN * len(labelled))
    return np.sort(np.random.default_rng(0).permutation(others)[:count])


def _read_said(moment: Moment, name: str) -> tuple[dict[int, str], dict[int, set[str]]]:
    """Return what people said items are, and what they are not."""
    said: dict[int, str] = {}
    excluded: dict[int, set[str]] = {}
    for row in moment.snapshot.lessons.labels(name):
        if row.is_accepted:
            said[row.item_id] = row.value
        elif row.value == YES:
            said[row.item_id] = NO
        else:
            excluded.setdefault(row.item_id, set()).add(row.value)
    return said, excluded


def _read_source(moment: Moment, lesson: LessonRow) -> dict[int, str]:
    if lesson.source is None:
        return _read_named_clusters(moment, lesson.name)
    if lesson.source == FOLDER:
        return _read_folders(moment)
    if lesson.source in LEVELS or moment.snapshot.clusterings.find(lesson.source):
        return _read_level(moment, lesson.source)
    return _read_metadata(moment, lesson.source)


def _read_named_clusters(moment: Moment, name: str) -> dict[int, str]:
    """Return "yes" for the items of clusters that a person called so, and "no" for those of others with such names."""
    rows = moment.snapshot.clusters.rows(moment.snapshot.clusters.find_named(name))
    ids = [row.id for row in rows.values() if row.named_by_person]
    members, _ = scope.select_members(set(ids), moment.view.space.id, moment.snapshot)
    yes = {item_id for items in members for item_id in items.tolist()}
    if not yes:
        return {}
    others = {level: _read_level(moment, level) for level in LEVELS}
    no = {item_id for level in others.values() for item_id, value in level.items() if value != name}
    return dict.fromkeys(no - yes, NO) | dict.fromkeys(yes, YES)


def _read_level(moment: Moment, level: str) -> dict[int, str]:
    """Return the name of each item's cluster, of those that a person named."""
    state = find_cluster_state(moment.view, moment.snapshot, level)
    if state is None:
        return {}
    assignment = state.assignment(level)
    rows = moment.snapshot.clusters.rows([cluster_id for cluster_id, _ in assignment.clusters])
    return {
        item_id: row.name
        for row in rows.values()
        if row.named_by_person and row.name
        for item_id in assignment.members(row.id).tolist()
    }


def _read_folders(moment: Moment) -> dict[int, str]:
    by_item: dict[int, str] = {}
    for chunk in split_chunks(moment.view.flat.index.ids().tolist()):
        for item_id, row in moment.snapshot.hits(chunk).items():
            parts = unquote(row.uri).replace("\\", "/").rstrip("/").split("/") if row.uri else []
            if len(parts) > 1 and parts[-2]:
                by_item[item_id] = parts[-2]
    return by_item


def _read_metadata(moment: Moment, key: str) -> dict[int, str]:
    """Return the value of a key by item. Raises UsageError for an item that has several, and if none has any."""
    key = key.removeprefix("metadata.")
    by_item = {item_id: _write(value) for item_id, value in moment.snapshot.metadata_values(key).items()}
    if by_item:
        return by_item
    for item_id, attributes in moment.snapshot.attributes(moment.view.flat.index.ids().tolist()).items():
        values = [part for attribute in attributes if attribute[0] == key and attribute[1] for part in attribute[2:]]
        texts = sorted({_write(value) for value in values if value is not None})
        if len(texts) > 1:
            raise UsageError(
                f"item {item_id} has two labels, {texts[0]!r} and {texts[1]!r}: its {key!r} is a list; a picture is of "
                "one class, so learn one of them: name it, and accept pictures of it"
            )
        if texts:
            by_item[item_id] = texts[0]
    return by_item


def _write(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
