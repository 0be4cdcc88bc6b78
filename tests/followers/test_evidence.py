"""Evidence about duplicates of real pictures, without a collection around it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PictureHashes
from indexers.errors import UnreadablePicture
from indexers.followers import candidates, evidence
from indexers.followers.candidates import CandidateFinder, merge_hashes
from indexers.followers.evidence import DUPLICATE_KINDS, EvidenceCollector, EvidenceReport, find_components
from indexers.followers.nomination import NominationFollower
from indexers.matching.verification import verify_features
from indexers.types import Arrival, Ids, Space
from tests.conftest import vectors
from tests.support.followers import make_flat

pytest.importorskip("cv2", reason="finding points without OpenCV takes half a second a picture")


def texture(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Return a picture of coloured spots that no other seed has."""
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize(size)


def smooth(seed: int) -> Image.Image:
    """Return a picture without corners that no other seed has."""
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (3, 4, 3), dtype=np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )


class Library:
    """Pictures by item id, the evidence about them, and what was loaded for it."""

    def __init__(self, catalogue: Catalogue, space: Space) -> None:
        self.catalogue, self.space = catalogue, space
        self.pictures: dict[int, Image.Image | None] = {}
        self.loaded: list[tuple[int, int]] = []
        self.flat = make_flat(catalogue, space)
        folder = catalogue.folder / "spaces" / str(space.id) / "nomination"
        self.follower = NominationFollower(space, folder, catalogue.identity)
        self.finder = CandidateFinder(
            catalogue, lambda: self.flat.index, lambda rows, k: self.flat.index.search(rows, k), self.follower
        )
        self.collector = EvidenceCollector(catalogue, self.finder, self.load, workers=2)

    def add(self, *pictures: Image.Image | None) -> list[int]:
        """Add pictures (None: one that can't be read), each with a vector of its own; return their ids."""
        with self.catalogue.transaction() as transaction:
            number = len(self.pictures)
            arrivals = [
                Arrival(f"k{number + place}", hash=bytes([number + place]), uri=f"file:///{number + place}", vector=row)
                for place, row in enumerate(vectors(len(pictures), seed=number))
            ]
            ids = [stored.item_id for stored in transaction.put(arrivals, self.space.id)]
        self.pictures.update(zip(ids, pictures, strict=True))
        with self.catalogue.snapshot() as snapshot:
            self.flat.apply(snapshot.changes(self.flat.position, self.space.id), snapshot)
            self.flat.position = snapshot.number
        return ids

    def load(self, item_id: int, edge: int) -> Image.Image:
        self.loaded.append((item_id, edge))
        picture = self.pictures[item_id]
        if picture is None:
            raise UnreadablePicture("no picture")
        return picture

    def pairs(self) -> dict[tuple[int, int], str]:
        with self.catalogue.snapshot() as snapshot:
            return {(pair.a, pair.b): pair.kind for pair in snapshot.duplicates.pairs(0.5, DUPLICATE_KINDS)}


@pytest.fixture
def library(catalogue: Catalogue, space: Space) -> Library:
    return Library(catalogue, space)


def test_pairs_of_similar_hashes_are_verified_and_the_verdict_is_stored(library: Library) -> None:
    first = texture(1)
    library.add(first, first.copy(), first.resize((200, 150)), texture(2))
    steps: list[tuple[int, int]] = []
    assert library.collector.count_waiting() == 4
    report = library.collector.advance(lambda done, total: steps.append((done, total)))
    assert report == EvidenceReport(sketched=4, unread=(), verified=3)
    assert library.collector.count_waiting() == 0
    assert list(dict.fromkeys(steps)) == [(0, 8), (4, 8), (8, 8)]  # each told again and again, for who has to wait
    assert library.pairs() == {(1, 2): "same pixels", (1, 3): "same picture", (2, 3): "same picture"}


def test_similar_vectors_make_a_candidate_of_pictures_with_few_points(library: Library) -> None:
    first, _ = library.add(smooth(1), smooth(2))
    assert library.collector.advance().verified == 0
    library.finder.near = -1.0  # every pair is similar enough
    [shifted] = library.add(smooth(1).crop((30, 24, 320, 240)))
    assert library.collector.advance() == EvidenceReport(sketched=1, unread=(), verified=1)
    assert library.pairs() == {(first, shifted): "same picture"}


def test_similar_vectors_make_no_candidate_of_pictures_whose_points_disagree(library: Library) -> None:
    library.finder.near = -1.0
    library.add(texture(1), texture(2), texture(3))
    assert library.collector.advance().verified == 0


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (3, 5, 1, 4, 2)])
def test_which_pairs_are_named_does_not_depend_on_the_order_of_arrival(
    library: Library, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]
) -> None:
    library.finder.near = -1.0
    monkeypatch.setattr(candidates, "NEAREST_BY_VOTES", 0)  # so that vectors alone name them
    named, seed_of = set[frozenset[int]](), dict[int, int]()
    find_pairs = library.finder.find_pairs

    def record_pairs(*arguments: Any) -> tuple[Ids, Ids]:
        a, b = find_pairs(*arguments)
        named.update(frozenset((seed_of[x], seed_of[y])) for x, y in zip(a.tolist(), b.tolist(), strict=True))
        return a, b

    monkeypatch.setattr(library.finder, "find_pairs", record_pairs)
    for seeds in (order[:3], order[3:4], order[4:]):
        seed_of |= zip(library.add(*[texture(seed) for seed in seeds]), seeds, strict=True)
        library.collector.advance()
    assert named == {frozenset(pair) for pair in combinations(range(1, 6), 2)}


