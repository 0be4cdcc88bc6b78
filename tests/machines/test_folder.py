"""A real folder whose files are renamed, swapped, overwritten, edited, copied, deleted and put back, and a collection
that follows it, beside a model that says which item lies where and what was said of it.

What was said of one picture must never be found on another, but for the one that it was edited into. Short by default;
`SOAK=1 pytest tests/machines/test_folder.py` tries for minutes, and something else each time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from PIL import Image

from indexers.embedders.tiny import Tiny
from indexers.pictures.images import hash_content
from retrieval import Collection
from tests.support import pictures
from tests.support.descriptions import write_sidecar

SOAK = bool(os.environ.get("SOAK"))
NAMES = [f"{letter}.png" for letter in "abcd"]

names = st.sampled_from(NAMES)
numbers = st.integers(0, 11)  # of an existing file
syncs = st.booleans()


def make_picture(number: int) -> bytes:
    colours = np.random.default_rng(number).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return pictures.encoded(Image.fromarray(colours), "PNG")


@dataclass
class Entry:
    """An item: its picture, its key if it has one of its own, where it lies or lay, what was said of it by users, and
    by the sidecars of its files."""

    content: int
    key: str | None = None
    present: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    note: int | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def show(self) -> tuple[object, ...]:
        """Return all that a user sees of it."""
        places = self.present or self.missing
        return self.content, self.key, sorted(places), not self.present, self.note, sorted(set(self.tags.values()))


class FolderMachine(RuleBasedStateMachine):
    """The folder and the collection beside the model.

    disk: the number of the picture under each name. sidecars: the tag that the sidecar of each name states.
    entries: the model's items. used: the number of pictures that there ever were. said: the number of notes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="nearkin-folder-"))
        self.folder = self.root / "pictures"
        self.folder.mkdir()
        self.disk: dict[str, int] = {}
        self.sidecars: dict[str, str] = {}
        self.entries: list[Entry] = []
        self.used = self.said = 0
        self.is_synced = True

    @initialize()
    def open(self) -> None:
        self.collection = Collection.open(self.root / "collection", create=True, embedder=Tiny(), threads=1, wait=5)

    def teardown(self) -> None:
        if hasattr(self, "collection"):
            self.collection.close()
        shutil.rmtree(self.root)

    # ---- what people do to files

    def _write(self, name: str, content: int, sync: bool) -> None:
        (self.folder / name).write_bytes(make_picture(content))
        self.disk[name] = content
        self._change(sync)

    def _find_file(self, number: int) -> str:
        """Return the name of an existing file; empty if there is none."""
        files = sorted(self.disk)
        return files[number % len(files)] if files else ""

    def _change(self, sync: bool) -> None:
        """Note that files have changed, and let the collection follow now or later."""
        self.is_synced = False
        if sync:
            self.sync(False)

    @rule(name=names, sync=syncs)
    def write_new(self, name: str, sync: bool) -> None:
        """A new picture, or an edit of the one that has that name."""
        self.used += 1
        self._write(name, self.used, sync)

    @rule(name=names, back=st.integers(0, 5), sync=syncs)
    def restore(self, name: str, back: int, sync: bool) -> None:
        """A picture that was there before, from a backup."""
        if self.used:
            self._write(name, max(1, self.used - back), sync)

    @rule(source=numbers, goal=names, sync=syncs)
    def copy(self, source: int, goal: str, sync: bool) -> None:
        name = self._find_file(source)
        if name and name != goal:
            shutil.copy2(self.folder / name, self.folder / goal)
            self.disk[goal] = self.disk[name]
            self._change(sync)

    @rule(source=numbers, goal=names, with_sidecar=st.booleans(), sync=syncs)
    def rename(self, source: int, goal: str, with_sidecar: bool, sync: bool) -> None:
        """To a free name, or over another file."""
        name = self._find_file(source)
        if name and name != goal:
            self._rename(name, goal, with_sidecar)
            self._change(sync)

    def _rename(self, name: str, goal: str, with_sidecar: bool) -> None:
        (self.folder / name).rename(self.folder / goal)
        self.disk[goal] = self.disk.pop(name)
        if with_sidecar and name in self.sidecars:
            (self.folder / f"{name}.xmp").rename(self.folder / f"{goal}.xmp")
            self.sidecars[goal] = self.sidecars.pop(name)

    @rule(first=numbers, second=numbers, sync=syncs)
    def swap(self, first: int, second: int, sync: bool) -> None:
        one, two = self._find_file(first), self._find_file(second)
        if one and two and one != two:
            (self.folder / one).rename(self.folder / "between")
            (self.folder / two).rename(self.folder / one)
            (self.folder / "between").rename(self.folder / two)
            self.disk[one], self.disk[two] = self.disk[two], self.disk[one]
            self._change(sync)

    @rule(number=numbers, sync=syncs)
    def delete(self, number: int, sync: bool) -> None:
        name = self._find_file(number)
        if name:
            (self.folder / name).unlink()
            del self.disk[name]
            self._change(sync)

    @rule(sync=syncs)
    def renumber(self, sync: bool) -> None:
        """Close the gaps that deleted files have left, as programs of cameras and phones do."""
        for goal, name in zip(NAMES, sorted(self.disk), strict=False):
            if name != goal:
                self._rename(name, goal, True)
        self._change(sync)

    @rule(name=names, tag=st.sampled_from(["", "sea", "Anna", "boat"]))
    def write_or_delete_sidecar(self, name: str, tag: str) -> None:
        path = self.folder / f"{name}.xmp"
        if tag:
            write_sidecar(path, dc_subject=[tag])
            self.sidecars[name] = tag
        elif self.sidecars.pop(name, None):
            path.unlink()
        self.is_synced = False

    # ---- what is done to the collection

    @rule(check=st.booleans())
    def sync(self, check: bool) -> None:
        report = self.collection.sync(self.folder, check=check)
        assert report.failed == 0, report.failures
        self._follow()
        self.is_synced = True

    @rule(name=names)
    def say(self, name: str) -> None:
        """Say something of the picture that lies there."""
        found = [entry for entry in self.entries if name in entry.present]
        if len(found) == 1 and self.is_synced:
            self.said += 1
            self.collection.update(str(self.folder / name), {"note": self.said})
            found[0].note = self.said

    @rule(name=names, key=st.sampled_from(["K", "L"]))
    def add_with_a_key(self, name: str, key: str) -> None:
        if not self.is_synced or name not in self.disk or any(entry.key == key for entry in self.entries):
            return
        self.said += 1
        self.collection.add([self.folder / name], keys=[key], metadata=[{"note": self.said}])
        entry = Entry(self.disk[name], key, {name}, note=self.said)
        if name in self.sidecars:
            entry.tags[name] = self.sidecars[name]
        self.entries.append(entry)

    @rule(key=st.sampled_from(["K", "L"]))
    def remove_by_key(self, key: str) -> None:
        if any(entry.key == key for entry in self.entries):
            self.collection.remove(key)
            self.entries = [entry for entry in self.entries if entry.key != key]

    @rule()
    def reopen(self) -> None:
        self.collection.close()
        self.open()

    # ---- the model

    def _follow(self) -> None:
        """Bring the model to what lies on disk."""
        known = {entry.content for entry in self.entries if entry.key is None}
        edited: list[tuple[Entry, Entry]] = []
        overwritten: list[tuple[Entry, str]] = []
        for name, content in sorted(self.disk.items()):
            is_new = content not in known  # a second file of new content is a copy of the first
            holders = self._find_holders(name, content)
            known.add(content)
            for entry in self.entries:
                if entry in holders or entry.key is not None or name not in entry.present | entry.missing:
                    continue
                if entry.content != content:
                    if name in entry.present and is_new and holders[0].key is None:
                        edited.append((entry, holders[0]))
                    else:
                        overwritten.append((entry, name))
                    entry.present.discard(name)
                    entry.missing.add(name)
            for entry in holders:
                entry.content = content
                entry.present.add(name)
                entry.missing.discard(name)
        for entry in self.entries:
            vanished = entry.present - self.disk.keys()
            entry.present -= vanished
            entry.missing |= vanished
        self._settle(edited, overwritten)
        for entry in self.entries:
            for name in entry.present:
                entry.tags.pop(name, None)
                if name in self.sidecars:
                    entry.tags[name] = self.sidecars[name]
            if entry.present & entry.tags.keys():
                entry.tags = {name: tag for name, tag in entry.tags.items() if name in entry.present}

    def _find_holders(self, name: str, content: int) -> list[Entry]:
        """Return the items that a file belongs to: those with keys that have it, or that of its content."""
        keyed = [entry for entry in self.entries if entry.key is not None and name in entry.present | entry.missing]
        same = [entry for entry in self.entries if entry.key is None and entry.content == content]
        if keyed:
            return keyed + [entry for entry in same if name in entry.present]
        if not same:
            same = [Entry(content)]
            self.entries += same
        return same

    def _settle(self, edited: list[tuple[Entry, Entry]], overwritten: list[tuple[Entry, str]]) -> None:
        for entry, name in overwritten:
            if entry.present:
                entry.missing.discard(name)
        for old, new in edited:
            if not old.present and old in self.entries:
                new.note = old.note if new.note is None else new.note
                if old.missing <= new.present | new.missing:
                    self.entries.remove(old)
            old.missing -= new.present | new.missing

    @invariant()
    def the_collection_is_as_the_model_says(self) -> None:
        if hasattr(self, "collection"):
            assert sorted(map(repr, self._read())) == sorted(repr(entry.show()) for entry in self.entries)

    def _read(self) -> list[tuple[object, ...]]:
        hashes = {hash_content(make_picture(number)): number for number in range(1, self.used + 1)}
        rows: list[tuple[object, ...]] = []
        for item in self.collection.walk():
            key = item.key if item.key in ("K", "L") else None
            places = sorted(os.path.basename(uri) for uri in item.uris)
            note, tags = item.metadata.get("note"), sorted(item.metadata.get("tags", []))
            assert item.metadata.keys() <= {"note", "tags"}
            rows.append((hashes[bytes.fromhex(item.hash or "")], key, places, item.missing, note, tags))
        return rows


TestFolder = FolderMachine.TestCase
TestFolder.settings = settings(
    max_examples=1000 if SOAK else 12,
    stateful_step_count=50 if SOAK else 25,
    deadline=None,
    derandomize=not SOAK,
    database=None,
    phases=[Phase.generate, Phase.shrink] if SOAK else [Phase.generate],  # to shrink a long history takes minutes
    suppress_health_check=list(HealthCheck),
)
