"""Parts of pictures on a server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from retrieval.checks import ItemName
from retrieval.client.http import to_records
from retrieval.client.jobs import WatchJob, ignore_job
from retrieval.client.stacks import StackMethods
from retrieval.records.codec import from_json
from retrieval.records.parts import FindReport, Part


class PartMethods(StackMethods):
    """The methods about parts."""

    def parts(self, item: ItemName, kind: str | None = None) -> tuple[Part, ...]:
        """Return what was found in the picture of an item. See Collection.parts. Raises ItemNotFound."""
        return to_records(Part, self._get(f"/v1/items/{self._find_id(item)}/parts", kind=kind)["parts"])

    def find_parts(
        self, finders: str | Iterable[str], *, retry_failed: bool = False, progress: WatchJob = ignore_job
    ) -> FindReport:
        """Look for parts in the pictures in which these finders have not looked yet, and wait for it. See
        Collection.find_parts."""
        names = [finders] if isinstance(finders, str) else list(finders)
        report = self._run("/v1/jobs/parts", {"finders": names, "retry_failed": retry_failed}, progress)
        return cast(FindReport, from_json(FindReport, report))
