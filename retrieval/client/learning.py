"""What is learned from labels, on a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from indexers.types import Json
from retrieval.checks import ItemName, list_names
from retrieval.client.http import Where, encode_filter, to_records
from retrieval.client.search import SearchMethods
from retrieval.records.codec import from_json
from retrieval.records.learning import Lesson, Suggestion, Suggestions


class LearningMethods(SearchMethods):
    """The methods about lessons, suggestions and labels."""

    def learn(
        self,
        name: str,
        *,
        method: str = "auto",
        labels: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Lesson:
        """Learn to tell pictures apart by labels, and keep that under a name. See Collection.learn."""
        body: Json = {"name": name, "method": method, "labels": labels, "settings": settings and dict(settings)}
        answer = self._post("/v1/lessons", {key: value for key, value in body.items() if value is not None})
        lesson: Lesson = from_json(Lesson, answer)
        return lesson

    def suggest(
        self,
        name: str,
        k: int = 20,
        *,
        value: str | None = None,
        at_most_wrong: float | None = None,
        where: Where = None,
    ) -> Suggestions:
        """Return what pictures without a label may be, and what would teach most. See Collection.suggest."""
        params = {"lesson": name, "k": k, "value": value, "at_most_wrong": at_most_wrong, "where": encode_filter(where)}
        answer = self._get("/v1/suggestions", **params)
        rows = {part: self._build_suggestions(answer[part]) for part in ("suggestions", "questions")}
        return replace(from_json(Suggestions, answer), **rows)

    def accept(self, name: str, items: ItemName | Iterable[ItemName], *, value: str | None = None) -> int:
        """Say that pictures are what a lesson is about. Return the decision's id, for `undo`. See Collection.accept."""
        return self._label(name, items, value, True)

    def reject(self, name: str, items: ItemName | Iterable[ItemName], *, value: str | None = None) -> int:
        """Say that pictures are not what a lesson is about. Return the decision's id, for `undo`."""
        return self._label(name, items, value, False)

    def doubtful_labels(self, name: str, k: int = 20) -> tuple[Suggestion, ...]:
        """Return pictures whose labels are likely wrong, with what is likelier. See Collection.doubtful_labels."""
        return self._build_suggestions(self._get("/v1/labels/doubtful", lesson=name, k=k)["suggestions"])

    def lessons(self) -> tuple[Lesson, ...]:
        """Return all that is learned, by name, as good as it is now."""
        return to_records(Lesson, self._get("/v1/lessons")["lessons"])

    def _label(self, name: str, items: ItemName | Iterable[ItemName], value: str | None, is_accepted: bool) -> int:
        body: Json = {"lesson": name, "items": list_names(items), "accepted": is_accepted}
        return int(self._post("/v1/labels", body if value is None else body | {"value": value})["decisions"][0])

    def _build_suggestions(self, rows: list[Json]) -> tuple[Suggestion, ...]:
        hits = self._build_hits([row["hit"] for row in rows])
        return tuple(
            Suggestion(hit, row["value"], row["confidence"], row["label"]) for hit, row in zip(hits, rows, strict=True)
        )
