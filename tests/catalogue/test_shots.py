"""How pictures were taken, read from the catalogue for all at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.shots import ShotRow
from indexers.types import Arrival, FoundFile, PictureFacts
from retrieval import Collection

CAPTURE = {"at": "2024-05-17T10:20:30.25", "exposure": 0.01, "bracketed": True}
FACTS = PictureFacts(40, 30, "JPEG", "2024-05-17T10:20:30", "Canon R5", capture=CAPTURE)


def make_arrival(name: str, facts: PictureFacts = FACTS, content: str = "") -> Arrival:
    """Return a picture that lies at /NAME.jpg."""
    path = f"/{name}.jpg"
    return Arrival(
        hash=(content or name).ljust(20).encode(), facts=facts, uri=path, file=FoundFile(path, path, 1, 2, 3, 4)
    )


def put(catalogue: Catalogue, arrivals: Sequence[Arrival]) -> list[int]:
    """Store arrivals; return their ids."""
    with catalogue.transaction() as writing:
        return [stored[0] for stored in writing.put(arrivals)]


def read(catalogue: Catalogue, item_ids: Sequence[int] | None = None) -> list[ShotRow]:
    with catalogue.snapshot() as snapshot:
        return snapshot.shots.rows(item_ids)


def test_a_shot_says_all_that_its_file_says_of_it(catalogue: Catalogue) -> None:
    [item_id] = put(catalogue, [make_arrival("a")])
    assert read(catalogue) == [
        ShotRow(
            item_id, b"a".ljust(20), 40, 30, "JPEG", "2024-05-17T10:20:30", "Canon R5", CAPTURE, "/a.jpg"
        )
    ]  # fmt: skip


def test_what_no_file_says_is_not_known(catalogue: Catalogue) -> None:
    put(catalogue, [make_arrival("a", PictureFacts(4, 3, "PNG"))])
    [row] = read(catalogue)
    assert (row.taken_at, row.camera, row.capture) == (None, None, {})


def test_the_camera_that_a_person_states_counts(catalogue: Catalogue) -> None:
    [item_id] = put(catalogue, [make_arrival("a", PictureFacts(4, 3, "PNG"))])
    with catalogue.transaction() as writing:
        writing.update(item_id, {"camera": "Leica M3"})
    assert [row.camera for row in read(catalogue)] == ["Leica M3"]


def test_pictures_whose_files_have_vanished_are_left_out_until_they_are_back(catalogue: Catalogue) -> None:
    first, second = put(catalogue, [make_arrival("a"), make_arrival("b")])
    with catalogue.transaction() as writing:
        writing.mark_missing(["/a.jpg"])
    assert [row.id for row in read(catalogue)] == [second]
    assert read(catalogue, [first]) == []
    with catalogue.transaction() as writing:
        writing.mark_present([FoundFile("/a.jpg", "/a.jpg", 1, 2, 3, 4)])
    assert [row.id for row in read(catalogue)] == [first, second]


def test_of_two_places_that_which_is_there_is_told(catalogue: Catalogue) -> None:
    first, again = put(catalogue, [make_arrival("a"), make_arrival("b", content="a")])
    assert first == again
    assert [row.uri for row in read(catalogue)] == ["/a.jpg"]
    with catalogue.transaction() as writing:
        writing.mark_missing(["/a.jpg"])
    assert [row.uri for row in read(catalogue)] == ["/b.jpg"]


def test_a_picture_that_lies_nowhere_is_a_shot_too(catalogue: Catalogue) -> None:
    put(catalogue, [Arrival(key="k", hash=b"k" * 20, facts=FACTS)])
    assert [(row.uri, row.capture) for row in read(catalogue)] == [(None, CAPTURE)]


def test_ready_made_vectors_are_no_shots(ready_made: Collection) -> None:
    assert ready_made.count() == 20
    assert read(ready_made._catalogue) == []


def test_a_picture_whose_size_is_not_known_is_none(catalogue: Catalogue) -> None:
    put(catalogue, [Arrival(key="k", hash=b"k" * 20)])
    assert read(catalogue) == []


@pytest.mark.parametrize("count", [0, 2, 1500])
def test_as_many_as_are_named_are_read_by_id(catalogue: Catalogue, count: int) -> None:
    """Also more than fit into one statement."""
    ids = put(catalogue, [make_arrival(str(number)) for number in range(count + 3)])
    assert [row.id for row in read(catalogue, ids[:count])] == sorted(ids[:count])
    assert read(catalogue, [max(ids) + 1]) == []
