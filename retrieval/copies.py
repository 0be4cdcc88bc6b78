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

from indexers import images
from indexers.errors import BadQuery, ItemNotFound, UnreadablePicture, UsageError
from indexers.evidence import PairRow
from indexers.followers.duplicates import Duplicates, candidates_of
from indexers.reads import Snapshot
from indexers.remote import is_remote, read
from indexers.scan import find, to_uri
from indexers.types import FoundFile, ItemRow, Limits
from retrieval import moving
from retrieval.answers import Answers, Name
from retrieval.duplicates import COPIES, DuplicateGroup, Match, groups, in_several_places
from retrieval.moving import Move
from retrieval.question import is_number
from retrieval.search import View

NEAR = {"lite0": 0.8, "classic": 0.68, "tiny": 0.92}
"""Similarity of vectors from which on two pictures are worth a proof, by embedder: measured on sample photographs."""
USUAL = 0.8
MANIFEST = "manifest.jsonl"
SURE = 0.5
"""The score from which on a pair counts as copies."""


class Stored(NamedTuple):
    """What groups are made of."""

    state: tuple[int, ...]
    pairs: list[PairRow]
    rows: dict[int, ItemRow]
    repeated: list[ItemRow]


class Copies(Answers):
    """Duplicates, with proof."""

    _stored: Stored | None = None
    _following: dict[int, Duplicates] | None = None

    def duplicates(
        self,
        threshold: float = SURE,
        *,
        rule: str = "kept",
        prefer: str | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[DuplicateGroup, ...]:
        """Which are copies of each other? Groups, the largest first, each with what to keep and why.

        Copies are pictures of the same bytes' pixels in another container, or the same picture resized, recompressed,
        cropped, mirrored, rotated a little, framed, written on. Other views of a scene and other pictures of a burst
        are not. New pictures are compared with all others first; what was compared before is not compared again.

        `threshold`: how sure it must be, 0 to 1. `rule`: "kept" (each is a verified copy of the one to keep), "every
        pair", or "connected" (chains count). `prefer`: what to keep first: a format ("heic"), a folder or "oldest".
        What was decided about two pictures stays decided. Raises BadQuery, WriterBusy, MissingPackage.
        """
        if not is_number(threshold) or not 0 <= threshold <= 1:
            raise BadQuery(f"threshold is how sure it must be, from 0 to 1; got {threshold!r}")
        view = self._spaces.view()
        if view is None:
            return ()
        self._follow(view).run(progress)
        with self._catalogue.snapshot() as snapshot:
            known = self._looked_up(snapshot)
            pairs = [pair for pair in known.pairs if pair.score >= threshold]
            proven = groups(pairs, known.rows, snapshot.evidence.decisions(), rule=rule, prefer=prefer)
        grouped = {one for group in proven for one in group.items}
        return (*proven, *in_several_places([row for row in known.repeated if row.id not in grouped]))

    def _looked_up(self, snapshot: Snapshot) -> Stored:
        """Pairs and what is known of their items; remembered for as long as nothing changes."""
        state = snapshot.number, *snapshot.evidence.state()
        if self._stored is None or self._stored.state != state:
            pairs = snapshot.evidence.pairs(0.0, COPIES)
            rows = {row.id: row for row in snapshot.items(sorted({one for pair in pairs for one in pair[:2]}))}
            self._stored = Stored(state, pairs, rows, snapshot.items(snapshot.evidence.repeated()))
        return self._stored

    def duplicates_of(self, picture: Any, *, threshold: float = SURE) -> tuple[Match, ...]:
        """Do we have this picture already? The items that it is a copy of, the surest first; it is not added.

        `picture`: as for `search`, or an item's id. Raises what `search` raises.
        """
        view = self._spaces.view()
        if view is None:
            return ()
        self._follow(view).run()
        asked = picture if isinstance(picture, int) and not isinstance(picture, bool) else None
        if asked is not None:
            image = self._picture(view, asked, 0)
        elif is_remote(picture):
            image = images.as_picture(read(picture, view.limits, view.web), 0, view.limits)
        else:
            image = images.as_picture(picture, 0, view.limits)
        return tuple(self._matches(view, image, asked, threshold))

    def _matches(self, view: View, image: Image, asked: int | None, threshold: float) -> list[Match]:
        from indexers.matching import features as seeing
        from indexers.matching import hashes
        from indexers.matching.verification import verify

        prepared = view.flat.index.prepare(view.embedder().embed([image]))
        with view.followers.current() as snapshot:
            near = view.searcher.within(prepared, self._near(view))[0].tolist()
            nominated = candidates_of(self._follow(view).prints(snapshot), hashes.perceptual(image))
            wanted = sorted({*near, *nominated} - {asked})
            kept, rows = snapshot.evidence.features(wanted), snapshot.hits(wanted)
        mine, found = seeing.features(image), []
        for one in wanted:
            try:
                other = seeing.unpack(kept[one]) if one in kept else seeing.features(self._picture(view, one, 512))
            except UnreadablePicture:
                continue
            proof = verify(mine, other)
            if proof.kind == "same picture" and proof.score >= threshold:
                row = rows[one]
                found.append(Match(one, row.key, row.uri, proof.kind, round(proof.score, 4), proof.to_dict()))
        return sorted(found, key=lambda match: (-match.score, match.item))

    def calibrate(self, pictures: int = 100) -> float:
        """Measure on the collection's own pictures from which similarity of vectors on two are worth a proof, and
        remember it for the space. Known embedders come with such a figure. Raises UsageError for too few pictures."""
        from indexers.matching.calibration import calibrated

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
            writing.set_setting(f"near {view.space.id}", near)
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
        one, other = (self._picture(view, name, 512) for name in names)
        return overlay(one, other, from_pictures(one, other))

    def move_duplicates(
        self, groups: Iterable[DuplicateGroup], folder: str | PathLike[str], *, dry_run: bool = True
    ) -> tuple[Move, ...]:
        """Move the copies of these groups, all but the one to keep, into a folder; by default only say what would be
        moved. A manifest in the folder (`manifest.jsonl`) can bring them back: `undo_moves`. Nothing is deleted, links
        and files that have changed since are left alone. Raises UsageError, WriteFailed."""
        some, place = tuple(groups), Path(folder).expanduser().resolve()
        items = (
            {one.id: one for one in self.get(sorted({one for group in some for one in group.items}))} if some else {}
        )
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
        found = [one for move in done if move.done for one in find(move.target) if isinstance(one, FoundFile)]
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
                writing.evidence.decide("keep", contents[one], contents[other])
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
            if not writing.evidence.undo(decision):
                raise UsageError(f"there is no decision {decision!r} to undo")

    def _decide(self, what: str, a: Name, b: Name) -> int:
        with self._catalogue.transaction() as writing:
            one, other = writing.resolve([a, b])
            contents = self._contents(writing, (one, other))
            if contents[one] == contents[other]:
                raise UsageError(f"{a!r} and {b!r} are one and the same picture")
            return writing.evidence.decide(what, contents[one], contents[other])

    def _contents(self, snapshot: Snapshot, items: tuple[int, ...]) -> dict[int, bytes]:
        found = snapshot.evidence.contents(items)
        for one in items:
            if one not in found:
                raise UsageError(
                    f"the item {one} is a ready-made vector without a picture, about which nothing can be decided"
                )
        return found

    # ---- pictures

    def _follow(self, view: View) -> Duplicates:
        following = self._following = self._following or {}
        if view.space.id not in following:
            made = Duplicates(
                self._catalogue, lambda: view.flat.index, partial(self._picture, view), self._config.cores
            )
            following[view.space.id] = made
        following[view.space.id].near = self._near(view)
        return following[view.space.id]

    def _near(self, view: View) -> float:
        with self._catalogue.snapshot() as snapshot:
            measured: float | None = snapshot.setting(f"near {view.space.id}")
        return measured or NEAR.get(view.space.embedder or "", USUAL)

    def _picture(self, view: View, item: int, edge: int) -> Image:
        """The picture of an item from where it lies; with an edge, at least that large. Raises UnreadablePicture."""
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.items([item])
        if not rows:
            raise ItemNotFound(f"there is no item with the id {item!r}")
        if not rows[0].uris or rows[0].missing:
            raise UnreadablePicture(f"the picture of item {item} is nowhere to be found")
        limits: Limits = view.limits
        uri = rows[0].uris[0]
        data = read(uri, limits, view.web) if is_remote(uri) else images.read(images.to_path(uri), limits)
        if rows[0].hash is not None and images.fingerprint(data) != rows[0].hash:
            raise UnreadablePicture(f"{uri} has changed since it was added; add it again")
        image = images.decode(data, edge, limits).image
        return image if edge == 0 or max(image.size) <= 2 * edge else images.shrink(image, max(edge, 64))