def test_a_part_is_nominated_by_its_points_alone(library: Library) -> None:
    whole = texture(1)
    first, *_ = library.add(whole, *[texture(seed) for seed in range(2, 9)])
    library.collector.advance()
    [part] = library.add(whole.crop((150, 20, 310, 140)))
    assert library.collector.advance().verified == 1
    with library.catalogue.snapshot() as snapshot:
        assert snapshot.duplicates.were_compared(np.array([first]), np.array([part])).tolist() == [True]


def test_twenty_equal_pictures_are_proved_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[int] = []
    monkeypatch.setattr(evidence, "verify_features", lambda a, b: verified.append(1) or verify_features(a, b))
    same = library.add(*[texture(1) for _ in range(20)])
    [half] = library.add(texture(1).resize((160, 120)))
    library.collector.advance()
    pairs = library.pairs()
    assert len(pairs) == 21 * 20 // 2
    assert {pairs[item_id, half] for item_id in same} == {"same picture"}
    assert {kind for pair, kind in pairs.items() if half not in pair} == {"same pixels"}
    assert sum(verified) <= 2, "one of the twenty stands for all"


def test_a_crowd_of_copies_is_linked_to_the_best_of_them(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MAX_COMPONENT", 5)
    monkeypatch.setattr(candidates, "MAX_BY_HASH", 2)
    monkeypatch.setattr(candidates, "MAX_BY_VOTES", 2)
    ids = library.add(*[texture(1, (320 - 8 * step, 240 - 6 * step)) for step in range(9)])
    library.collector.advance()
    assert {(min(ids), item_id) for item_id in ids[1:]} <= library.pairs().keys()


def test_sketches_of_an_earlier_version_are_made_on_the_way(library: Library) -> None:
    first, second = library.add(texture(1), texture(1))
    library.collector.advance()
    with library.catalogue.transaction() as transaction:
        for table in ("fingerprint", "feature", "pair"):
            transaction._do(sa.text(f"DELETE FROM {table}"))
        transaction.put([Arrival("k0", metadata={"seen": True})])  # a change, so that it is looked at again
    again = CandidateFinder(library.catalogue, lambda: library.flat.index, library.flat.index.search, library.follower)
    collector = EvidenceCollector(library.catalogue, again, library.load, workers=2)
    assert collector.advance() == EvidenceReport(sketched=2, unread=(), verified=1)
    assert library.pairs() == {(first, second): "same pixels"}


def test_only_new_pictures_are_looked_at(library: Library) -> None:
    library.add(texture(1), texture(1))
    library.collector.advance()
    library.loaded.clear()
    assert library.collector.advance() == EvidenceReport(0, (), 0)
    assert library.loaded == []
    [new] = library.add(texture(1))
    assert library.collector.advance().verified == 2
    assert {item_id for item_id, edge in library.loaded if edge > 0} == {new}


def test_an_unreadable_picture_is_reported_and_stops_nothing(library: Library) -> None:
    [unreadable, _, _] = library.add(None, texture(1), texture(1))
    assert library.collector.advance() == EvidenceReport(sketched=2, unread=(unreadable,), verified=1)


def test_a_picture_that_is_not_there_is_compared_with_those_that_are(library: Library) -> None:
    same, other = library.add(texture(1), texture(2))
    library.collector.advance()
    query = texture(1)
    with library.catalogue.snapshot() as snapshot:
        candidates = list(library.collector.find_candidates(snapshot, query, vectors(1, seed=9)))
    assert candidates == [same]
    verdicts = {item_id: kind for item_id, kind, _ in library.collector.verify_candidates(query, [same, other])}
    assert verdicts[same] == "same pixels"
    assert verdicts[other] not in DUPLICATE_KINDS
    library.pictures[other] = None
    assert len(list(library.collector.verify_candidates(texture(1, (100, 75)), [same]))) == 1


def hashes_of(*items: int, word: Callable[[int], int] = lambda item_id: item_id) -> PictureHashes:
    words = np.array([word(item_id) for item_id in items], np.uint64)
    return PictureHashes(
        np.array(items, np.int64), words[:, None] + np.arange(8, dtype=np.uint64), words % np.uint64(2) == 1
    )


def test_hashes_that_were_read_again_replace_those_that_were_known() -> None:
    known = hashes_of(1, 3, 5, 8)
    merged = merge_hashes(known, [3, 4, 8], hashes_of(3, 4, word=lambda item_id: 70 + item_id))
    assert merged.item_ids.tolist() == [1, 3, 4, 5]  # 8 was looked for and is gone
    assert merged.hashes[:, 0].tolist() == [1, 73, 74, 5]
    assert merged.hashes[:, 7].tolist() == [8, 80, 81, 12]
    assert merged.are_compared.tolist() == [True, True, False, True]


def test_components_are_the_sets_of_items_that_pairs_connect() -> None:
    assert sorted(map(sorted, find_components([(1, 2), (5, 6), (2, 3), (6, 1), (8, 9)]))) == [[1, 2, 3, 5, 6], [8, 9]]
    assert find_components([]) == []


def test_blank_pictures_are_duplicates_only_if_their_bytes_are_equal(library: Library, catalogue: Catalogue) -> None:
    first, second, _ = library.add(*[Image.new("RGB", (320, 240), "white") for _ in range(3)])
    with catalogue.transaction() as transaction:
        transaction.put([Arrival("k1", hash=bytes([0]), uri="file:///1", vector=vectors(1)[0])], library.space.id)
    library.collector.advance()
    assert library.pairs() == {(first, second): "same pixels"}
