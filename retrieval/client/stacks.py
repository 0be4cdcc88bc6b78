"""Stacks on a server."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from indexers.types import Json
from retrieval.checks import ItemName
from retrieval.client.http import ServedPictures, to_records
from retrieval.client.trash import TrashMethods
from retrieval.records.stacks import Stack


class StackMethods(TrashMethods):
    """The methods about stacks."""

    def stacks(self, kind: str | None = None, *, compare: bool = True) -> tuple[Stack, ...]:
        """Return pictures that belong together and are no copies. See Collection.stacks."""
        stacks: list[Json] = []
        cursor: int | None = 0
        while cursor is not None:
            page = self._get("/v1/stacks", kind=kind, compare=compare, cursor=cursor, limit=1000)
            stacks, cursor = [*stacks, *page["stacks"]], page["cursor"]
        pictures = ServedPictures(self._get_bytes)
        return tuple(replace(stack, _pictures=pictures) for stack in to_records(Stack, stacks))

    def choose_cover(self, stack: Stack, cover: ItemName) -> int:
        """Make an item the cover of its stack. Return the decision's id, for `undo`."""
        body = {"kind": stack.kind, "items": list(stack.items), "cover": self._find_id(cover)}
        return cast(int, self._post("/v1/stacks/cover", body)["decision"])
