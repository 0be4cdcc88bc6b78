"""The kinds of job: one call into the library each, with its progress reported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexers.errors import BadQuery
from indexers.plugins import find_member
from indexers.types import Json
from retrieval import Collection, Progress
from retrieval.items.adding import Watch
from retrieval.server.job_queue import JobFunction, ReportProgress

MAX_LISTED = 1000
"""The most failures and problems that a report names; `/v1/failures` has all."""


def build_job_functions(collection: Collection, roots: Sequence[Path] | None = None) -> dict[str, JobFunction]:
    """Return the function of each kind of job: what was asked for and a progress callback -> the report.

    `roots`: the folders that files may be added from, whatever links lie in there. They count when a job runs: an
    earlier server may have accepted it."""

    def add(request: Json, report_progress: ReportProgress) -> Json:
        add_paths = collection.sync if request["sync"] else collection.add
        paths = [Path(path) for path in request["paths"]]
        report = add_paths(paths, metadata=request["metadata"], roots=roots, progress=_describe(report_progress))
        return _shorten(report.to_dict())

    def sync(request: Json, report_progress: ReportProgress) -> Json:
        folders = [Path(path) for path in request["paths"]]
        options = {name: request[name] for name in ("metadata", "retry_failed", "check")}
        report = collection.sync(folders, **options, roots=roots, progress=_describe(report_progress))
        return _cut(report.to_dict(), "failures")

    def retry(_: Json, report_progress: ReportProgress) -> Json:
        return _shorten(collection.retry_failed(roots=roots, progress=_describe(report_progress)).to_dict())

    def fill(request: Json, report_progress: ReportProgress) -> Json:
        check_embedder(request["embedder"])
        return _shorten(collection.fill(request["embedder"], progress=_describe(report_progress)).to_dict())

    def cluster(request: Json, report_progress: ReportProgress) -> Json:
        return collection.make_clustering(**request, progress=report_progress).to_dict()

    def refresh(request: Json, report_progress: ReportProgress) -> Json:
        return collection.refresh_clustering(request["name"], progress=report_progress).to_dict()

    def read(request: Json, report_progress: ReportProgress) -> Json:
        retry_failed = request["retry_failed"]
        report = collection.read(
            retry_failed=retry_failed, progress=lambda done, total: report_progress(done, total, "pictures read")
        )
        return _cut(report.to_dict(), "failures")

    def queue(request: Json, report_progress: ReportProgress) -> Json:
        report_progress(0, None, "looking for what is to be done")
        paths = None if request["paths"] is None else [Path(path) for path in request["paths"]]
        options = {name: request[name] for name in ("kinds", "metadata", "retry_failed")}
        return _cut(collection.queue(paths, **options, roots=roots).to_dict(), "failures")

    def work(request: Json, report_progress: ReportProgress) -> Json:
        return _cut(collection.work(**request, progress=_describe(report_progress)).to_dict(), "failures")

    def parts(request: Json, report_progress: ReportProgress) -> Json:
        report = collection.find_parts(
            request["finders"],
            retry_failed=request["retry_failed"],
            progress=lambda done, total: report_progress(done, total, "pictures looked at for parts"),
        )
        return _cut(report.to_dict(), "failures")

    def recluster(_: Json, report_progress: ReportProgress) -> Json:
        report_progress(0, None, "building the tree of clusters again")
        clusters = collection.recluster()
        return {"clusters": len(clusters), "level": clusters.level, "loose": clusters.loose, "as_of": clusters.as_of}

    def map(request: Json, report_progress: ReportProgress) -> Json:
        drawn = collection.map(rebuild=request["rebuild"], progress=report_progress)
        return {"items": len(drawn.items), "as_of": drawn.as_of, "built": drawn.built}

    def duplicates(request: Json, report_progress: ReportProgress) -> Json:
        change = collection.change()
        groups = collection.duplicates(progress=lambda done, total: report_progress(done, total, "pictures compared"))
        return {"groups": len(groups), "change": change}

    def evaluate(request: Json, report_progress: ReportProgress) -> Json:
        methods = [(method["name"], method["parameters"]) for method in request["methods"]]
        return collection.evaluate(**{**request, "methods": methods}, progress=report_progress).to_dict()

    def verify(request: Json, report_progress: ReportProgress) -> Json:
        report_progress(0, None, "comparing the catalogue with derived files and the disk")
        report = collection.verify(
            repair=request["repair"],
            pictures=request["pictures"],
            progress=lambda done, total: report_progress(done, total, "pictures' files read"),
        )
        return _cut(report.to_dict(), "problems")

    adding = add, sync, retry, fill, read, parts, queue, work
    functions = (*adding, cluster, refresh, recluster, map, duplicates, evaluate, verify)
    return {function.__name__: function for function in functions}


def check_embedder(name: Any) -> None:
    """Raise BadQuery unless this is an embedder that names no file: what a remote caller names is not loaded. Raises
    UnknownPlugin."""
    if not isinstance(name, str) or ":" in name:
        raise BadQuery(
            f"embedder is a plain name, such as clip; got {name!r}; those with an argument are filled on the server: "
            "nearkin add --embedder"
        )
    find_member("nearkin.embedders", name)


def _describe(report_progress: ReportProgress) -> Watch:
    """Return a callback for adding that reports its progress in words."""

    def describe(state: Progress) -> None:
        counts = f"{state.added} added, {state.known} known, {state.failed} failed"
        report_progress(state.done, state.total, counts)

    return describe


def _shorten(report: Json) -> Json:
    """Replace the ids of thousands of items by their number, and leave the last of many failures out."""
    return {**_cut(report, "failures"), "items": len(report["items"]) if "items" in report else None}


def _cut(report: Json, field: str) -> Json:
    """Leave out what a list has beyond its first entries: a report of a million files would be no job's any more."""
    return {**report, field: report[field][:MAX_LISTED]}
