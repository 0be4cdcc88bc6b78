"""A forked process inherits no open database: it opens its own, or is refused."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexers.catalogue import forks
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import CatalogueError, CollectionReplaced
from indexers.types import Arrival
from retrieval import Collection
from tests.conftest import vectors

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def run_in_child(job: Callable[[], object]) -> str:
    """Return what a job returns, or its error, in a forked process."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            text = str(job())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        text = file.read().decode()
    os.wait()
    return text


def test_a_child_opens_the_collection_by_itself_and_its_items_last(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(20), keys=[f"k{n}" for n in range(20)])

        def work() -> str:
            collection.add_vectors(vectors(1, 5), keys=["child"])
            return f"{collection.search(vector=vectors(1, 5)[0], k=1)[0].key} {collection.count()}"

        assert run_in_child(work) == "child 21"
        assert collection.count() == 21
        assert collection.search(vector=vectors(1, 5)[0], k=1)[0].key == "child"


def test_what_a_child_adds_after_its_parent_has_closed_is_kept(tmp_path: Path) -> None:
    collection = Collection.open(tmp_path / "c", create=True)
    collection.add_vectors(vectors(20))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(reading, 1)
        collection.add_vectors(vectors(5, 5), keys=[f"child{n}" for n in range(5)])
        os._exit(0)
    collection.close()
    with Collection.open(tmp_path / "c") as second:
        second.add_vectors(vectors(3, 7))
        os.write(writing, b"x")
        assert os.waitpid(child, 0)[1] == 0
        assert second.count() == 28
    for handle in (reading, writing):
        os.close(handle)


def test_a_catalogue_of_another_process_is_refused(catalogue: Catalogue) -> None:
    def read() -> None:
        with catalogue.snapshot():
            pass

    def write() -> None:
        with catalogue.transaction() as writing:
            writing.put([Arrival("a")])

    for step in (read, write):
        assert run_in_child(step).startswith(
            f"{CollectionReplaced.__name__}: {catalogue.database.path} was opened by process"
        )


def test_a_fork_waits_for_the_transaction_of_another_thread(catalogue: Catalogue) -> None:
    is_inside = threading.Event()

    def hold() -> None:
        with catalogue.snapshot():
            is_inside.set()
            time.sleep(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    is_inside.wait(10)
    assert run_in_child(lambda: catalogue.reopen().database.path) == str(catalogue.database.path)
    thread.join()


def test_a_fork_waits_until_a_transaction_has_begun_or_ended(catalogue: Catalogue) -> None:
    """SQLite takes locks before it says that a transaction has begun, and keeps them after it has said that it is over:
    a child forked then would find the database locked for ever."""
    is_inside, was_left = threading.Event(), threading.Event()

    def begin() -> None:
        with catalogue.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with driver.switch():
                is_inside.set()
                time.sleep(0.1)
                was_left.set()

    thread = threading.Thread(target=begin)
    thread.start()
    is_inside.wait(10)
    assert run_in_child(lambda: (was_left.is_set(), catalogue.database.forks.was_in_use)) == "(True, False)"
    thread.join()


def test_no_transaction_begins_during_a_fork(catalogue: Catalogue) -> None:
    catalogue.database.forks.before_fork()
    thread = threading.Thread(target=lambda: catalogue.snapshot().__enter__())
    thread.start()
    thread.join(0.1)
    assert catalogue.engine.pool.count_in_use() == 0  # type: ignore[attr-defined]
    catalogue.database.forks.after_fork_in_parent()
    thread.join(10)
    assert not thread.is_alive()


def test_a_child_of_a_process_that_is_reading_is_refused(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "WAIT_SECONDS", 0.05)
    with catalogue.snapshot():
        text = run_in_child(catalogue.reopen)
    assert text.startswith(f"{CatalogueError.__name__}: this process was forked while")
    assert "spawn" in text
