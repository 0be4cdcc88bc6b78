"""The follower of compact features: the index that nominates copies, stored beside the indexes of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from indexers.arrays import split_chunks
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import StoredFileDamaged
from indexers.followers.stored import StoredFollower
from indexers.matching.compact import CompactFeatures, unpack_compact
from indexers.matching.nomination import NominationIndex
from indexers.types import Change, Space

CHUNK = 4096
"""Pictures added at a time."""
LEAST_WORTH_SAVING, SHARE_WORTH_SAVING = 500, 50
"""A new file is worth so many changes, and one for so many items: it holds 6 KB of each item, 637 MB of 100,000."""


class NominationFollower(StoredFollower):
    """Carries the compact features of all items into an index. They belong to no space; each space stores its own."""

    name: ClassVar[str] = "nomination"

    def __init__(self, space: Space, folder: Path, collection: str, private: Path | None = None) -> None:
        super().__init__(space, "compact features", folder, collection, {}, private)
        self.reset()

    def reset(self) -> None:
        self.position = 0
        self.index = NominationIndex()

    def write(self, path: Path) -> None:
        self.index.save(path)

    def read(self, path: Path) -> None:
        self.index.load(path)
        self._weigh()

    def read_changes(self, snapshot: Snapshot) -> Sequence[Change]:
        item_ids = snapshot.duplicates.described_contents() if self.position == 0 else None
        changed = list(item_ids) if item_ids is not None else snapshot.changed_item_ids(self.position)
        return [Change(snapshot.number, item_id, self.space.id, "changed") for item_id in changed]

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        item_ids = [change.item_id for change in changes]
        marks = self.index.marks(item_ids) if self.position else {}
        contents = snapshot.duplicates.described_contents(item_ids)
        self.index.remove([item_id for item_id in item_ids if item_id not in contents])
        wanted = {item_id: make_mark(content) for item_id, content in contents.items()}
        changed = sorted(item_id for item_id, mark in wanted.items() if marks.get(item_id) != mark)
        for chunk in split_chunks(changed, CHUNK):
            features = read_compact(snapshot, chunk)
            ids = list(features)
            self.index.add(ids, [wanted[item_id] for item_id in ids], [features[item_id] for item_id in ids])
        self._weigh()

    def _weigh(self) -> None:
        self.changes_worth_saving = max(LEAST_WORTH_SAVING, len(self.index) // SHARE_WORTH_SAVING)


def make_mark(content: bytes) -> int:
    """Return a number that tells one content hash from others."""
    return int.from_bytes(content[:8].ljust(8, b"\0"), "little")


def read_compact(snapshot: Snapshot, item_ids: Sequence[int]) -> dict[int, CompactFeatures]:
    """Return the compact features of those of these items that have sound ones."""
    features: dict[int, CompactFeatures] = {}
    for item_id, data in snapshot.duplicates.features(item_ids, compact=True).items():
        try:
            features[item_id] = unpack_compact(data)
        except StoredFileDamaged:
            continue
    return features
