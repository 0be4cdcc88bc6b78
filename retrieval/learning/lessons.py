"""The methods of a collection that learn from labels and suggest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

import numpy as np

from indexers import plugins
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.lessons import LabelRow, LessonRow
from indexers.catalogue.metadata import is_text
from indexers.catalogue.snapshot import Snapshot
from indexers.classifiers.choice import GROUP
from indexers.classifiers.confidence import HELD_OUT, find_threshold, measure_calibration_error
from indexers.classifiers.doubt import find_doubtful
from indexers.errors import BadQuery, BadSetting, LessonNotFound, UsageError
from indexers.types import Ids, Json, Vectors
from retrieval.checks import ItemName, is_number, list_names
from retrieval.clusters.browse import Moment
from retrieval.clusters.browser import ClusterBrowser
from retrieval.items.pictures import PictureLoader
from retrieval.learning.labels import YES
from retrieval.learning.questions import choose_questions
from retrieval.learning.teacher import Taught, answer_labels, read_vectors, teach
from retrieval.records.learning import Lesson, Suggestion, Suggestions
from retrieval.search.hits import Ranking, build_hits

AUTO = "auto"
KEPT = 4
"""Lessons that are kept in memory as they were last learned."""


class Lessons:
    """Learns and suggests. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, browser: ClusterBrowser, pictures: PictureLoader) -> None:
        self._catalogue, self._browser, self._pictures = catalogue, browser, pictures
        self._vectors: tuple[tuple[int, int], tuple[Ids, Vectors]] | None = None
        self._taught: dict[str, tuple[Any, Taught]] = {}
        self._lock = Lock()

    def learn(self, name: str, method: str, source: str | None, settings: Mapping[str, Any] | None) -> Lesson:
        """Learn to tell apart what labels say, and keep that under a name."""
        check_name(name)
        if method != AUTO:
            plugins.find_member(GROUP, method)
        elif settings:
            raise BadSetting(f"settings are those of one method; got {dict(settings)!r} with the method {AUTO!r}")
        row = LessonRow(name, method, dict(settings or {}), source or None)

        def job(moment: Moment) -> tuple[Lesson, LessonRow]:
            taught = self._teach(moment, row)
            return describe_lesson(row, taught, moment.snapshot.number), row._replace(chosen=taught.choice.method)

        lesson: Lesson
        lesson, kept = self._read(job)
        with self._catalogue.transaction() as transaction:
            transaction.lessons.put(kept)
        return lesson

    def list_lessons(self) -> tuple[Lesson, ...]:
        """Return all lessons by name, as they are now; of one that can't be learned any more, `note` says why."""
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.lessons.rows()

        def job(moment: Moment) -> tuple[Lesson, ...]:
            lessons = []
            for row in rows:
                try:
                    lessons.append(describe_lesson(row, self._teach(moment, row), moment.snapshot.number))
                except UsageError as error:
                    facts = row.name, row.method, row.chosen or row.method, row.source
                    lessons.append(Lesson(*facts, {}, 0, 0.0, 0.0, 0.0, {}, str(error), moment.snapshot.number))
            return tuple(lessons)

        return self._read(job) if rows else ()

    def label(self, name: str, items: ItemName | Iterable[ItemName], value: str | None, is_accepted: bool) -> int:
        """Enter that items are of a class of a lesson, or are not. Return the decision's id."""
        check_name(name)
        value = YES if value is None else value.strip()
        if not value or not is_text(value):
            raise UsageError("value is a class, a text that is not empty, or None for a lesson about one thing")
        names = list_names(items)
        if not names:
            raise UsageError("items names at least one item; got none")
        with self._catalogue.transaction() as transaction:
            ids = transaction.resolve(names)
            check_labels(name, set(ids), value, is_accepted, transaction.lessons.labels(name))
            contents = transaction.duplicates.content_hashes(ids)
            by_item = {item_id: contents.get(item_id) for item_id in ids}
            return transaction.lessons.add_labels(name, value, by_item, is_accepted)

    def suggest(
        self, name: str, count: int, at_most_wrong: float | None, value: str | None, where: Mapping[str, Any] | None
    ) -> Suggestions:
        """Return what items without a label may be, the surest first, and those whose answer would teach most."""
        if at_most_wrong is not None and not (is_number(at_most_wrong) and 0 < at_most_wrong < 1):
            raise BadQuery(f"at_most_wrong is a share between 0 and 1, such as .02; got {at_most_wrong!r}")

        def job(moment: Moment) -> Suggestions:
            row = find_lesson(moment.snapshot, name)
            taught = self._teach(moment, row)
            allowed = moment.view.allowed(where, moment.snapshot)
            is_free = taught.is_unlabelled
            if allowed is not None:
                is_free &= np.isin(taught.items, allowed.ids)
            return self._rank(moment, row, taught, np.flatnonzero(is_free), count, at_most_wrong, value)

        answer: Suggestions = self._read(job)
        return answer

    def find_doubtful(self, name: str, count: int) -> tuple[Suggestion, ...]:
        """Return labelled items whose labels are likely wrong, the most doubtful first."""

        def job(moment: Moment) -> tuple[Suggestion, ...]:
            row = find_lesson(moment.snapshot, name)
            taught = self._teach(moment, row)
            held_out = answer_labels(taught, row)
            order, likelier = find_doubtful(held_out)
            is_said = order < len(taught.labels.items)  # the others were drawn, and have no label
            order, likelier = order[is_said][:count], likelier[is_said][:count]
            confidence = held_out.probabilities[order, likelier].astype(np.float32)
            ranking = Ranking(taught.labels.items[order], confidence)
            hits = build_hits(moment.view, moment.snapshot, ranking, self._pictures)
            names = [taught.classes[place] for place in likelier.tolist()]
            labels = [taught.labels.values[place] for place in order.tolist()]
            rows = zip(hits, names, confidence.tolist(), labels, strict=True)
            return tuple(Suggestion(hit, value, sure, label) for hit, value, sure, label in rows)

        answer: tuple[Suggestion, ...] = self._read(job)
        return answer

    def _rank(
        self,
        moment: Moment,
        row: LessonRow,
        taught: Taught,
        places: Ids,
        count: int,
        at_most_wrong: float | None,
        value: str | None,
    ) -> Suggestions:
        column = find_column(taught, row.name, value)
        free = taught.probabilities[places]
        best = free.argmax(1) if column is None else np.full(len(places), column)
        confidence = free[np.arange(len(places)), best]
        held_out, threshold = taught.held_out, None
        if at_most_wrong is not None:
            self._check_tested(row.name, taught)
            guess = held_out.probabilities.argmax(1) if column is None else np.full(len(held_out.places), column)
            sure = held_out.probabilities[np.arange(len(guess)), guess]
            found = find_threshold(confidence, sure, guess == held_out.places, at_most_wrong)
            threshold = found if np.isfinite(found) else None
            wanted = confidence >= found
        else:
            wanted = free.argmax(1) == best if column is not None else np.ones(len(places), bool)
        order = np.argsort(-confidence, kind="stable")
        chosen = order[wanted[order]][:count] if at_most_wrong is not None else order[:count]
        asked = choose_questions(taught.vectors[places], free, count)
        rows = self._build(moment, taught, places, best, confidence, np.concatenate([chosen, asked]))
        tested = 0 if len(taught.labels.drawn) else len(held_out.places)
        facts = int(wanted.sum()), at_most_wrong, threshold, tested, moment.snapshot.number
        return Suggestions(row.name, rows[: len(chosen)], rows[len(chosen) :], *facts)

    def _build(
        self, moment: Moment, taught: Taught, places: Ids, best: Ids, confidence: Any, chosen: Ids
    ) -> tuple[Suggestion, ...]:
        ranking = Ranking(taught.items[places[chosen]], confidence[chosen].astype(np.float32))
        hits = build_hits(moment.view, moment.snapshot, ranking, self._pictures)
        values = [taught.classes[place] for place in best[chosen].tolist()]
        return tuple(Suggestion(hit, value, hit.score) for hit, value in zip(hits, values, strict=True))

    def _check_tested(self, name: str, taught: Taught) -> None:
        count = len(taught.labels.items)
        if len(taught.labels.drawn):
            raise UsageError(
                f"nothing can be promised of {name!r}, since no picture was rejected yet; reject some first"
            )
        if count < HELD_OUT:
            raise UsageError(
                f"at_most_wrong is tested on {HELD_OUT} labels or more; {name!r} has {count}: accept or reject "
                f"{HELD_OUT - count} more pictures, drawn at random rather than the surest"
            )

    def _teach(self, moment: Moment, row: LessonRow) -> Taught:
        """Return what a lesson says now; nothing is learned again while nothing has changed."""
        snapshot, space_id = moment.snapshot, moment.view.space.id
        now = space_id, snapshot.number
        state = (*now, snapshot.lessons.version(), snapshot.clusters_version(space_id), row._replace(chosen=None))
        with self._lock:
            known = self._taught.get(row.name)
            if known is None or repr(known[0]) != repr(state):
                if self._vectors is None or self._vectors[0] != now:
                    self._vectors = now, read_vectors(moment)
                known = state, teach(moment, row, *self._vectors[1])
                self._taught.pop(row.name, None)
                self._taught[row.name] = known
                while len(self._taught) > KEPT:
                    del self._taught[next(iter(self._taught))]
        return known[1]

    def _read(self, job: Any) -> Any:
        result = self._browser.read_tree(job, None)
        if result is None:
            raise UsageError("the collection is empty; add pictures or vectors first")
        return result


