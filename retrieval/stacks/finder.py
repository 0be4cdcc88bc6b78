"""Finding the stacks of a collection: series of shots, files of one exposure, and what was made of a picture.

Nothing of it is stored but people's covers: all follows from how pictures were taken, what is stored of them while they
are added, and the verdicts of the comparison for duplicates.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import Decision, PairRow
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, UsageError
from indexers.followers.evidence import DUPLICATE_KINDS, PART_KINDS
from indexers.matching.verification import SAME
from retrieval.checks import ItemName
from retrieval.duplicates.finder import DuplicateFinder
from retrieval.duplicates.shots import Shot, read_shot
from retrieval.items.pictures import PictureLoader
from retrieval.records.duplicates import Pair
from retrieval.records.stacks import Stack
from retrieval.spaces.spaces import Spaces
from retrieval.stacks.frames import SCENE_KINDS, Frames
from retrieval.stacks.series import BRACKET, BURST, FOCUS, find_series, list_runs
from retrieval.stacks.versions import (
    CROP,
    EDIT,
    INSIDE,
    SCREEN,
    Version,
    find_file_pairs,
    find_versions,
    group_versions,
    list_likely,
)

log = logging.getLogger("nearkin")

KINDS = (BURST, BRACKET, FOCUS, "raw + jpeg", "raw + heic", "heic + jpeg", EDIT, CROP, SCREEN, INSIDE)
"""The kinds of stacks."""
CHOSEN = "chosen"
"""The reason for a cover that a person has chosen."""


class _Material(NamedTuple):
    """What stacks are made of."""

    shots: list[Shot]
    pairs: list[PairRow]
    decisions: list[Decision]
    covers: list[Decision]


class StackFinder:
    """Finds stacks. The methods are those of `Collection`, which documents them."""

    def __init__(
        self, catalogue: Catalogue, spaces: Spaces, duplicates: DuplicateFinder, pictures: PictureLoader
    ) -> None:
        self._catalogue, self._spaces, self._duplicates, self._pictures = catalogue, spaces, duplicates, pictures
        self._frames = Frames()
        self._stored: tuple[tuple[int, ...], list[Stack]] | None = None
        self._has_told = False

    def find(self, kind: str | None, compare: bool, progress: Callable[[int, int], object] | None) -> tuple[Stack, ...]:
        """Return the stacks, or those of a kind; with `compare`, new pictures are compared first."""
        if kind is not None and kind not in KINDS:
            raise BadQuery(f"there is no kind of stacks {kind!r}; there are: {', '.join(KINDS)}")
        view = self._spaces.view()
        if view is None:
            return ()
        if compare and not self._catalogue.is_read_only:
            self._duplicates.follow(view).advance(progress)
        with self._catalogue.snapshot() as snapshot:
            state = snapshot.number, *snapshot.duplicates.version()
            if self._stored is None or self._stored[0] != state:
                stacks = self._build(snapshot, compare and not self._catalogue.is_read_only)
                self._stored = state, stacks
        found = self._stored[1]
        return tuple(replace(stack, _pictures=self._pictures) for stack in found if kind in (None, stack.kind))

    def choose_cover(self, stack: Stack, name: ItemName) -> int:
        """Make an item the cover of its stack. Return the decision's id. Raises UsageError for an item of another."""
        if stack.kind not in KINDS:
            raise UsageError(f"there is no kind of stacks {stack.kind!r}; there are: {', '.join(KINDS)}")
        with self._catalogue.transaction() as transaction:
            item_id = transaction.resolve([name])[0]
            if item_id not in stack.items:
                raise UsageError(f"the item {name!r} is not in the stack; its items are {list(stack.items)}")
            content = transaction.duplicates.content_hashes([item_id]).get(item_id)
            if content is None:
                raise UsageError(f"the item {item_id} is a ready-made vector; covers are pictures")
            return transaction.duplicates.choose_cover(stack.kind, content)

    def _build(self, snapshot: Snapshot, may_write: bool) -> list[Stack]:
        pairs = snapshot.duplicates.pairs(0.0, SCENE_KINDS)
        material = _Material(
            [read_shot(row) for row in snapshot.shots.rows()],
            pairs,
            snapshot.duplicates.decisions(),
            snapshot.duplicates.covers(),
        )
        self._tell_old(material.shots)
        in_series = {shot.id for _, run in list_runs(material.shots) for shot in run}
        proven = [pair for pair in pairs if pair.score >= SAME and pair.kind in (*DUPLICATE_KINDS, *PART_KINDS)]
        in_versions = {item_id for pair in pairs for item_id in (pair.a, pair.b)}
        known = {(pair.a, pair.b) for pair in pairs}
        likely = [pair for pair in list_likely(material.shots) if (pair[0].id, pair[1].id) not in known]
        in_versions |= {shot.id for pair in likely for shot in pair}
        of_files = {shot.id for _, files, _ in find_file_pairs(material.shots, lambda a, b: True) for shot in files}
        self._frames.read(snapshot, in_series | in_versions | of_files, pairs)
        rough = [self._frames.find_pair(a.id, b.id, (a.size, b.size)) for a, b in likely]
        material = material._replace(pairs=[*pairs, *(pair for pair in rough if pair is not None)])
        unmeasured = self._frames.list_unmeasured(in_series)
        measured = self._frames.measure(unmeasured, self._pictures.load) if may_write else {}
        if measured:
            with self._catalogue.transaction() as transaction:
                transaction.duplicates.put_clarities(measured)
        return sorted(
            self._list_stacks(material, proven),
            key=lambda stack: (KINDS.index(stack.kind), -len(stack.items), stack.id),
        )

    def _tell_old(self, shots: Sequence[Shot]) -> None:
        """Say once that an older version has read less of the pictures than stacks need."""
        old = sum(not shot.capture and bool(shot.camera) for shot in shots)
        if old and not self._has_told:
            self._has_told = True
            log.warning(
                "an older version has added %s pictures without reading how they were taken, so that stacks of them "
                "may be missing: nearkin sync --check FOLDER reads them again",
                f"{old:,}",
            )

    def _list_stacks(self, material: _Material, proven: Sequence[PairRow]) -> Iterator[Stack]:
        shots = {shot.id: shot for shot in material.shots}
        copies = {(pair.a, pair.b) for pair in proven if pair.kind in DUPLICATE_KINDS}
        apart = {frozenset((row.first, row.second)) for row in material.decisions if row.kind == "not duplicates"}

        def are_copies(a: Shot, b: Shot) -> bool:
            return (min(a.id, b.id), max(a.id, b.id)) in copies

        def are_alike(a: Shot, b: Shot) -> bool | None:
            return self._frames.are_alike((a.id, a.content), (b.id, b.content))

        covers = _Covers(material.covers, self._frames)
        for series in find_series(material.shots, are_copies, are_alike, self._frames.clarities):
            yield covers.build(series.kind, series.shots, series.reason)
        for kind, files, reason in find_file_pairs(material.shots, are_alike):
            yield covers.build(kind, files, reason)
        standing = [
            pair
            for pair in material.pairs
            if pair.a in shots
            and pair.b in shots
            and frozenset((shots[pair.a].content, shots[pair.b].content)) not in apart
        ]
        for kind, versions in group_versions(find_versions(standing, shots, self._frames.clarities)):
            members = (versions[0].original, *(version.derived for version in versions))
            yield covers.build(
                kind, members, _describe_versions(kind, versions), [version.pair for version in versions]
            )


