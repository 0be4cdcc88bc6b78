"""Another database in the place of the open one: noticed, said, opened; and put there in one step."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from indexers.catalogue import replacement
from indexers.catalogue import sqlite as database
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.rescue import rescue_catalogue
from indexers.errors import CollectionNotFound, CollectionReplaced
from indexers.types import Arrival
from retrieval import Collection
from tests.conftest import vectors


def make_collection(folder: Path, count: int) -> None:
    with Collection.open(folder, create=True) as collection:
        collection.add_vectors(vectors(count), keys=[f"k{n}" for n in range(count)])


def put_back(folder: Path) -> None:
    """Put a copy in the place of the database, made before the last batch."""
    os.replace(folder / "copy", folder / database.FILE)


def make_anew(folder: Path) -> None:
    shutil.rmtree(folder)
    make_collection(folder, 50)


@pytest.mark.parametrize(("swap", "left"), [(put_back, 300), (rescue_catalogue, 310), (make_anew, 50)])
def test_what_is_acknowledged_goes_into_the_database_that_has_the_name(
    tmp_path: Path, swap: Callable[[Path], object], left: int
) -> None:
    folder = tmp_path / "c"
    make_collection(folder, 300)
    shutil.copyfile(folder / database.FILE, folder / "copy")
    with Collection.open(folder) as collection:
        collection.add_vectors(vectors(10, 3), keys=[f"later{n}" for n in range(10)])  # lies in the log
        swap(folder)
        assert collection.count() == left
        collection.add_vectors(vectors(20, 5), keys=[f"late{n}" for n in range(20)])
        assert collection.search(vector=vectors(20, 5)[3], k=1)[0].key == "late3"
        assert any("has replaced the open one" in repair for repair in collection.info().repairs)
        with Collection.open(folder) as fresh:
            assert fresh.count() == left + 20
            assert fresh.verify().ok


def test_a_batch_during_which_the_database_was_replaced_is_not_acknowledged(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival("a")])
    with Catalogue.create(catalogue.folder / "other").transaction() as writing:
        writing.put([Arrival("b")])
    shutil.copyfile(catalogue.folder / "other" / database.FILE, catalogue.folder / "copy")
    with pytest.raises(CollectionReplaced, match="Call again"), catalogue.transaction() as writing:  # noqa: PT012
        writing.put([Arrival("c")])
        put_back(catalogue.folder)
    with pytest.raises(CollectionReplaced), catalogue.snapshot():
        pytest.fail("it reads a file without a name")


def test_a_database_that_is_gone_is_not_made_anew_by_looking(tmp_path: Path) -> None:
    make_collection(tmp_path / "c", 5)
    collection = Collection.open(tmp_path / "c")
    (tmp_path / "c" / database.FILE).unlink()
    with pytest.raises(CollectionNotFound):
        collection.count()
    assert not (tmp_path / "c" / database.FILE).exists()
    collection.close()


def fork(job: Callable[[], object]) -> None:
    """Do a job in a process of its own, which may be killed."""
    child = os.fork()
    if child == 0:
        job()
        os._exit(0)
    os.waitpid(child, 0)


def rescue_until_killed(folder: Path, step: int) -> None:
    """Rescue, and die before the `step`-th rename or fsync of it."""
    count = 0

    def wrap(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    os.replace, os.fsync = wrap(os.replace), wrap(os.fsync)  # type: ignore[assignment]
    rescue_catalogue(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("is_rescued_again", [True, False])
def test_a_rescue_killed_at_any_step_loses_nothing(tmp_path: Path, is_rescued_again: bool) -> None:
    def fill(folder: Path) -> None:  # and not closed: all of it lies in the log
        Collection.open(folder, create=True).add_vectors(vectors(40))

    for step in range(1, 14):
        folder = tmp_path / str(step)
        fork(lambda folder=folder: fill(folder))  # type: ignore[misc]
        fork(lambda folder=folder, step=step: rescue_until_killed(folder, step))  # type: ignore[misc]
        if is_rescued_again:
            assert rescue_catalogue(folder)["item"] == 40
        with Collection.open(folder) as collection:
            assert collection.count() == 40
        assert not (folder / replacement.READY).exists()


def test_an_earlier_rescue_s_damaged_file_is_kept(tmp_path: Path) -> None:
    make_collection(tmp_path / "c", 5)
    for _ in range(2):
        rescue_catalogue(tmp_path / "c")
    assert (tmp_path / "c" / f"{database.FILE}.damaged").is_file()
    assert (tmp_path / "c" / f"{database.FILE}.damaged-1").is_file()
