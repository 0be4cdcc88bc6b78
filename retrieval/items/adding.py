"""Putting pictures, vectors and texts into the catalogue, and keeping folders in step with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from indexers.arrays import split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import check_metadata
from indexers.catalogue.transaction import Transaction
from indexers.embedders.base import Embedder
from indexers.pictures.images import to_path
from indexers.progress import Progress
from indexers.types import Json, StoredArrival
from retrieval.items import sources
from retrieval.items.sources import Picture
from retrieval.records.reports import AddReport, SyncReport, count_outcomes
from retrieval.spaces.spaces import Spaces

Watch = Callable[[Progress], object]
Metadata = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
Roots = Iterable[str | PathLike[str]] | None
"""The folders in which files have to lie once all links are followed; None allows everything."""


class Adder:
    """What puts items into a collection. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces) -> None:
        self._catalogue, self._spaces = catalogue, spaces

    def add(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        metadata: Metadata = None,
        keys: Sequence[str | None] | None = None,
        texts: Sequence[str | None] | None = None,
        retry_failed: bool = False,
        roots: Roots = None,
        catch_up: bool = True,
        progress: Watch | None = None,
    ) -> AddReport:
        """Add files, folders, addresses and pictures in memory."""
        started = time.perf_counter()
        folders = list_roots(roots)
        given = sources.sort_pictures(pictures, metadata, keys, texts, folders)
        view = self._spaces.open_for_pictures()
        options: Json = {"retry_failed": retry_failed, "roots": folders, "progress": progress or ignore_progress}
        run = self._spaces.start_run(view, **options)
        try:
            tally = run.add_files(given.files, given.metadata) if given.files is not None else run.add(given.sources)
        finally:
            self._spaces.settle(catch_up)
        items = tally.item_ids if given.files is None else tally.added
        return AddReport(**count_outcomes(tally), replaced=tally.replaced, items=tuple(items), **self.stamp(started))

    def add_vectors(
        self,
        vectors: ArrayLike | Sequence[ArrayLike | None],
        *,
        keys: Sequence[str | None] | None = None,
        uris: Sequence[str | None] | None = None,
        metadata: Metadata = None,
        texts: Sequence[str | None] | None = None,
        replace: bool = False,
        catch_up: bool = True,
    ) -> AddReport:
        """Add ready-made vectors, in one transaction."""
        started = time.perf_counter()
        rows, has_vector = sources.drop_missing(vectors)
        view = self._spaces.open_for_vectors(rows) if has_vector is None or any(has_vector) else self._spaces.view()
        space = view.space if view else None
        arrivals = sources.build_arrivals(vectors, space, keys, uris, metadata, texts)

        def put(transaction: Transaction) -> list[StoredArrival]:
            space_id, stored = space.id if space else None, list[StoredArrival]()
            for part in split_chunks(arrivals):
                stored += transaction.put(part, space_id, more_follow=True, replace=replace)
            transaction.drop_replaced_items()
            return stored

        outcomes = self._catalogue.write(put)
        self._spaces.settle(catch_up)
        new = sum(outcome.is_new for outcome in outcomes)
        items = tuple(outcome.item_id for outcome in outcomes)
        return AddReport(new, 0, 0, (), replaced=len(outcomes) - new, items=items, **self.stamp(started))

    def add_texts(self, texts: Sequence[str], **options: Any) -> AddReport:
        """Add texts as items of their own, by the vectors that the embedder gives their words. Raises NoTextTower."""
        embedder = self._spaces.find_text_embedder()
        vectors = [row for part in split_chunks(texts, embedder.batch_size) for row in embedder.embed_texts(part)]
        return self.add_vectors(vectors, texts=texts, **options)

    def fill(self, embedder: str | Embedder, progress: Watch | None) -> AddReport:
        """Embed every item that lacks a vector in the space of that embedder, from where its picture lies."""
        started = time.perf_counter()
        view = self._spaces.open_second(embedder)
        run = self._spaces.start_run(view, progress=progress or ignore_progress)
        with self._catalogue.snapshot() as snapshot:
            lacking = snapshot.unembedded_items(view.space.id)
        try:
            tally = run.fill(lacking)
        finally:
            self._spaces.settle(True)
        return AddReport(**count_outcomes(tally), items=tuple(tally.added), **self.stamp(started))

    def sync(
        self,
        folders: Picture | Iterable[Picture],
        *,
        metadata: Mapping[str, Any] | None,
        retry_failed: bool,
        check: bool,
        roots: Roots,
        catch_up: bool,
        progress: Watch | None,
    ) -> SyncReport:
        """Add what is new below folders, and mark the locations that have vanished from them."""
        started = time.perf_counter()
        allowed = list_roots(roots)
        scan = sources.Scan(folders, allowed)
        view = self._spaces.open_for_pictures()
        options: Json = {"retry_failed": retry_failed, "check": check, "roots": allowed, "keep_replaced": True}
        run = self._spaces.start_run(view, **options, progress=progress or ignore_progress)
        try:
            tally = run.add_files(scan, check_metadata(metadata or {}))
            with self._catalogue.transaction() as transaction:
                vanished = scan.find_vanished(transaction.uris_under(scan.prefixes))
                transaction.mark_missing(vanished)
                transaction.drop_replaced_items()  # now that all files are known that show an item no more
        finally:
            self._spaces.settle(catch_up)
        return SyncReport(
            **count_outcomes(tally), missing=len(vanished), returned=tally.returned, **self.stamp(started)
        )

    def retry_failed(self, roots: Roots, progress: Watch | None) -> AddReport:
        """Try every failure again; forget those whose file no longer exists."""
        started = time.perf_counter()
        with self._catalogue.snapshot() as snapshot:
            uris = [failure.uri for failure in snapshot.failures()]
        existing = [uri for uri in uris if sources.is_existing_file(uri)]
        with self._catalogue.transaction() as transaction:
            transaction.clear_failures(sorted(set(uris) - set(existing)))
        paths, folders = [to_path(uri) for uri in existing], list_roots(roots) or []
        bound = {path for path in paths if any(Path(path).is_relative_to(folder.resolve()) for folder in folders)}
        reports = [
            self.add(part, retry_failed=True, roots=roots if part[0] in bound else None, progress=progress)
            for part in ([path for path in paths if path not in bound], [path for path in paths if path in bound])
            if part
        ]
        return _sum_reports(reports, **self.stamp(started))

    def stamp(self, started: float) -> Json:
        """Return the change number of now and the seconds since `started`, for a report."""
        with self._catalogue.snapshot() as snapshot:
            return {"change": snapshot.number, "seconds": time.perf_counter() - started}


def list_roots(roots: Roots) -> list[Path] | None:
    """Return the folders that files have to lie in, as paths; None allows everything."""
    return None if roots is None else [Path(root).expanduser() for root in roots]


def _sum_reports(reports: Sequence[AddReport], **stamp: Any) -> AddReport:
    """Return several reports of adding as one."""
    counts = ("added", "known", "failed", "replaced", "failed_before")
    sums: Json = {name: sum(getattr(report, name) for report in reports) for name in counts}
    failures = tuple(failure for report in reports for failure in report.failures)
    items = tuple(item_id for report in reports for item_id in report.items)
    return AddReport(**sums, failures=failures, items=items, **stamp)


def ignore_progress(_: Progress) -> None:
    """Do nothing with the progress of a run."""
