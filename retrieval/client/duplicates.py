"""Duplicates on a server, and decisions about them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import PIL.Image
from PIL.Image import Image

from indexers.matching.verification import SAME
from indexers.types import Json
from retrieval.checks import ItemName, is_whole
from retrieval.client.http import ServedPictures, read_picture, to_records
from retrieval.client.parts import PartMethods
from retrieval.records.duplicates import DuplicateGroup, Match, Merge

Picture = Any
"""A path, a file's bytes, a PIL image, a uint8 array."""


class DuplicateMethods(PartMethods):
    """The methods about duplicates."""

    def duplicates(
        self, threshold: float | None = None, *, rule: str = "kept", prefer: str | None = None, compare: bool = True
    ) -> tuple[DuplicateGroup, ...]:
        """Return groups of pictures that are duplicates of each other. See Collection.duplicates."""
        groups: list[Json] = []
        cursor: int | None = 0
        while cursor is not None:
            params = {"threshold": threshold, "rule": rule, "prefer": prefer, "compare": compare, "cursor": cursor}
            page = self._get("/v1/duplicates", limit=1000, **params)
            groups, cursor = [*groups, *page["groups"]], page["cursor"]
        pictures = ServedPictures(self._get_bytes)
        return tuple(replace(group, _pictures=pictures) for group in to_records(DuplicateGroup, groups))

    def duplicates_of(self, picture: Picture | int, *, threshold: float = SAME) -> tuple[Match, ...]:
        """Return the items that a picture, or an item by its id, is a duplicate of, the surest first. The picture is
        sent along; it is not added. See Collection.duplicates_of."""
        if is_whole(picture):
            answer = self._get(f"/v1/items/{int(picture)}/duplicates", threshold=threshold)
        else:
            files = {"picture": ("picture", read_picture(picture))}
            data = {"threshold": str(threshold)}
            answer = self._request("POST", "/v1/duplicates/of", files=files, data=data)
        return to_records(Match, answer["matches"])

    def overlay(self, a: ItemName, b: ItemName) -> Image:
        """Return two items' pictures side by side, and the second laid over the first with differences in colour, at
        most 1600 pixels wide."""
        params = {"a": self._find_id(a), "b": self._find_id(b)}
        with PIL.Image.open(io.BytesIO(self._get_bytes("/v1/duplicates/overlay", **params))) as image:
            return image.convert("RGB")

    def decide(
        self, group: DuplicateGroup, keep: ItemName, *, merge: bool | Mapping[str, Any] = False
    ) -> tuple[int, ...]:
        """Keep one item of a group, which settles it; with `merge` it takes over what the others say, as `plan_merges`
        lists it. Return the decisions' ids, for `undo`. See Collection.decide."""
        return self._decide("keep", group.items, self._find_id(keep), merge)

    def plan_merges(
        self, groups: Iterable[DuplicateGroup], merge: bool | Mapping[str, Any] = True
    ) -> tuple[Merge, ...]:
        """Return what the item that is kept of each group would take over from the others. See
        Collection.plan_merges."""
        bodies = [{"items": list(group.items), "keep": group.keep} for group in groups]
        answer = self._post("/v1/duplicates/merges", {"groups": bodies, "merge": merge})
        return to_records(Merge, answer["merges"])

    def not_duplicates(self, a: ItemName, b: ItemName) -> int:
        """Note that two items are no duplicates. Return the decision's id, for `undo`."""
        return self._decide("not duplicates", (self._find_id(a), self._find_id(b)))[0]

    def keep_both(self, a: ItemName, b: ItemName) -> int:
        """Keep two items although they are duplicates. Return the decision's id, for `undo`."""
        return self._decide("keep both", (self._find_id(a), self._find_id(b)))[0]

    def _decide(
        self, verdict: str, items: Sequence[int], keep: int | None = None, merge: bool | Mapping[str, Any] = False
    ) -> tuple[int, ...]:
        body = {"what": verdict, "items": list(items), "keep": keep, "merge": merge}
        answer = self._post("/v1/decisions", body)
        return tuple(answer["decisions"])

    def undo(self, decision: int) -> None:
        """Take a decision back."""
        self._request("DELETE", f"/v1/decisions/{int(decision)}")
