"""The half of a collection that finds copies, and remembers what was decided about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image

from indexers.catalogue.duplicates import PairRow
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ItemNotFound, UnreadablePicture, UsageError
from indexers.followers.evidence import DUPLICATE_KINDS, EvidenceCollector
from indexers.matching.calibration import NEAR, USUAL, calibrated
from indexers.matching.features import EDGE
from indexers.matching.verification import SAME
from indexers.pictures import images
from indexers.pictures.scan import find_pictures, to_uri
from indexers.types import FoundFile, ItemRow
from retrieval.answers import Answers, Name
from retrieval.checks import check_whole, is_number, is_whole
from retrieval.duplicates import moving
from retrieval.duplicates.grouping import groups, in_several_places
from retrieval.records.duplicates import DuplicateGroup, Match, Move
from retrieval.spaces.view import View, load_picture
from retrieval.transfer.sources import read_content

MANIFEST = "manifest.jsonl"


def check_sure(threshold: Any) -> None:
    """Raises BadQuery."""
    if not is_number(threshold) or not 0 <= threshold <= 1:
        raise BadQuery(f"threshold is how sure it must be, from 0 to 1; got {threshold!r}")


class Stored(NamedTuple):
    """What groups are made of."""

    state: tuple[int, ...]
    pairs: list[PairRow]
    rows: dict[int, ItemRow]
    repeated: list[ItemRow]


class Copies(Answers):
    """Duplicates, with proof."""

    _stored: Stored | None = None
    _following: dict[int, EvidenceCollector] | None = None

    def duplicates(
        self,
        threshold: float = SAME,
        *,
        rule: str = "kept",
        prefer: str | None = None,
        compare: bool = True,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[DuplicateGroup, ...]:
        """Which are copies of each other? Groups, the largest first, each with what to keep and why.

        Copies are pictures of the same bytes' pixels in another container, or the same picture resized, recompressed,
        cropped, mirrored, rotated a little, framed, written on. Other views of a scene and other pictures of a burst
        are not. New pictures are compared with all others first (not with `compare=False`, which answers at once); what
        was compared before is not compared again.

        `threshold`: how sure it must be, 0 to 1. `rule`: "kept" (each is a verified copy of the one to keep), "every
        pair", or "connected" (chains count). `prefer`: what to keep first: a format ("heic"), a folder or "oldest".
        What was decided about two pictures stays decided. Raises BadQuery, WriterBusy, MissingPackage.
        """
        check_sure(threshold)
        view = self._spaces.view()
        if view is None:
            return ()
        if compare:
            self._follow(view).advance(progress)
        with self._catalogue.snapshot() as snapshot:
            known = self._looked_up(snapshot)
            pairs = [pair for pair in known.pairs if pair.score >= threshold]
            proven = groups(pairs, known.rows, snapshot.duplicates.decisions(), rule=rule, prefer=prefer)
        grouped = {one for group in proven for one in group.items}
        return (*proven, *in_several_places([row for row in known.repeated if row.id not in grouped]))

    def _looked_up(self, snapshot: Snapshot) -> Stored:
        """Pairs and what is known of their items; remembered for as long as nothing changes."""
        state = snapshot.number, *snapshot.duplicates.state()
        if self._stored is None or self._stored.state != state:
            pairs = snapshot.duplicates.pairs(0.0, DUPLICATE_KINDS)
            rows = {row.id: row for row in snapshot.items(sorted({one for pair in pairs for one in pair[:2]}))}
            self._stored = Stored(state, pairs, rows, snapshot.items(snapshot.duplicates.repeated()))
        return self._stored

    def duplicates_of(self, picture: Any, *, threshold: float = SAME) -> tuple[Match, ...]:
        """Do we have this picture already? The items that it is a copy of, the surest first; it is not added.

        `picture`: as for `search`, or an item's id. Raises what `search` raises.
        """
        check_sure(threshold)
        view = self._spaces.view()
        if view is None:
            return ()
        following = self._follow(view)
        following.advance()
        asked = int(picture) if is_whole(picture) else None
        image = load_picture(picture, view) if asked is None else self._picture(view, asked, 0)
        vector = view.flat.index.prepare(view.embedder().embed([image]))
        with view.followers.current_snapshot() as snapshot:
            wanted = [one for one in following.find_candidates(snapshot, image, vector) if one != asked]
            rows = snapshot.hits(wanted)
        found = [
            Match(one, rows[one].key, rows[one].uri, kind, round(proof.score, 4), proof.to_dict())
            for one, kind, proof in following.verify_candidates(image, wanted)
            if kind in DUPLICATE_KINDS and proof.score >= threshold
        ]
        return tuple(sorted(found, key=lambda match: (-match.score, match.item)))

    def calibrate(self, pictures: int = 100) -> float:
        """Measure on the collection's own pictures from which similarity of vectors on two are worth a proof, and
        remember it for the space. Known embedders come with such a figure. Raises UsageError for too few pictures."""
        check_whole(pictures, "pictures is how many are tried,")
        view = self._spaces.view()
        if view is None:
            raise UsageError("the collection is empty; add pictures first")
        with self._catalogue.snapshot() as snapshot:
            ids = snapshot.ids()
        some = np.random.default_rng(0).permutation(ids)[: 2 * pictures].tolist()
        found: list[Image] = []
        for one in some:
            with suppress(UnreadablePicture):
                found.append(self._picture(view, one, view.embedder().input_size))
        near = calibrated(found[:pictures], view.embedder().embed)
        with self._catalogue.transaction() as writing:
            writing.set_near(view.space.id, near)
        return near

    def overlay(self, a: Name, b: Name) -> Image:
        """Two items' pictures side by side, and the second laid over the first, with what differs in colour. Raises
        ItemNotFound, UnreadablePicture."""
        from indexers.matching.overlay import overlay
        from indexers.matching.verification import from_pictures

        view = self._spaces.view()
        with self._catalogue.snapshot() as snapshot:
            names = snapshot.resolve([a, b])
        if view is None:
            raise ItemNotFound("the collection is empty")
        one, other = (self._picture(view, name, EDGE) for name in names)
        return overlay(one, other, from_pictures(one, other))

    def move_duplicates(
        self, groups: Iterable[DuplicateGroup], folder: str | PathLike[str], *, dry_run: bool = True
    ) -> tuple[Move, ...]:
        """Move the copies of these groups, all but the one to keep, into a folder; by default only say what would be
        moved. A manifest in the folder (`manifest.jsonl`) can bring them back: `undo_moves`. Nothing is deleted, links
        and files that have changed since are left alone. Raises UsageError, WriteFailed."""
        some, place = tuple(groups), Path(folder).expanduser().resolve()
        items = {one.id: one for one in self.get(sorted({one for group in some for one in group.items}))}
        planned = moving.plan(some, items, place)
        if dry_run:
            return tuple(planned)
        done = moving.carry_out(planned, place / MANIFEST)
        with self._catalogue.transaction() as writing:
            writing.mark_missing([to_uri(move.source) for move in done if move.done])
        return tuple(done)

    def undo_moves(self, manifest: str | PathLike[str]) -> tuple[Move, ...]:
        """Bring back the files that a manifest names. Raises UsageError, WriteFailed."""
        done = moving.undo(Path(manifest).expanduser())
        found = [one for move in done if move.done for one in find_pictures(move.target) if isinstance(one, FoundFile)]
        with self._catalogue.transaction() as writing:
            writing.touch(found)
        return tuple(done)

    # ---- decisions

    def decide(self, group: DuplicateGroup, keep: Name) -> tuple[int, ...]:
        """Keep this one of a group: the group is settled. The decisions' ids, for `undo`. Nothing is deleted."""
        with self._catalogue.transaction() as writing:
            one = writing.resolve([keep])[0]
            if one not in group.items:
                raise UsageError(f"the item {keep!r} is not in the group; its items are {list(group.items)}")
            contents = self._contents(writing, group.items)
            return tuple(
                writing.duplicates.decide("keep", contents[one], contents[other])
                for other in group.items
                if other != one and contents[other] != contents[one]
            )

    def not_duplicates(self, a: Name, b: Name) -> int:
        """These two are no copies, whatever they look like. The decision's id, for `undo`."""
        return self._decide("not duplicates", a, b)

    def keep_both(self, a: Name, b: Name) -> int:
        """These two are copies, and both are wanted. The decision's id, for `undo`."""
        return self._decide("keep both", a, b)

    def undo(self, decision: int) -> None:
        """Take a decision back: the question comes up again. Raises UsageError."""
        with self._catalogue.transaction() as writing:
            if not writing.duplicates.undo(decision):
                raise UsageError(f"there is no decision {decision!r} to undo")

    def _decide(self, what: str, a: Name, b: Name) -> int:
        with self._catalogue.transaction() as writing:
            one, other = writing.resolve([a, b])
            contents = self._contents(writing, (one, other))
            if contents[one] == contents[other]:
                raise UsageError(f"{a!r} and {b!r} are one and the same picture")
            return writing.duplicates.decide(what, contents[one], contents[other])

    def _contents(self, snapshot: Snapshot, items: tuple[int, ...]) -> dict[int, bytes]:
        found = snapshot.duplicates.contents(items)
        for one in items:
            if one not in found:
                raise UsageError(
                    f"the item {one} is a ready-made vector without a picture, about which nothing can be decided"
                )
        return found

    # ---- pictures

    def _follow(self, view: View) -> EvidenceCollector:
        following = self._following = self._following or {}
        if view.space.id not in following:
            made = EvidenceCollector(
                self._catalogue, lambda: view.flat.index, partial(self._picture, view), self._config.cores
            )
            following[view.space.id] = made
        following[view.space.id].near = self._near(view)
        return following[view.space.id]

    def _near(self, view: View) -> float:
        with self._catalogue.snapshot() as snapshot:
            return snapshot.near(view.space.id) or NEAR.get(view.space.embedder or "", USUAL)

    def _picture(self, view: View, item: int, edge: int) -> Image:
        """The picture of an item from where it lies; with an edge, at least that large. Raises UnreadablePicture."""
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.items([item])
        if not rows:
            raise ItemNotFound(f"there is no item with the id {item!r}")
        row, isolated = rows[0], self._spaces.find_isolation()
        data = read_content(row.id, row.uris, row.missing, row.hash, view.limits, view.web)
        try:
            image = (isolated.decode(data, edge) if isolated else images.decode(data, edge, view.limits)).image
        except UnreadablePicture:
            if row.hash is None:  # the place of a ready-made vector may be anything, and is not to be told of
                raise UnreadablePicture(f"what lies at the place of item {item} is no picture") from None
            raise
        return image if edge == 0 or max(image.size) <= 2 * edge else images.shrink(image, max(edge, 64))
