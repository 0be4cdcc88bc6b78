"""What was created in vain is taken away again, and nothing that holds anything, or that anybody else has open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.discarding import discard_on_failure
from indexers.types import Arrival, Failure


class Refusal(Exception):
    pass


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "pictures" / "2024" / "collection"


def fail(place: Path, work: Callable[[], object]) -> None:
    """Do something that ends in a failure."""

    def run() -> None:
        with discard_on_failure(place):
            work()
            raise Refusal

    with pytest.raises(Refusal):
        run()


def test_what_holds_nothing_goes_with_its_folders(place: Path, tmp_path: Path) -> None:
    def create() -> None:
        catalogue = Catalogue.create(place)
        with catalogue.transaction() as writing:
            writing.add_space("s", None, {}, "", 8, "cosine")
        catalogue.close()
        (place / "spaces" / "1").mkdir(parents=True)

    fail(place, create)
    assert not list(tmp_path.iterdir())


def test_folders_and_files_that_were_there_stay(place: Path) -> None:
    place.mkdir(parents=True)
    (place / "nearkin.toml").write_text("ef = 100\n")
    fail(place, lambda: Catalogue.create(place).close())
    assert [path.name for path in place.iterdir()] == ["nearkin.toml"]


def test_without_failure_it_stays(place: Path) -> None:
    with discard_on_failure(place):
        Catalogue.create(place).close()
    fail(place, lambda: None)  # it was there before
    Catalogue.open(place).close()


@pytest.mark.parametrize("content", ["item", "failure", "history"])
def test_what_holds_anything_stays(place: Path, content: str) -> None:
    def create() -> None:
        catalogue = Catalogue.create(place)
        with catalogue.transaction() as writing:
            if content == "failure":
                writing.record_failures([(Failure("/a", "damaged"), None)])
            else:
                writing.put([Arrival("a")])
        if content == "history":
            with catalogue.transaction() as writing:
                writing.remove(writing.resolve(["a"]))
        catalogue.close()

    fail(place, create)
    Catalogue.open(place).close()


def test_what_somebody_else_has_open_stays(place: Path) -> None:
    readers: list[Catalogue] = []

    def create() -> None:
        Catalogue.create(place).close()
        readers.append(Catalogue.open(place))
        with readers[0].snapshot() as snapshot:
            assert snapshot.count() == 0

    fail(place, create)
    with readers[0].snapshot() as snapshot:
        assert snapshot.count() == 0
    readers[0].close()


def test_a_collection_that_was_never_created_is_nothing_to_delete(place: Path) -> None:
    fail(place, lambda: None)
    assert not place.exists()
