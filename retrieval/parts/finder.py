"""Looking for parts in the pictures of a collection, and embedding them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np
from PIL.Image import Image

from indexers.arrays import split_chunks, take_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.parts import Finding, PartRow
from indexers.embedders.base import Embedder
from indexers.errors import BadQuery, MissingPackage, PictureError, UnreadablePicture, UsageError
from indexers.finders.base import Finder, FoundPart, load_finder, scale_box
from indexers.finders.masks import decode_mask
from indexers.finders.stills import StillFinder
from indexers.pictures.images import shrink
from indexers.types import Failure, Vectors
from retrieval.checks import show_value
from retrieval.items.pictures import PictureLoader
from retrieval.records.parts import FindReport, Part
from retrieval.spaces.spaces import Spaces

BATCH = 16
"""Pictures in one transaction: what was found before an interrupt stays."""
SPARE = 2
"""A cut is kept at so many times the edge of the embedder's input, at least."""
ReportProgress = Callable[[int, int], object]
"""Called with the number of pictures that were looked at, and of those to look at."""


class PartFinder:
    """Looks for parts. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, pictures: PictureLoader, cores: int) -> None:
        self._catalogue, self._spaces, self._pictures, self._cores = catalogue, spaces, pictures, cores

    def read(self, item_id: int, kind: str | None = None) -> tuple[Part, ...]:
        """Return the parts of an item."""
        with self._catalogue.snapshot() as snapshot:
            return tuple(to_record(row) for row in snapshot.parts.of_items([item_id], kind))

    def find_holders(self, part_ids: Sequence[int]) -> dict[int, int]:
        """Return the item of each part, of those that exist."""
        with self._catalogue.snapshot() as snapshot:
            parts, items = snapshot.parts.find_owners(part_ids)
        return dict(zip(parts.tolist(), items.tolist(), strict=True))

    def find(
        self, names: Sequence[str], retry_failed: bool = False, progress: ReportProgress | None = None
    ) -> FindReport:
        """Look for parts by these finders in the pictures that they have not looked at as they are now.

        Each picture is decoded once for all. Raises MissingPackage, UnknownPlugin, BadSetting, BadQuery, WriterBusy.
        """
        started = time.perf_counter()
        finders = load_finders(names)
        view = self._spaces.current
        if view is None:
            raise UsageError("the collection is empty; add pictures first: nearkin add FOLDER")
        embedder = self._spaces.embedder(view.space)
        with self._catalogue.transaction() as transaction:
            space_ids = [transaction.add_part_space(view.space, finder.kind).id for finder in finders]
        self._embed_again(finders, space_ids, embedder)
        with self._catalogue.snapshot() as snapshot:
            wanted: dict[tuple[int, bytes], list[int]] = {}
            for number, finder in enumerate(finders):
                known = snapshot.parts.unfound(
                    finder.kind, finder.name, finder.version, retry_failed=retry_failed, formats=finder.reads
                )
                for key in known:
                    wanted.setdefault(key, []).append(number)
        report = self._find_in(sorted(wanted.items()), finders, space_ids, embedder, progress)
        self._spaces.settle()
        with self._catalogue.snapshot() as snapshot:
            uris = {row.id: row.uris for row in snapshot.items([item_id for item_id, _ in report[3]])}
            number = snapshot.number
        failures = tuple(
            Failure((*uris.get(item_id, ()), str(item_id))[0], problem, "parts") for item_id, problem in report[3]
        )
        return FindReport(*report[:3], len(failures), failures, number, time.perf_counter() - started)

    def _find_in(
        self,
        wanted: Sequence[tuple[tuple[int, bytes], list[int]]],
        finders: Sequence[Finder],
        space_ids: Sequence[int],
        embedder: Embedder,
        progress: ReportProgress | None,
    ) -> tuple[int, int, int, list[tuple[int, str]]]:
        """Return the numbers of items, of those with parts, of parts, and the failures, each an item and the reason."""
        done = with_parts = parts = 0
        failed: list[tuple[int, str]] = []
        with ThreadPoolExecutor(self._cores, "nearkin-finder") as pool:
            for chunk in split_chunks(wanted, BATCH):
                found = pool.map(lambda entry: self._look(entry[0], [finders[n] for n in entry[1]], embedder), chunk)
                rows: dict[int, list[Finding]] = {}
                for findings, ((item_id, _), numbers) in zip(found, chunk, strict=True):
                    for number, finding in zip(numbers, findings, strict=True):
                        rows.setdefault(number, []).append(finding)
                    count = sum(len(finding.parts) for finding in findings)
                    with_parts, parts, done = with_parts + bool(count), parts + count, done + 1
                    failed += [(item_id, finding.problem) for finding in findings[:1] if finding.problem is not None]
                    if progress is not None:
                        progress(done, len(wanted))
                with self._catalogue.transaction() as transaction:
                    for number, findings in rows.items():
                        transaction.put_findings(finders[number].kind, findings, space_ids[number])
                self._spaces.settle(False)
        return done - len(failed), with_parts, parts, failed

    def _look(self, item: tuple[int, bytes], finders: Sequence[Finder], embedder: Embedder) -> list[Finding]:
        """Return what each finder finds in the picture of an item, or in its file, with vectors."""
        item_id, content = item
        picture: Image | None = None
        findings = []
        for finder in finders:
            facts = item_id, content, finder.name, finder.version
            try:
                if isinstance(finder, StillFinder):
                    findings.append(Finding(*facts, *self._take_stills(item_id, finder, embedder)))
                    continue
                if picture is None:
                    picture, size = self._load(item_id, finders)
            except PictureError as error:
                findings.append(Finding(*facts, problem=str(error)))
                continue
            found = finder.find(picture)
            vectors = embed_inputs([prepare(finder.cut(picture, part), embedder) for part in found], embedder)
            findings.append(Finding(*facts, tuple(_scale(part, picture.size, size) for part in found), vectors))
        return findings

    def _take_stills(
        self, item_id: int, finder: StillFinder, embedder: Embedder
    ) -> tuple[tuple[FoundPart, ...], Vectors]:
        """Return the pages or frames of a file, with vectors; only a batch of them is held at a time."""
        parts, vectors = list[FoundPart](), [np.empty((0, embedder.dimension), np.float32)]
        with closing(self._pictures.extract(item_id, finder.sample())) as stills:
            for batch in take_chunks(stills, embedder.batch_size):
                parts += [finder.take(still) for still in batch]
                vectors.append(embedder.forward([prepare(still.image, embedder) for still in batch]))
        if not parts:
            raise UnreadablePicture("the file holds no page or frame that can be read")
        return tuple(parts), np.concatenate(vectors)

    def _load(self, item_id: int, finders: Sequence[Finder]) -> tuple[Image, tuple[int, int]]:
        """Return the picture of an item, as large as these finders need it, and its size in full."""
        edges = [finder.edge for finder in finders if not isinstance(finder, StillFinder)] or [0]
        picture = self._pictures.load(item_id, 0 if 0 in edges else max(edges))
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.items([item_id])
        width, height = (rows[0].width, rows[0].height) if rows else (None, None)
        return picture, (width, height) if width and height else picture.size

    def _embed_again(self, finders: Sequence[Finder], space_ids: Sequence[int], embedder: Embedder) -> None:
        """Give parts vectors in the space beside the current one, that were found for another embedder."""
        for finder, space_id in zip(finders, space_ids, strict=True):
            with self._catalogue.snapshot() as snapshot:
                item_ids = snapshot.parts.unembedded(finder.kind, space_id)
            for item_id in item_ids:
                with self._catalogue.snapshot() as snapshot:
                    rows = snapshot.parts.of_items([item_id], finder.kind)
                try:
                    vectors = self._embed_rows(item_id, rows, finder, embedder)
                except PictureError:  # they stay without
                    continue
                with self._catalogue.transaction() as transaction:
                    known = transaction.parts.rows([row.id for row in rows])
                    pairs = zip(rows, vectors, strict=False)
                    transaction.set_vectors(space_id, {row.id: vector for row, vector in pairs if row.id in known})

    def _embed_rows(self, item_id: int, rows: Sequence[PartRow], finder: Finder, embedder: Embedder) -> Vectors:
        """Return the vectors of stored parts of an item."""
        if isinstance(finder, StillFinder):
            return self._take_stills(item_id, finder, embedder)[1]
        picture, size = self._load(item_id, [finder])
        cuts = [finder.cut(picture, to_found(row, size, picture.size)) for row in rows]
        return embed_inputs([prepare(cut, embedder) for cut in cuts], embedder)


def list_finders(names: str | Iterable[str]) -> list[str]:
    """Return one or several finders as a list. Raises BadQuery for what is no name."""
    listed: list[Any] = list(names) if isinstance(names, list | tuple | set | Iterator) else [names]
    for name in listed:
        if not isinstance(name, str):
            raise BadQuery(f'find_parts takes finders by name, such as "subject"; got {show_value(name)}')
    return listed


def load_finders(names: Sequence[str]) -> list[Finder]:
    """Return the finders of these names. Raises MissingPackage, UnknownPlugin, BadSetting, BadQuery."""
    finders = [load_finder(name) for name in names]
    kinds = [finder.kind for finder in finders]
    if not finders or len(set(kinds)) != len(kinds):
        raise BadQuery(f"find_parts takes a finder of each kind, such as 'subject'; got {list(names)!r}")
    for finder in finders:
        if missing := finder.missing():
            raise MissingPackage(missing)
    return finders


def _scale(part: FoundPart, before: tuple[int, int], after: tuple[int, int]) -> FoundPart:
    return part if part.box is None else part._replace(box=scale_box(part.box, before, after))


def to_record(row: PartRow) -> Part:
    """Return the record of a part."""
    return Part(
        row.id,
        row.item_id,
        row.kind,
        row.box,
        row.score,
        row.mask,
        row.page,
        row.start,
        row.end,
        row.text,
        row.finder,
        row.version,
    )


def to_found(row: PartRow, size: tuple[int, int], scaled: tuple[int, int]) -> FoundPart:
    """Return a part as it was found in a picture of the size `scaled`; its box is stored for the size `size`."""
    box = scale_box(row.box, size, scaled) if row.box else None
    mask = decode_mask(row.mask) if row.mask else None
    return FoundPart(box, mask, row.page, row.start, row.end, row.score, row.text)


def prepare(cut: Image, embedder: Embedder) -> Any:
    """Return the embedder's input for a cut."""
    most = SPARE * embedder.input_size
    return embedder.prepare(cut if max(cut.size) <= 2 * most else shrink(cut, most))


def embed_inputs(inputs: Sequence[Any], embedder: Embedder) -> Vectors:
    """Return the vectors of prepared cuts, float32 (n, dimension)."""
    vectors = [embedder.forward(batch) for batch in split_chunks(inputs, embedder.batch_size)]
    return np.concatenate([np.empty((0, embedder.dimension), np.float32), *vectors])
