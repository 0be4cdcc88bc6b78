"""Followers that keep their state in a checked file, and the two of vectors: the flat vector file and the index."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np

from indexers import signing
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import StoredFileDamaged, StoredFileForeign
from indexers.followers import stored_file
from indexers.followers.base import CommonReason, Follower
from indexers.types import Change, Json, Rebuild, Space
from indexers.vectors.base import VectorIndex
from indexers.vectors.exact import Exact

BLOCK = 4096
"""Vectors read at a time: 8 MB of 512 dimensions."""
PATIENCE = 10.0
"""Seconds to wait for another process of the user that stores the same."""

Member = TypeVar("Member", bound=VectorIndex)


class StoredFollower(Follower):
    """A follower whose state lies in a checked file, in a folder of its own.

    kind: what the file holds. details: the settings that the stored file must have been made with. private: the folder
    for this user alone, in which the state is stored while the file in `folder` is somebody else's, or `folder` can't
    be written to; None: there is none; the same: `folder` is this user's alone.
    """

    stored: ClassVar[bool] = True

    def __init__(
        self, space: Space, kind: str, folder: Path, collection: str, details: Json, private: Path | None = None
    ) -> None:
        self.space = space
        self._kind, self._folder, self._collection, self._details = kind, folder, collection, details
        self._private = private

    @abstractmethod
    def write(self, path: Path) -> None:
        """Write the state to a file."""

    @abstractmethod
    def read(self, path: Path) -> None:
        """Load what `write` wrote; every byte of it has been checked."""

    @property
    def _used_folder(self) -> Path:
        return self._private if self.is_private and self._private else self._folder

    def load(self, snapshot: Snapshot) -> str | None:
        is_shared = self._private != self._folder
        self.is_private = not is_shared
        generation = snapshot.follower(self.name, self.space.id)[1] if is_shared else 0
        reason, is_foreign = self._try_load(self._folder, generation, snapshot)
        if is_shared and self._private and reason != "" and (is_foreign or not can_write(self._folder)):
            self.is_private = True
            if self._try_load(self._private, 0, snapshot)[0] == "":
                return None
        return reason or None

    def _try_load(self, folder: Path, generation: int, snapshot: Snapshot) -> tuple[str | None, bool]:
        """Load the state; return "" if it is loaded, None if nothing was stored, or why it can't be used; and whether
        that is because another user has signed it."""
        self.reset()
        try:
            header = self._read_checked(folder, generation, snapshot)
            self.position, self.generation = header.position, header.generation
            return "", False
        except FileNotFoundError:
            reason, is_signed = "has lost its file" if generation else None, False
        except StoredFileForeign as error:
            reason, is_signed = _explain_foreign(error, folder.parents[2]), error.signed
        except StoredFileDamaged as error:
            reason, is_signed = f"can't be used: {error}", False
        self.reset()
        return reason, is_signed

    def _read_checked(self, folder: Path, generation: int, snapshot: Snapshot) -> stored_file.Header:
        """Check the file, then load it. If a writer replaces it between the two, do both again."""
        while True:
            header, payload = stored_file.verify(folder)
            if header.kind != self._kind:
                raise StoredFileDamaged(f"it was made by {header.kind!r}, and {self._kind!r} serves here")
            stored_file.expect(
                header, kind=self._kind, collection=self._collection, space=self.space.id, details=self._details
            )
            self._expect_history(header, generation, snapshot)
            try:
                self.read(payload)
                return header
            except (FileNotFoundError, RuntimeError) as error:  # RuntimeError: hnswlib's, of a file that it can't open
                if stored_file.read_header(folder) == header:
                    raise StoredFileDamaged(f"{payload} can't be loaded: {error}") from error

    def find_damage(self) -> str | None:
        try:
            stored_file.verify(self._used_folder)
        except FileNotFoundError:
            return "is missing" if self.generation else None
        except StoredFileForeign:  # not believed, and so not in use: what is in memory was derived
            return None
        except StoredFileDamaged as error:
            return f"can't be used: {error}"
        return None

    def _expect_history(self, header: stored_file.Header, generation: int, snapshot: Snapshot) -> None:
        """Raise StoredFileDamaged unless the file belongs to this catalogue's own past.

        It may be one generation ahead, since the file is written first.
        """
        if 0 < header.position < snapshot.oldest:
            raise StoredFileDamaged(
                f"it is at change {header.position}, and changes before {snapshot.oldest} are no longer kept"
            )
        if header.generation < generation:
            raise StoredFileDamaged(f"it is an older copy (generation {header.generation}, the newest is {generation})")
        if header.position > snapshot.number or header.stamp != snapshot.change_time(header.position):
            raise StoredFileDamaged(
                f"it belongs to another history (its change {header.position} is not the catalogue's)"
            )

    def save(self, snapshot: Snapshot) -> int:
        if not self.is_private:
            return self._save(snapshot)
        self._used_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._private != self._folder:
            signing.delete_unused(self._used_folder.parents[1])
        with WriterLock(self._used_folder.parent, PATIENCE).hold():  # the user's other processes
            return self._save(snapshot)

    def _save(self, snapshot: Snapshot) -> int:
        # Above every earlier one, also if the file belongs to another history and is newer than the catalogue knows.
        known = 0 if self.is_private else snapshot.follower(self.name, self.space.id)[1]
        generation = max(self.generation, known, self._read_generation()) + 1
        if generation >= stored_file.MAX_NUMBER:  # which somebody has forged
            generation = 1
        header = stored_file.Header(
            kind=self._kind,
            collection=self._collection,
            space=self.space.id,
            generation=generation,
            position=self.position,
            stamp=snapshot.change_time(self.position),
            details=self._details,
        )
        stored_file.write(self._used_folder, header, self.write)
        self.generation = generation
        return generation

    def _read_generation(self) -> int:
        """Return the generation of the file on disk; 0 if there is none or it is damaged."""
        try:
            return stored_file.read_header(self._used_folder).generation
        except (FileNotFoundError, StoredFileDamaged):
            return 0

    def find_stored_position(self, snapshot: Snapshot) -> int:
        if not self.is_private:
            return super().find_stored_position(snapshot)
        try:
            return stored_file.read_header(self._used_folder).position
        except (FileNotFoundError, StoredFileDamaged):
            return 0


def _explain_foreign(error: StoredFileForeign, collection: Path) -> CommonReason:
    if error.signed:
        return CommonReason(
            f"the files derived from {collection} were made by another user or on another machine, and a forged file "
            "could take over this process: they are not loaded, and their content is derived again from the catalogue, "
            f"for you alone. If you trust whoever made them: nearkin trust {collection}"
        )
    return CommonReason(
        f"the files derived from {collection} have no signature, because an older version of nearkin or somebody else "
        "wrote them: they are derived again from the catalogue, once"
    )


def can_write(folder: Path) -> bool:
    """Return True if files can be written in a folder, which is created when they are."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


