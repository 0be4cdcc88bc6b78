"""Pictures to add: read, decoded, embedded and recorded as `add` does it, by whichever process has claimed them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from indexers.arrays import take_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.file_metadata import has_changed
from indexers.catalogue.transaction import REPLACED
from indexers.catalogue.work import WorkRow
from indexers.pictures.images import to_path
from indexers.progress import Progress
from indexers.types import FoundFile, Json, ScanFailure
from retrieval.items.sources import find_files
from retrieval.spaces.spaces import Spaces
from retrieval.work.kinds import Beat, WorkKind

LOOKUP_SIZE = 1000
"""Files whose state is looked up in one query."""


class EmbedWork(WorkKind):
    """Files and addresses whose pictures are to be added. The target is a URI."""

    name = "embed"

    def __init__(self, catalogue: Catalogue, spaces: Spaces) -> None:
        self._catalogue, self._spaces = catalogue, spaces

    def select_unknown(
        self, scanned: Iterable[FoundFile | ScanFailure], metadata: Json, roots: Sequence[Path] | None, retry: bool
    ) -> Iterator[tuple[dict[str, Json], int, list[ScanFailure]]]:
        """Yield for each part of a scan the rows to queue, by URI, the number of files that need no work, and what
        could not be scanned."""
        data: Json = {"metadata": metadata, "retry_failed": retry}
        data |= {"roots": None if roots is None else [str(root) for root in roots]}
        for part in take_chunks(scanned, LOOKUP_SIZE):
            files = [entry for entry in part if isinstance(entry, FoundFile)]
            known = set() if metadata else self._find_known(files)
            rows = {file.uri: data for file in files if file.uri not in known}
            yield rows, len(known), [entry for entry in part if isinstance(entry, ScanFailure)]

    def _find_known(self, files: Sequence[FoundFile]) -> set[str]:
        """Return the URIs of files that are in the collection as they are."""
        with self._catalogue.snapshot() as snapshot:
            locations = snapshot.known_locations([file.uri for file in files], snapshot.current_space_id)
            ids = [item_id for location in locations.values() for item_id in location.item_ids]
            sidecars = snapshot.files.sidecars(ids)

        def is_known(file: FoundFile) -> bool:
            location = locations.get(file.uri)
            if not location or not location.shows(file) or not location.has_vector or location.is_missing:
                return False
            return not any(has_changed(file, sidecars.get(item_id, {})) for item_id in location.item_ids)

        return {file.uri for file in files if is_known(file)}

    def prepare(self) -> None:
        self._spaces.open_for_pictures()

    def perform(self, rows: Sequence[WorkRow], beat: Beat) -> dict[str, str]:
        view, done, failures = self._spaces.open_for_pictures(), 0, dict[str, str]()
        for data, targets in _group_by_data(rows):
            roots = None if data["roots"] is None else [Path(root) for root in data["roots"]]

            def tell(state: Progress, done: int = done) -> None:
                beat(done + state.done)

            run = self._spaces.start_run(
                view,
                retry_failed=data["retry_failed"],
                roots=roots,
                keep_replaced=True,
                progress=tell,
                on_recorded=lambda: None,  # what follows the catalogue follows it where somebody searches
            )
            tally = run.add_files(find_files(targets, roots), data["metadata"])
            reasons = {to_path(failure.uri): failure.reason for failure in tally.failures}
            failures |= {target: reasons[to_path(target)] for target in targets if to_path(target) in reasons}
            done += len(targets)
            beat(done)
        return failures

    def complete(self) -> None:
        """Drop the items that no file shows any more, now that all files are with their new items."""
        with self._catalogue.snapshot() as snapshot:
            replaced = snapshot.setting(REPLACED)
        if replaced:
            with self._catalogue.transaction() as transaction:
                transaction.drop_replaced_items()


def _group_by_data(rows: Sequence[WorkRow]) -> list[tuple[Json, list[str]]]:
    """Return the targets of rows by what is to be known of them."""
    groups: dict[str, tuple[Json, list[str]]] = {}
    for row in rows:
        groups.setdefault(json.dumps(row.data, sort_keys=True), (row.data, []))[1].append(row.target)
    return list(groups.values())
