"""What files say, beside what users say."""

from __future__ import annotations

from typing import Any

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.file_metadata import TEXT, FileMetadata, has_changed
from indexers.types import Arrival, FoundFile, PictureFacts

SIDECAR = FoundFile("/a.xmp", "/a.xmp", 5, 6, 7, 8)
FILE = FoundFile("/a.jpg", "/a.jpg", 1, 2, 3, 4, SIDECAR)


def follow(file: FileMetadata, values: dict[str, Any], **said: Any) -> dict[str, Any]:
    """Return the values after the picture's own file has come to say this."""
    file.embedded = said
    return file.apply(values)


def test_values_follow_the_file() -> None:
    file = FileMetadata()
    values = follow(file, {}, rating=3, title="a")
    assert values == {"rating": 3, "title": "a", TEXT: "a"}
    assert follow(file, values, rating=4) == {"rating": 4}


@pytest.mark.parametrize("own", [{"rating": 5}, {}])
def test_what_a_user_changed_or_removed_stays_so(own: dict[str, Any]) -> None:
    file = FileMetadata()
    follow(file, {}, rating=3)
    values = own
    for rating in (3, 4, 5):
        values = follow(file, values, rating=rating, label="Red")
        assert values == own | {"label": "Red"}


def test_what_a_user_said_before_the_file_stays() -> None:
    file = FileMetadata()
    assert follow(file, {"rating": 3}, rating=3, label="Red") == {"rating": 3, "label": "Red"}
    assert follow(file, {"rating": 3, "label": "Red"}, rating=4) == {"rating": 3}


def test_what_a_user_claims_stays() -> None:
    file = FileMetadata()
    values = follow(file, {}, rating=3)
    assert file.claim(["rating", "other"])
    assert not file.claim(["rating"])
    assert follow(file, values, rating=4) == {"rating": 3}
    assert file.select_own({"rating": 3, "note": 1}) == {"rating": 3, "note": 1}


def test_what_an_older_version_took_over_is_the_files() -> None:
    file = FileMetadata(is_new=True)
    assert follow(file, {"camera": "X", "note": "mine"}, camera="X") == {"camera": "X", "note": "mine"}
    assert file.select_own({"camera": "X", "note": "mine"}) == {"note": "mine"}


def test_a_sidecar_counts_before_the_file() -> None:
    file = FileMetadata(embedded={"rating": 1, "tags": ["a"]})
    file.note_sidecar(FILE, {"rating": 2, "tags": ["b"], "taken_at": "2003-05-17T00:00:00"})
    assert file.combine() == {"rating": 2, "tags": ["b"], "taken_at": "2003-05-17T00:00:00"}
    assert file.apply({}) == {"rating": 2, "tags": ["b"]}
    file.note_sidecar(FILE, None)  # it is broken now
    assert file.combine()["rating"] == 2
    file.note_sidecar(FoundFile("/a.jpg", "/a.jpg", 1, 2, 3, 4), None)  # it is gone
    assert file.combine() == {"rating": 1, "tags": ["a"]}


def test_sidecars_of_several_places_are_joined() -> None:
    file = FileMetadata()
    file.note_sidecar(FILE, {"tags": ["a", "b"], "rating": 1})
    file.note_sidecar(FoundFile("/b.jpg", "/b.jpg", 1, 2, 3, 4, SIDECAR), {"tags": ["b", "c"], "label": "Red"})
    assert file.combine() == {"tags": ["a", "b", "c"], "rating": 1, "label": "Red"}


def test_a_sidecar_that_changed_is_noticed() -> None:
    file = FileMetadata()
    assert has_changed(FILE, file.sidecars)
    assert not has_changed(FoundFile("/a.jpg", "/a.jpg", 1, 2, 3, 4), file.sidecars)
    file.note_sidecar(FILE, {})
    assert not has_changed(FILE, file.sidecars)
    assert has_changed(FoundFile("/a.jpg", "/a.jpg", 1, 2, 3, 4), file.sidecars)


def test_it_is_stored_with_its_item_and_goes_with_it(catalogue: Catalogue) -> None:
    facts = PictureFacts(4, 3, "PNG", description={"rating": 4})
    with catalogue.transaction() as writing:
        [(item_id, _)] = writing.put(
            [Arrival(hash=b"a" * 20, facts=facts, uri="/a.jpg", file=FILE, sidecar={"tags": ["a"]})]
        )
    with catalogue.snapshot() as snapshot:
        file = snapshot.files.load([item_id])[item_id]
        assert (file.embedded, file.applied, file.is_new) == ({"rating": 4}, {"rating": 4, "tags": ["a"]}, False)
        assert list(snapshot.files.sidecars([item_id])[item_id]) == ["/a.jpg"]
    with catalogue.transaction() as writing:
        writing.remove([item_id])
    with catalogue.snapshot() as snapshot:
        assert snapshot.files.load([item_id]) == {item_id: FileMetadata(is_new=True)}
