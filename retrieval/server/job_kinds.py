"""The kinds of job: one call into the library each, with its progress reported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from indexers.types import Json
from retrieval import Collection, Progress
from retrieval.server.job_queue import JobFunction, ReportProgress


def build_job_functions(collection: Collection, roots: Sequence[Path] | None = None) -> dict[str, JobFunction]:
    """Return the function of each kind of job: what was asked for and a progress callback -> the report.

    `roots`: the folders that files may be added from, whatever links lie in there. They count when a job runs: an
    earlier server may have accepted it."""

    def add(request: Json, report_progress: ReportProgress) -> Json:
        add_paths = collection.sync if request["sync"] else collection.add
        paths = [Path(path) for path in request["paths"]]

        def describe(state: Progress) -> None:
            counts = f"{state.added} added, {state.known} known, {state.failed} failed"
            report_progress(state.done, state.total, counts)

        return _shorten(add_paths(paths, metadata=request["metadata"], roots=roots, progress=describe).to_dict())

    def cluster(request: Json, report_progress: ReportProgress) -> Json:
        return collection.make_clustering(**request, progress=report_progress).to_dict()

    def refresh(request: Json, report_progress: ReportProgress) -> Json:
        return collection.refresh_clustering(request["name"], progress=report_progress).to_dict()

    def duplicates(request: Json, report_progress: ReportProgress) -> Json:
        change = collection.change()
        groups = collection.duplicates(progress=lambda done, total: report_progress(done, total, "pictures compared"))
        return {"groups": len(groups), "change": change}

    return {"add": add, "cluster": cluster, "refresh": refresh, "duplicates": duplicates}


def _shorten(report: Json) -> Json:
    """Replace the ids of thousands of items by their number."""
    return {**report, "items": len(report["items"]) if "items" in report else None}
