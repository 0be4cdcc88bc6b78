"""Evidence about duplicates of real pictures, without a collection around it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PictureHashes
from indexers.errors import UnreadablePicture
from indexers.followers.evidence import (
    DUPLICATE_KINDS,
    EvidenceCollector,
    EvidenceReport,
    find_components,
    merge_hashes,
)
from indexers.types import Arrival, Space
from tests.conftest import vectors
from tests.support.followers import make_flat

pytest.importorskip("cv2", reason="finding points without OpenCV takes half a second a picture")


def texture(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Return a picture of coloured spots that no other seed has."""
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize(size)


class Library:
    """Pictures by item id, the evidence about them, and what was loaded for it."""

    def __init__(self, catalogue: Catalogue, space: Space) -> None:
        self.catalogue, self.space = catalogue, space
        self.pictures: dict[int, Image.Image | None] = {}
        self.loaded: list[tuple[int, int]] = []
        self.flat = make_flat(catalogue, space)
        self.collector = EvidenceCollector(catalogue, lambda: self.flat.index, self.load, workers=2)

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
    report = library.collector.advance(lambda done, total: steps.append((done, total)))
    assert report == EvidenceReport(hashed=4, unread=(), verified=3)
    assert steps == [(4, 4)]
    assert library.pairs() == {(1, 2): "same pixels", (1, 3): "same picture", (2, 3): "same picture"}


def test_similar_vectors_make_a_candidate_too(library: Library) -> None:
    library.add(texture(1), texture(2))
    assert library.collector.advance().verified == 0
    library.collector.near = -1.0  # every pair is similar enough
    library.add(texture(3))
    assert library.collector.advance() == EvidenceReport(hashed=1, unread=(), verified=2)
    assert library.pairs() == {}  # looked at, and different pictures


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
    assert library.collector.advance() == EvidenceReport(hashed=2, unread=(unreadable,), verified=1)


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
    return PictureHashes(np.array(items, np.int64), words, words + np.uint64(100), words % np.uint64(2) == 1)


def test_hashes_that_were_read_again_replace_those_that_were_known() -> None:
    known = hashes_of(1, 3, 5, 8)
    merged = merge_hashes(known, [3, 4, 8], hashes_of(3, 4, word=lambda item_id: 70 + item_id))
    assert merged.item_ids.tolist() == [1, 3, 4, 5]  # 8 was asked for and is gone
    assert merged.hashes.tolist() == [1, 73, 74, 5]
    assert merged.mirrored_hashes.tolist() == [101, 173, 174, 105]
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
