"""Work that many processes share, on a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, cast

from indexers.types import Json
from retrieval.client.jobs import JobMethods, WatchJob, ignore_job
from retrieval.records.codec import from_json
from retrieval.records.work import QueueReport, WorkReport

Paths = str | PathLike[str] | Sequence[Any]


class WorkMethods(JobMethods):
    """The methods about work."""

    def queue(
        self,
        paths: Paths | None = None,
        *,
        kinds: str | Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        retry_failed: bool = False,
        progress: WatchJob = ignore_job,
    ) -> QueueReport:
        """Queue files and folders of the server's that it allows, or work with the items that there are, for any number
        of workers. See Collection.queue."""
        body: Json = {"paths": None if paths is None else list_paths(paths), "kinds": list_kinds(kinds)}
        body |= {"metadata": metadata, "retry_failed": retry_failed}
        return cast(QueueReport, from_json(QueueReport, self._run("/v1/jobs/queue", body, progress)))

    def work(
        self,
        *,
        kinds: str | Sequence[str] | None = None,
        retry_failed: bool = False,
        progress: WatchJob = ignore_job,
    ) -> WorkReport:
        """Let the server do the work that waits, beside other workers, and wait for it. See Collection.work."""
        body = {"kinds": list_kinds(kinds), "retry_failed": retry_failed}
        return cast(WorkReport, from_json(WorkReport, self._run("/v1/jobs/work", body, progress)))


def list_paths(paths: Paths) -> list[str]:
    """Return one path, or several, as texts."""
    several = [paths] if isinstance(paths, str | PathLike) else paths
    return [str(path) for path in several]


def list_kinds(kinds: str | Sequence[str] | None) -> list[str] | None:
    """Return one kind of work, or several, as texts; None for none."""
    return [kinds] if isinstance(kinds, str) else None if kinds is None else list(kinds)