def check_name(name: str) -> None:
    """Check the name of a lesson. Raises UsageError."""
    if not name.strip() or not is_text(name):
        raise UsageError(f"the name of a lesson is a text that is not empty; got {name!r}")


def check_labels(name: str, items: set[int], value: str, is_accepted: bool, labels: Iterable[LabelRow]) -> None:
    """Check that no item gets two labels. Raises UsageError."""
    for row in labels:
        if row.item_id not in items or not (row.is_accepted or is_accepted):
            continue
        if (row.value == value) == (row.is_accepted == is_accepted):
            continue
        said = row.value if row.is_accepted else f"not {row.value}"
        raise UsageError(
            f"item {row.item_id} has the label {said!r} in {name!r} already, and an item has one; take it back first: "
            f"undo({row.decision})"
        )


def find_lesson(snapshot: Snapshot, name: str) -> LessonRow:
    """Return the row of a lesson; labels without one are learned as they are. Raises LessonNotFound."""
    row = snapshot.lessons.find(name) if is_text(name) else None
    if row is None and is_text(name) and snapshot.lessons.labels(name):
        return LessonRow(name, AUTO, {}, None)
    if row is None:
        names = ", ".join(row.name for row in snapshot.lessons.rows()) or "none"
        raise LessonNotFound(f"nothing is learned under {name!r}; lessons: {names}. `learn` makes one")
    return row


def find_column(taught: Taught, name: str, value: str | None) -> int | None:
    """Return the place of the class that is suggested; None: of each item its own. Raises BadQuery."""
    if value is None:
        return taught.classes.index(YES) if taught.is_about_one else None
    if value not in taught.classes:
        raise BadQuery(f"{name!r} has no class {value!r}; there are: {', '.join(taught.classes)}")
    return taught.classes.index(value)


def describe_lesson(row: LessonRow, taught: Taught, number: int) -> Lesson:
    """Return the record of a lesson."""
    held_out = taught.held_out
    error = measure_calibration_error(held_out.probabilities.max(1), held_out.is_right)
    counts: Json = taught.labels.counts
    facts = held_out.accuracy, held_out.macro_f1, error, dict(taught.choice.tried), taught.labels.note
    return Lesson(
        row.name, row.method, taught.choice.method, row.source, counts, len(taught.labels.items), *facts, number
    )
