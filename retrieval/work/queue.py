"""Rows of work: put into the catalogue, done by a worker, and told of. The methods are those of `Collection`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import check_metadata
from indexers.catalogue.work import FAILED, RUNNING, WAITING
from indexers.errors import UsageError
from indexers.types import Failure
from retrieval.items.adding import Adder, Roots, Watch, list_roots
from retrieval.items.reading import PictureReader
from retrieval.items.sources import sort_pictures
from retrieval.records.work import QueueReport, WorkInfo, WorkReport
from retrieval.spaces.spaces import Spaces
from retrieval.work.embed import EmbedWork
from retrieval.work.items import ReadWork
from retrieval.work.kinds import WorkKind, choose_kinds
from retrieval.work.worker import Worker


class WorkQueue:
    """The work of a collection."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, adder: Adder, reader: PictureReader) -> None:
        self._catalogue, self._adder = catalogue, adder
        self._embed = EmbedWork(catalogue, spaces)
        kinds: tuple[WorkKind, ...] = (self._embed, ReadWork(catalogue, reader))
        self._kinds = {kind.name: kind for kind in kinds}

    def put(
        self,
        paths: str | PathLike[str] | Iterable[str | PathLike[str]] | None,
        *,
        kinds: Any,
        metadata: Mapping[str, Any] | None,
        retry_failed: bool,
        roots: Roots,
    ) -> QueueReport:
        """Queue pictures to add, or work with the items that there are."""
        started = time.perf_counter()
        names = choose_kinds(kinds, self._kinds, [self._embed.name] if paths is not None else [])
        if not names:
            raise UsageError(f"give files, folders or URLs to add, or kinds of work: {', '.join(self._kinds)}")
        if paths is not None and names != [self._embed.name]:
            raise UsageError(f"paths are work of the kind {self._embed.name!r}; queue {', '.join(names)} without them")
        if paths is not None:
            counts = self._put_pictures(paths, metadata, retry_failed, roots)
        else:
            missing = {name: self._kinds[name].list_missing() for name in names}
            for name, targets in missing.items():
                with self._catalogue.work_rows() as rows:
                    rows.put(name, targets)
            counts = (sum(map(len, missing.values())), 0, [])
        queued, known, failures = counts
        return QueueReport(queued, known, len(failures), tuple(failures), time.perf_counter() - started)

    def _put_pictures(
        self, paths: Any, metadata: Mapping[str, Any] | None, retry_failed: bool, roots: Roots
    ) -> tuple[int, int, list[Failure]]:
        folders = list_roots(roots)
        given = sort_pictures(paths, metadata, None, None, folders)
        if given.files is None:
            raise UsageError("files, folders and URLs can be queued; pictures in memory are added by `add`")
        queued, known, failures = 0, 0, list[Failure]()
        parts = self._embed.select_unknown(given.files, check_metadata(metadata or {}), folders, retry_failed)
        for targets, count, failed in parts:
            with self._catalogue.work_rows() as rows:
                rows.put(self._embed.name, targets)
            queued, known = queued + len(targets), known + count
            failures += [Failure(entry.uri, entry.reason, "scan") for entry in failed]
        return queued, known, failures

    def work(
        self, kinds: Any, *, watch: bool, retry_failed: bool, lease: float, batch: int, progress: Watch | None
    ) -> WorkReport:
        """Do the work that waits, until nothing is left."""
        started = time.perf_counter()
        names = choose_kinds(kinds, self._kinds, list(self._kinds))
        chosen = {name: self._kinds[name] for name in names}
        if lease <= 0:
            raise UsageError(f"lease is the seconds after which a silent worker counts as dead; got {lease!r}")
        worker = Worker(self._catalogue, chosen, lease=lease, batch=batch, progress=progress)
        done, failures = worker.run(watch=watch, retry_failed=retry_failed)
        stamp = self._adder.stamp(started)
        return WorkReport(done, len(failures), tuple(failures), stamp["change"], stamp["seconds"])

    def describe(self) -> WorkInfo | None:
        """Return how far the work is; None where there is none and nobody at it."""
        with self._catalogue.work_rows(writing=False) as rows:
            state = rows.read_state()
        if not state.counts and not state.workers:
            return None
        sums = {name: sum(counts.get(name, 0) for counts in state.counts.values()) for name in STATES}
        alive = [worker for worker in state.workers if not worker.is_dead]
        return WorkInfo(
            **sums,
            kinds={kind: {name: counts.get(name, 0) for name in STATES} for kind, counts in state.counts.items()},
            workers=len(alive),
            rate=round(sum(worker.rate for worker in alive), 2),
            dead=tuple(worker.name for worker in state.workers if worker.is_dead),
            failures=tuple(state.failures),
        )


STATES: Sequence[str] = (WAITING, RUNNING, FAILED)
