"""Verify finds each kind of damage, mends what is derived, and says what it can't mend."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.catalogue import sqlite as database
from retrieval import Collection
from tests.conftest import vectors
from tests.support.pictures import noise


@pytest.fixture
def collection_folder(tmp_path: Path) -> Path:
    """A closed collection of forty vectors."""
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(40), keys=[f"k{n}" for n in range(40)], metadata=[{"n": n} for n in range(40)])
    return collection.path


def execute(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / database.FILE, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def flip(folder: Path) -> None:
    for path in folder.rglob("payload-*"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 255
        path.write_bytes(data)


def test_a_sound_collection_is_well(collection_folder: Path) -> None:
    with Collection.open(collection_folder) as collection:
        report = collection.verify()
    assert (report.ok, report.problems, report.repaired) == (True, (), ())
    assert len(report.checked) >= 4
    assert "the neighbour graph of the space 'vectors' (100.00% of a sample are right)" in report.checked


def test_a_neighbour_graph_that_is_wrong_is_made_again(collection_folder: Path) -> None:
    with Collection.open(collection_folder) as collection:
        collection.catch_up()
        view = collection._spaces.view()
        assert view
        assert view.tree
        lists = view.tree.graph.lists
        lists.near[:, 3:] = (lists.near[:, :1] + 7) % 40
        problems = "\n".join(collection.verify().problems)  # levels, which are cut along its links, differ as well
        assert re.search("tree: of the neighbours in its graph, .*% of a sample are right", problems)
        assert collection.verify(repair=True).ok
        assert collection.verify().ok


IN_THE_DATABASE = {
    "a row of a filter lost": ("DELETE FROM attribute WHERE item = 3", "filters: the rows of 1 items"),
    "a row of a filter changed": ("UPDATE attribute SET number = 99 WHERE item = 3", "filters: .*the first is 3"),
    "a row of a filter too many": (
        "INSERT INTO attribute (item, key, element, text) VALUES (5, 'x', 0, 'y')",
        "filters: .*the first is 5",
    ),
    "metadata changed by hand": ("""UPDATE item SET metadata = '{"n": 7, "m": 8}' WHERE id = 2""", "filters: "),
}


@pytest.mark.parametrize("what", IN_THE_DATABASE)
def test_what_filters_read_is_mended(collection_folder: Path, what: str) -> None:
    statement, words = IN_THE_DATABASE[what]
    execute(collection_folder, statement)
    with Collection.open(collection_folder) as collection:
        report = collection.verify()
        assert not report.ok
        assert re.search(words, " ".join(report.problems))
        repair_report = collection.verify(repair=True)
        assert repair_report.ok
        assert repair_report.repaired
        assert collection.verify().ok
        for item in collection.items().items:
            assert collection.count(where={"id": item.id, **item.metadata}) == 1


ON_DISK: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "headers gone": lambda folder: [path.unlink() for path in folder.rglob("header")],
    "payloads gone": lambda folder: [path.unlink() for path in folder.rglob("payload-*")],
    "emptied": lambda folder: [path.write_bytes(b"") for path in folder.rglob("payload-*")],
}


@pytest.mark.parametrize("what", ON_DISK)
def test_damage_to_derived_files_is_found_and_mended(collection_folder: Path, what: str) -> None:
    with Collection.open(collection_folder) as collection:
        before = collection.search(vector=vectors(1)[0]).to_dict()
        ON_DISK[what](collection_folder / "spaces")  # while it is open: what is in memory is still good
        report = collection.verify()
        assert not report.ok
        assert {"flat", "index"} <= {problem.split(":")[0] for problem in report.problems} <= {"flat", "index", "tree"}
        assert collection.verify(repair=True).ok
        assert collection.verify().ok
        assert collection.search(vector=vectors(1)[0]).to_dict() == before
    with Collection.open(collection_folder) as again:
        assert again.info().repairs == ()


def find_index(collection: Collection, number: int) -> Any:
    view = collection._spaces.current
    assert view is not None
    return view.followers.members[number].index  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [0, 1])
def test_what_memory_holds_is_compared_too(collection_folder: Path, number: int) -> None:
    with Collection.open(collection_folder) as collection:
        find_index(collection, number).remove(np.array([1, 2]))
        assert "lacks 2 vectors (the first is of item 1)" in " ".join(collection.verify().problems)
        find_index(collection, number).add(np.array([1, 2, 77]), vectors(3))
        assert "still holds 1 removed vectors" in " ".join(collection.verify().problems)
        assert collection.verify(repair=True).ok
        assert collection.verify().ok


@pytest.mark.parametrize("number", [0, 1])
def test_vectors_that_were_mixed_up_are_found(collection_folder: Path, number: int) -> None:
    with Collection.open(collection_folder) as collection:
        find_index(collection, number).add(np.arange(1, 41), vectors(40, seed=5))
        assert "do not find themselves" in " ".join(collection.verify().problems)
        assert collection.verify(repair=True).ok
        assert collection.search(vector=vectors(1)[0], k=1)[0].key == "k0"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE vector SET data = substr(data, 1, 20) WHERE item = 4", "the first is item 4"),
        ("UPDATE vector SET data = zeroblob(0) WHERE item = 4", "the first is item 4"),
        ("UPDATE vector SET data = data || data WHERE item = 4", "the first is item 4"),
        ("UPDATE vector SET data = x'0000C07F' || substr(data, 5) WHERE item = 4", "the first is item 4"),
        ("DELETE FROM item WHERE id = 4", "refers to a missing item"),
    ],
)
def test_what_only_a_person_can_mend_is_said(collection_folder: Path, statement: str, words: str) -> None:
    execute(collection_folder, statement)
    with Collection.open(collection_folder) as collection:
        for repair in (False, True):
            report = collection.verify(repair=repair)
            assert not report.ok
            assert words in " ".join(report.problems)
            assert report.repaired == ()


@pytest.mark.parametrize("index", ["hnsw", "usearch", "faiss", "rabitq"])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_each_metric_finds_itself(tmp_path: Path, metric: str, index: str) -> None:
    pytest.importorskip({"hnsw": "hnswlib", "rabitq": "rabitqlib"}.get(index, index))
    with Collection.open(tmp_path / metric, create=True, metric=metric, index=index) as collection:
        collection.add_vectors(vectors(300) * np.linspace(0.01, 100, 300)[:, None])
        assert collection.verify().ok


def test_pictures_are_read_from_their_disk_when_asked(
    tmp_path: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    place = tmp_path / "p"
    place.mkdir()
    for number in range(6):
        noise(number).save(place / f"{number}.png")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(place)
        collection.add_vectors(vectors(1, dimension=collection.info().dimension or 0), uris=["/nowhere.png"])
        assert collection.verify(pictures=True).ok
        (place / "0.png").unlink()
        collection.sync(place)
        (place / "1.png").unlink()
        (place / "2.png").write_bytes((place / "3.png").read_bytes())
        (place / "4.png").chmod(0)
        assert collection.verify().ok
        steps: list[tuple[int, int]] = []
        with unprivileged():
            report = collection.verify(pictures=True, repair=True, progress=lambda *step: steps.append(step))
        (place / "4.png").chmod(0o600)
    assert not report.ok
    assert report.problems == (
        f"pictures: 1 files are missing: {place / '1.png'}",
        f"pictures: 1 files are changed: {place / '2.png'}",
        f"pictures: 1 files are unreadable: {place / '4.png'}",
    )
    assert report.checked[-1] == "the files of the pictures (5), 1 items are known to have vanished"
    assert report.repaired == ()
    assert steps == [(7, 7)]


def test_many_bad_pictures_are_counted(tmp_path: Path) -> None:
    for number in range(8):
        noise(number).save(tmp_path / f"{number}.png")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add([str(path) for path in tmp_path.glob("*.png")])
        for path in tmp_path.glob("*.png"):
            path.unlink()
        problem = collection.verify(pictures=True).problems[0]
    assert re.match(r"pictures: 8 files are missing: .*(, .*){4} and 3 more$", problem)