def _describe_versions(kind: str, versions: Sequence[Version]) -> str:
    words = list(dict.fromkeys(word for version in versions for word in version.differences))
    if kind == SCREEN:
        return "shown on a screen"
    return ", ".join(words) if kind != INSIDE else INSIDE


class _Covers:
    """Builds stacks with their covers: the chosen ones, else the sharpest of a series, and else the original."""

    def __init__(self, decisions: Iterable[Decision], frames: Frames) -> None:
        self._chosen = {(row.kind, row.first): row.id for row in decisions}
        self._frames = frames

    def build(self, kind: str, shots: Sequence[Shot], reason: str, pairs: Iterable[PairRow] = ()) -> Stack:
        """Return the stack of these shots, of an original first."""
        cover, cover_reason = self._pick(kind, shots)
        digest = blake2b(kind.encode() + b"".join(sorted(shot.content for shot in shots)), digest_size=6).digest()
        records = tuple(Pair(*pair) for pair in pairs)
        items = tuple(shot.id for shot in shots)
        return Stack(int.from_bytes(digest, "big"), kind, items, cover.id, reason, cover_reason, records)

    def _pick(self, kind: str, shots: Sequence[Shot]) -> tuple[Shot, str]:
        chosen = [shot for shot in shots if (kind, shot.content) in self._chosen]
        if chosen:
            return max(chosen, key=lambda shot: self._chosen[kind, shot.content]), CHOSEN
        if kind == BRACKET and all("bias" in shot.capture for shot in shots):
            middle = min(shots, key=lambda shot: abs(shot.capture["bias"]))
            if len({shot.capture["bias"] for shot in shots}) > 1:
                return middle, "exposed normally"
        sharpness = {
            shot.id: self._frames.clarities[shot.id].overall for shot in shots if shot.id in self._frames.clarities
        }
        if kind in (BURST, BRACKET, FOCUS) and sharpness:
            return max(shots, key=lambda shot: sharpness.get(shot.id, -1.0)), "the sharpest"
        if kind in (BURST, BRACKET, FOCUS):
            return shots[0], "the first"
        return shots[0], "every program shows it" if "+" in kind else "the original"
