"""A collection on a server, with the methods of a local one."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any, cast

from indexers.types import LEVELS
from retrieval.client.duplicates import DuplicateMethods
from retrieval.client.http import NotAllowed, ServerFault, Where, encode_filter, quote_path, to_records
from retrieval.client.jobs import WatchJob, ignore_job
from retrieval.client.learning import LearningMethods
from retrieval.client.maps import MapMethods
from retrieval.client.proposals import ProposalMethods
from retrieval.client.structure import StructureMethods
from retrieval.records.codec import from_json
from retrieval.records.reports import Info, Report, SpaceInfo
from retrieval.transfer.exporting import check_format, frame_rows

__all__ = ["Client", "NotAllowed", "ServerFault"]


class Client(MapMethods, LearningMethods, StructureMethods, ProposalMethods, DuplicateMethods):
    """A collection on a server.

    - `url`: where `nearkin serve` listens
    - `token`: one of the server's tokens, if it needs one
    - `timeout`: seconds for one response
    - further options: those of httpx.Client

    Methods raise what those of a Collection raise, and Unavailable (the server does not respond), NotAllowed and
    ServerFault. May be used from several threads at once. Methods that take long begin a job and wait for it; their
    `progress` is called with the job.
    """

    def info(self) -> Info:
        """Return what the collection holds; `path` is the server's address."""
        answer = self._get("/v1/info")
        del answer["server"]
        return cast(Info, from_json(Info, {**answer, "path": str(self._http.base_url)}))

    def change(self) -> int:
        """Return the newest change number."""
        return cast(int, self._get("/readyz")["change"])

    def spaces(self) -> tuple[SpaceInfo, ...]:
        """Return the spaces, and how full each is."""
        return to_records(SpaceInfo, self._get("/v1/spaces")["spaces"])

    def use(self, space: str, *, partial: bool = False) -> None:
        """Search that space from now on, for everybody. See Collection.use. Raises SpaceNotFound, UsageError."""
        self._post(f"/v1/spaces/{quote_path(space)}/use", {"partial": partial})

    def drop_space(self, space: str) -> None:
        """Remove a space with its vectors and files. Raises SpaceNotFound, UsageError (the current one)."""
        self._request("DELETE", f"/v1/spaces/{quote_path(space)}")

    def export(self, path: str | PathLike[str], *, where: Where = None, vectors: bool = False) -> int:
        """Write items with their clusters to a file on this machine. Return their number. See Collection.export."""
        target = Path(path).expanduser()
        params = {"format": check_format(target, vectors)[1:], "where": encode_filter(where), "vectors": vectors}
        return self._download("/v1/export", target, **params)

    def to_pandas(self, *, where: Where = None) -> Any:
        """Return items as a pandas.DataFrame. See Collection.to_pandas. Raises MissingPackage."""
        lines = self._get_bytes("/v1/export", format="jsonl", where=encode_filter(where)).decode().split("\n")
        rows = [json.loads(line) for line in lines if line]
        return frame_rows(rows, [*LEVELS, *(clustering.name for clustering in self.clusterings())])

    def verify(self, *, repair: bool = False, pictures: bool = False, progress: WatchJob = ignore_job) -> Report:
        """Compare catalogue, derived files and disk, and wait for it. See Collection.verify."""
        body = {"repair": repair, "pictures": pictures}
        return cast(Report, from_json(Report, self._run("/v1/verify", body, progress)))
