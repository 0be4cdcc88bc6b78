"""What jobs do: one call into the library each, with its progress told."""

from __future__ import annotations

from pathlib import Path

from indexers.types import Json
from retrieval import Collection, Progress
from retrieval.server.job_queue import Doer, Watch


def doers(collection: Collection) -> dict[str, Doer]:
    """By kind of job."""

    def add(asked: Json, watch: Watch) -> Json:
        call = collection.sync if asked["sync"] else collection.add
        paths = [Path(path) for path in asked["paths"]]

        def progress(state: Progress) -> None:
            watch(state.done, state.total, f"{state.added} added, {state.known} known, {state.failed} failed")

        return _short(call(paths, metadata=asked["metadata"], progress=progress).to_dict())

    def cluster(asked: Json, watch: Watch) -> Json:
        return collection.make_clustering(**asked, progress=watch).to_dict()

    def refresh(asked: Json, watch: Watch) -> Json:
        return collection.refresh_clustering(asked["name"], progress=watch).to_dict()

    def duplicates(asked: Json, watch: Watch) -> Json:
        change = collection.change()
        found = collection.duplicates(progress=lambda done, total: watch(done, total, "pictures compared"))
        return {"groups": len(found), "change": change}

    return {"add": add, "cluster": cluster, "refresh": refresh, "duplicates": duplicates}


def _short(report: Json) -> Json:
    """Without the ids of thousands of items."""
    return {**report, "items": len(report["items"]) if "items" in report else None}
