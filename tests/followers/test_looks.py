"""The gate before the proofs: what passes it, and that each picture is looked at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageOps

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.duplicates import PictureHashes
from indexers.followers import looks
from indexers.followers.looks import Guest, Pair, PairGate
from indexers.matching import hashes
from indexers.matching.coarse import look_at
from indexers.matching.compact import QUERY_POINTS, extract_compact
from indexers.matching.features import extract_features, pack_features
from indexers.types import Space
from tests.followers.test_evidence import Library, texture


@pytest.fixture
def library(catalogue: Catalogue, space: Space) -> Library:
    library = Library(catalogue, space)
    whole = texture(1)
    library.add(whole, ImageOps.mirror(whole), whole.crop((60, 40, 260, 200)), texture(2), texture(3))
    library.finder.near = 2.0
    library.collector.advance()
    library.loaded.clear()
    return library


def keep(library: Library, gate: PairGate, *pairs: Pair) -> list[Pair]:
    with library.catalogue.snapshot() as snapshot:
        known = library.finder.read_hashes(snapshot)
    with ThreadPoolExecutor(2) as pool:
        return gate.keep(pool, pairs, known)


def test_copies_and_parts_pass_and_other_pictures_do_not(library: Library) -> None:
    gate = PairGate(library.catalogue, library.load)
    assert keep(library, gate, (1, 2), (1, 3), (1, 4), (2, 4), (4, 5)) == [(1, 2), (1, 3)]
    assert keep(library, gate) == []


def test_each_picture_is_looked_at_once_until_it_changes(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    with library.catalogue.transaction() as transaction:
        transaction.duplicates.put_features({1: pack_features(extract_features(texture(1))), 2: b"damaged"})
    gate = PairGate(library.catalogue, library.load)
    for _ in range(2):
        assert keep(library, gate, (1, 2)) == [(1, 2)]
    assert [item_id for item_id, _ in library.loaded] == [2], "the first one's features are stored"
    gate.forget([2])
    keep(library, gate, (1, 2))
    assert [item_id for item_id, _ in library.loaded] == [2, 2]
    gate.forget(None)
    monkeypatch.setattr(looks, "MAX_LOOKS", 1)
    keep(library, gate, (1, 2))
    assert len(gate._looks) == 1


def test_what_can_not_be_read_is_left_to_the_proof(library: Library) -> None:
    library.pictures[2] = None
    assert keep(library, PairGate(library.catalogue, library.load), (1, 2)) == [(1, 2)]


def test_far_hashes_are_told_from_those_of_a_view() -> None:
    words = np.zeros((3, hashes.VIEWS), np.uint64)
    words[1] = 2**32 - 1  # 32 bits from nothing, and from its opposite
    words[2, 0] = 2**64 - 1  # inverted
    known = PictureHashes(np.array([1, 2, 3]), words, np.ones(3, bool))
    assert looks._are_far([(1, 2), (1, 3), (1, 99)], known).tolist() == [True, False, False]
    nothing = known._replace(item_ids=known.item_ids[:0], hashes=known.hashes[:0])
    assert not looks._are_far([(1, 2)], nothing).any()
    assert len(looks._are_far([], known)) == 0


def test_a_picture_from_outside_passes_with_its_copies_alone(library: Library) -> None:
    gate = PairGate(library.catalogue, library.load)
    with library.catalogue.snapshot() as snapshot:
        known = library.finder.read_hashes(snapshot)

    def keep_for(image: Image.Image) -> list[int]:
        hashed = np.array(hashes.hash_picture(image), np.uint64)
        return gate.keep_for(
            Guest(extract_compact(image, limit=QUERY_POINTS), look_at(image), hashed), range(1, 6), known
        )

    assert keep_for(texture(1).resize((200, 150))) == [1, 2, 3]
    assert keep_for(texture(2).rotate(90, expand=True)) == [4]
    assert keep_for(texture(9)) == []