class VectorFollower(StoredFollower, Generic[Member]):
    """A follower that carries set and removed vectors into a vector index.

    make_index: returns an empty index. build: the settings that the stored file must have been built with.
    """

    on_read: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        make_index: Callable[[], Member],
        kind: str,
        folder: Path,
        collection: str,
        build: Json | None = None,
        private: Path | None = None,
    ) -> None:
        details = {"dimension": space.dimension, "metric": space.metric, **(build or {})}
        super().__init__(space, kind, folder, collection, details, private)
        self._make_index = make_index
        self.index = make_index()

    @property
    def position(self) -> int:
        return self.index.position

    @position.setter
    def position(self, number: int) -> None:
        self.index.position = number

    @property
    def generation(self) -> int:
        return self.index.generation

    @generation.setter
    def generation(self, number: int) -> None:
        self.index.generation = number

    def write(self, path: Path) -> None:
        self.index.save(path)

    def read(self, path: Path) -> None:
        self.index.load(path)

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        removed = [change.item_id for change in changes if change.kind == "vector removed"]
        if removed:
            self.index.remove(np.array(removed, np.int64))
        changed = [change.item_id for change in changes if change.kind == "vector set"]
        for start in range(0, len(changed), BLOCK):
            ids, vectors = snapshot.vectors(self.space.id, changed[start : start + BLOCK])
            if len(ids):
                self.index.add(ids, vectors)
        self.index.flush()

    def plan_rebuild(self) -> Rebuild | None:
        return self.index.plan_rebuild()

    def erase_removed(self) -> None:
        self.index.erase_removed()

    def reset(self) -> None:
        self.index = self._make_index()


class FlatFollower(VectorFollower[Exact]):
    """The flat vector file: every vector, contiguous and memory-mapped. Exact answers come from it."""

    name: ClassVar[str] = "flat"

    def after_save(self) -> None:
        position, generation = self.index.position, self.index.generation
        header, payload = stored_file.verify(self._used_folder)
        if (header.position, header.generation) != (position, generation):
            return  # a reader has meanwhile carried in what another process wrote: the file holds less
        self.index.reload(payload)
        self.index.position, self.index.generation = position, generation


class IndexFollower(VectorFollower[VectorIndex]):
    """The approximate index over the same vectors."""

    name: ClassVar[str] = "index"
