"""What is asked beside a writer: answers belong to one moment, and say to which."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from retrieval import Collection
from tests.clusters.test_browse import family


def test_clusters_are_browsed_while_pictures_come(tmp_path: Path) -> None:
    """Another thread adds and removes; every answer is whole: members that exist, sizes that fit, nested levels."""
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(np.concatenate([family(number, 30) for number in range(4)]))
        stop, failed = threading.Event(), []

        def write() -> None:
            try:
                for step in range(12):
                    collection.add_vectors(family(step % 6, 9, seed=step + 1), keys=[f"k{step}-{n}" for n in range(9)])
                    if step % 3 == 2:
                        collection.remove([f"k{step - 1}-{n}" for n in range(9)])
            except Exception as error:
                failed.append(error)
            finally:
                stop.set()

        thread = threading.Thread(target=write)
        thread.start()
        asked = 0
        while not stop.is_set() or not asked:
            found = collection.clusters()
            assert all(one.size == len(one.members) for one in found)
            assert all(one.medoid in one.members for one in found)
            hits = collection.search(vector=family(1, 1)[0], k=10, per_cluster=2, level="medium")
            assert len(hits) >= 4
            collection.outliers(3)
            asked += 1
        thread.join()
        assert failed == []
        assert collection.clusters().as_of == collection.info().change


def test_a_reader_sees_what_a_writer_without_clusters_has_added(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as writer, Collection.open(tmp_path / "c") as reader:
        writer.add_vectors(family(0, 20), catch_up=False)
        assert reader.count() == 20
        with writer._catalogue.transaction():
            busy = Collection.open(tmp_path / "c", wait=0.05)
            assert busy.clusters().as_of < busy.info().change  # nobody may write: it says how far it is
            busy.close()
        assert reader.clusters("coarse").as_of == reader.info().change
