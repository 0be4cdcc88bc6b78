"""Finding the duplicates of a collection, with the proof."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PairRow
from indexers.catalogue.links import check_links
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ItemNotFound, NearkinError, UnreadablePicture, UsageError
from indexers.followers.candidates import CandidateFinder
from indexers.followers.evidence import DUPLICATE_KINDS, PART_KINDS, EvidenceCollector
from indexers.followers.nomination import NominationFollower
from indexers.matching.calibration import (
    ENOUGH_PICTURES,
    MIN_PICTURES,
    calibrate_threshold,
    find_threshold,
    is_measured,
)
from indexers.matching.features import EDGE
from indexers.pictures import images
from indexers.pictures.addresses import is_remote
from indexers.pictures.remote import read_uri
from indexers.pictures.turns import take_turns
from indexers.types import ItemRow, Neighbours, Space, Vectors
from retrieval.checks import ItemName, check_whole, is_number, is_whole
from retrieval.config import Config
from retrieval.duplicates.grouping import build_groups, group_repeated_files
from retrieval.duplicates.identical import hash_source, mark_identical
from retrieval.duplicates.presence import is_present, link_absent, list_missing, list_places
from retrieval.duplicates.shots import Shot, describe_shot, look_only_alike, read_shot
from retrieval.filters import parse_filter
from retrieval.items.pictures import PictureLoader
from retrieval.records.duplicates import DuplicateGroup, Match
from retrieval.spaces.spaces import Spaces
from retrieval.spaces.view import View

log = logging.getLogger("nearkin")


def check_threshold(threshold: Any) -> None:
    """Raise BadQuery unless the threshold is a certainty from 0 to 1."""
    if not is_number(threshold) or not 0 <= threshold <= 1:
        raise BadQuery(f"threshold is the lowest score of a proof, from 0 to 1; got {threshold!r}")


EQUAL_PIXELS = DUPLICATE_KINDS[0]


class StoredPairs(NamedTuple):
    """What groups are made of, as of a state of the catalogue."""

    state: tuple[int, ...]
    pairs: list[PairRow]
    rows: dict[int, ItemRow]
    repeated: list[ItemRow]
    shots: dict[int, Shot]

    def tells_apart(self, pair: PairRow) -> bool:
        """Return True for shots that only look alike; what has equal pixels is a copy."""
        a, b = self.shots.get(pair.a), self.shots.get(pair.b)
        return a is not None and b is not None and pair.kind != EQUAL_PIXELS and look_only_alike(a, b)

    def are_apart(self, a: int, b: int) -> bool:
        """Return True for two items that cameras have taken, and that only look alike."""
        first, second = self.shots.get(a), self.shots.get(b)
        if first is None or second is None or not (first.camera and second.camera):
            return False
        return look_only_alike(first, second)


class DuplicateFinder:
    """Finds duplicates. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, config: Config, pictures: PictureLoader) -> None:
        self._catalogue, self._spaces, self._config, self._pictures = catalogue, spaces, config, pictures
        self._stored: StoredPairs | None = None
        self._evidence: dict[int, EvidenceCollector] = {}

    def find(
        self,
        threshold: float,
        *,
        rule: str,
        prefer: str | None,
        compare: bool,
        progress: Callable[[int, int], object] | None,
    ) -> tuple[DuplicateGroup, ...]:
        """Return groups of duplicates, the largest first; with `compare`, new pictures are compared first."""
        check_threshold(threshold)
        view = self._spaces.view()
        if view is None:
            return ()
        if compare and not self._catalogue.is_read_only:
            self._calibrate_first(view)
            self.follow(view).advance(progress)
        elif compare and (waiting := self.follow(view).count_waiting()):
            log.warning(
                "%s may only be read: %s pictures are left out, which have not been compared with the others",
                self._catalogue.folder,
                f"{waiting:,}",
            )
        with self._catalogue.snapshot() as snapshot:
            stored = self._read_pairs(snapshot)
            pairs = [pair for pair in stored.pairs if pair.score >= threshold and not stored.tells_apart(pair)]
            rows = {item_id: row for item_id, row in stored.rows.items() if is_present(row)}
            decisions = snapshot.duplicates.decisions()
            proven = build_groups(pairs, rows, decisions, rule=rule, prefer=prefer, are_apart=stored.are_apart)
        grouped = {item_id for group in proven for item_id in group.items}
        repeated = group_repeated_files(
            [row for row in stored.repeated if row.id not in grouped and len(list_places(row)) > 1]
        )
        absent = link_absent(pairs, set(rows))
        return tuple(
            replace(group, missing=list_missing(group, absent), _pictures=self._pictures)
            for group in (*proven, *repeated)
        )

    def _read_pairs(self, snapshot: Snapshot) -> StoredPairs:
        """Return the pairs and the rows of their items; kept for as long as nothing changes."""
        state = snapshot.number, *snapshot.duplicates.version()
        if self._stored is None or self._stored.state != state:
            pairs = snapshot.duplicates.pairs(0.0, DUPLICATE_KINDS)
            item_ids = sorted({item_id for pair in pairs for item_id in (pair.a, pair.b)})
            rows = {row.id: row for row in snapshot.items(item_ids)}
            repeated = snapshot.items(snapshot.duplicates.repeated_item_ids())
            shots = {row.id: read_shot(row) for row in snapshot.shots.rows(item_ids)}
            self._stored = StoredPairs(state, pairs, rows, repeated, shots)
        return self._stored

    def find_matches(self, picture: Any, threshold: float) -> tuple[Match, ...]:
        """Return the items that a picture, or an item by its id, is a copy of, the surest first; no vanished ones.

        Those that show it, or that it shows, only as a part come last.
        """
        check_threshold(threshold)
        view = self._spaces.view()
        if view is None:
            return ()
        evidence = self.follow(view)
        if not self._catalogue.is_read_only:
            evidence.sketch()
        own_id = int(picture) if is_whole(picture) else None
        content = read_uri(picture, view.limits, view.web) if is_remote(picture) else picture
        with take_turns():
            opened = images.open_picture(content, 0, view.limits) if own_id is None else None
            image = opened.image if opened else self._pictures.load(int(picture))
            vector = view.flat.index.prepare(view.embedder().embed([image]))
            with view.followers.current_snapshot() as snapshot:
                candidates = [
                    item_id for item_id in evidence.find_candidates(snapshot, image, vector) if item_id != own_id
                ]
                candidates = [row.id for row in snapshot.items(candidates) if is_present(row)]
                rows = snapshot.hits(candidates)
                shots = {row.id: read_shot(row) for row in snapshot.shots.rows([*candidates, own_id or 0])}
                path = os.path.expanduser(content) if isinstance(content, str | os.PathLike) else None
                own = describe_shot(opened.facts, path) if opened else shots.get(own_id or 0)
                identical = self._find_identical(snapshot, content, own_id)
            if not self._catalogue.is_read_only:
                evidence.candidates.save()  # without it each opening would make the index again: 57 s of 100,000 items
            matches = [
                Match(item_id, rows[item_id].key, rows[item_id].uri, kind, round(proof.score, 4), proof.to_dict())
                for item_id, kind, proof in evidence.verify_candidates(image, candidates)
                if kind in (*DUPLICATE_KINDS, *PART_KINDS)
                and proof.score >= threshold
                and (kind == EQUAL_PIXELS or own is None or not look_only_alike(own, shots[item_id]))
            ]
        return mark_identical(matches, identical)

    def _find_identical(self, snapshot: Snapshot, content: Any, own_id: int | None) -> list[ItemRow]:
        """Return the items that have the bytes of a picture, or of an item, apart from it."""
        if own_id is None:
            digest = hash_source(content, self._spaces.limits)
        else:
            digest = next((row.hash for row in snapshot.items([own_id])), None)
        if digest is None:
            return []
        item_ids = snapshot.ids(parse_filter({"hash": digest.hex()})).tolist()
        return [row for row in snapshot.items(item_ids) if row.id != own_id and is_present(row)]

    def calibrate(self, pictures: int) -> float:
        """Measure from which similarity of vectors on two pictures are worth a proof, and store it for the space."""
        check_whole(pictures, "pictures is the number of pictures to try,")
        view = self._spaces.view()
        if view is None:
            raise UsageError("the collection is empty; add pictures first")
        with self._catalogue.snapshot() as snapshot:
            item_ids = snapshot.ids()
        embedder = view.embedder()
        images: list[Image] = []
        for item_id in np.random.default_rng(0).permutation(item_ids)[: 2 * pictures].tolist():
            with suppress(UnreadablePicture):
                images.append(self._pictures.load(item_id, embedder.input_size))
        near = calibrate_threshold(images[:pictures], embedder.embed)
        with self._catalogue.transaction() as transaction:
            transaction.set_candidate_threshold(view.space.id, near)
        return near

    def _calibrate_first(self, view: View) -> None:
        """Calibrate a space by the collection's own pictures, once, where nothing better is known of its embedder."""
        if view.space.embedder is None or is_measured(view.space.embedder, view.space.dimension):
            return
        with self._catalogue.snapshot() as snapshot:
            is_due = not snapshot.candidate_threshold(view.space.id) and snapshot.count() >= ENOUGH_PICTURES
        if is_due:
            with suppress(NearkinError):  # such as weights that are away: then the usual threshold does
                self.calibrate(MIN_PICTURES)

    def overlay(self, a: ItemName, b: ItemName) -> Image:
        """Return two items' pictures side by side, and the second laid over the first."""
        from indexers.matching.overlay import draw_overlay
        from indexers.matching.verification import verify_pictures

        view = self._spaces.view()
        with self._catalogue.snapshot() as snapshot:
            item_ids = snapshot.resolve([a, b])
        if view is None:
            raise ItemNotFound("the collection is empty")
        first, second = (self._pictures.load(item_id, EDGE) for item_id in item_ids)
        return draw_overlay(first, second, verify_pictures(first, second))

    def follow(self, view: View) -> EvidenceCollector:
        """Return the follower that compares the pictures of a space."""
        if view.space.id not in self._evidence:
            candidates = CandidateFinder(
                self._catalogue,
                lambda: view.flat.index,
                partial(find_neighbours, view),
                make_nomination_follower(self._catalogue, view.space),
            )
            self._evidence[view.space.id] = EvidenceCollector(
                self._catalogue, candidates, self._pictures.load, self._config.cores
            )
        self._evidence[view.space.id].candidates.near = self._find_near(view)
        return self._evidence[view.space.id]

    def _find_near(self, view: View) -> float:
        with self._catalogue.snapshot() as snapshot:
            stored = snapshot.candidate_threshold(view.space.id)
        return stored or find_threshold(view.space.embedder, view.space.dimension)


def make_nomination_follower(catalogue: Catalogue, space: Space) -> NominationFollower:
    """Return the follower of compact features, which is stored in a space's folder. Raises LeadsOutside."""
    folder = catalogue.folder / "spaces" / str(space.id) / NominationFollower.name
    check_links(catalogue.folder, [folder])
    private = catalogue.find_private_folder(space.id) / NominationFollower.name
    return NominationFollower(space, folder, catalogue.identity, private)


def find_neighbours(view: View, vectors: Vectors, k: int) -> Neighbours:
    """Return the k nearest of prepared vectors by cosine similarity, while nobody writes into the index."""
    with view.followers.current_snapshot():
        return view.searcher.search(vectors, k, metric="cosine")
