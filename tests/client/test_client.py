"""The client gives what a collection gives, and fails as it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage import data

from indexers.errors import (
    BadFilter,
    BadQuery,
    ClusteringNotFound,
    ClusterNotFound,
    ItemNotFound,
    NearkinError,
    NoTextTower,
    NotFound,
    SpaceNotFound,
    Unavailable,
    UnreadablePicture,
    UsageError,
)
from retrieval import Collection, item
from retrieval.client.client import Client, NotAllowed, ServerFault
from tests.support.serving import READ, WRITE, AppTransport, make_png, open_client


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    for group, colour in enumerate(("red", "green", "blue")):
        for number in range(5):
            image = Image.new("RGB", (60, 40), colour)
            image.paste((255, 255, 255), (0, 0, 4 + 3 * number, 4 + group))
            image.save(folder / f"{colour}{number}.png")
    cat = Image.fromarray(data.chelsea()).resize((300, 200))
    cat.save(folder / "cat.png")
    cat.resize((240, 160)).save(folder / "cat-small.jpg", quality=85)
    return folder


@pytest.fixture(scope="module")
def collection(place: Path) -> Iterator[Collection]:
    files = sorted(place.glob("*.*"))
    with Collection.open(place / "collection", create=True, embedder="tiny") as made:
        made.add(files, metadata=[{"name": one.stem} for one in files], texts=[one.stem for one in files])
        made.catch_up()
        yield made


@pytest.fixture(scope="module")
def client(collection: Collection, place: Path) -> Iterator[Client]:
    with (
        open_client(collection, headers={}) as inside,
        Client("http://localhost", transport=AppTransport(inside)) as made,
    ):
        yield made


def to_plain(found: Any) -> Any:
    """As JSON, without what depends on the clock."""
    if isinstance(found, tuple | list):
        return [to_plain(one) for one in found]
    if hasattr(found, "to_dict"):
        said = json.loads(json.dumps(found.to_dict()))
        return {name: one for name, one in said.items() if name not in ("seconds", "path", "bytes")}
    return found


CALLS: dict[str, Any] = {
    "by item": lambda one: one.search(item=1, k=5),
    "by key": lambda one: one.search(item=one.get(2).key),
    "by vector": lambda one: one.search(vector=np.linspace(0, 1, 13), k=3),
    "by mix": lambda one: one.search(mix=[(item(1), 1), (item(9), -0.5), ([1.0] * 13, 0.2)], k=4),
    "by words": lambda one: one.search(query="red0"),
    "filtered": lambda one: one.search(item=1, where={"name": {"$contains": "red"}}, k=30),
    "within": lambda one: one.search(item=1, within=one.clusters("coarse")[0], k=30),
    "not within": lambda one: one.search(item=1, exclude=[one.clusters("coarse")[0].id], k=30),
    "few each": lambda one: one.search(item=1, per_cluster=1, level="coarse", k=10),
    "grouped": lambda one: one.search(item=1, group=True, level="coarse"),
    "diverse": lambda one: one.search(item=1, diversify=0.7, k=5),
    "radius": lambda one: one.search(item=1, radius=0.9),
    "groups": lambda one: one.search(item=1, group=True, level="coarse").groups,
    "one": lambda one: one.get(3),
    "one by NumPy": lambda one: one.get(np.int64(3)),
    "several": lambda one: one.get([3, 1, one.get(2).key]),
    "page": lambda one: one.items(limit=4),
    "next page": lambda one: one.items(limit=4, cursor=4, where={"name": {"$exists": True}}),
    "count": lambda one: one.count(where={"name": "red1"}),
    "change": lambda one: one.change(),
    "info": lambda one: one.info(),
    "clusters": lambda one: one.clusters("coarse"),
    "nearest": lambda one: one.clusters("medium", loose="nearest", since=0),
    "cluster": lambda one: one.cluster(one.clusters("coarse")[0].id),
    "its items": lambda one: one.cluster(one.clusters("coarse")[0].id).items(1, 3),
    "its members": lambda one: one.clusters("coarse")[0].members,
    "cut": lambda one: one.cut(count=3),
    "cut at": lambda one: one.cut(threshold=0.5),
    "events": lambda one: one.cluster_events(0),
    "outliers": lambda one: one.outliers(3),
    "loose": lambda one: one.loose("fine"),
    "clusterings": lambda one: one.clusterings(),
    "copies": lambda one: one.duplicates(0.5),
    "copies by rule": lambda one: one.duplicates(0.5, rule="connected", prefer="oldest", compare=False),
}


@pytest.mark.parametrize("what", CALLS)
def test_it_answers_as_the_collection_does(client: Client, collection: Collection, what: str) -> None:
    here, there = CALLS[what](collection), CALLS[what](client)
    assert type(here) is type(there)
    assert to_plain(here) == to_plain(there)


def test_pictures_are_asked_with_however_they_are_given(client: Client, collection: Collection, place: Path) -> None:
    path = place / "red3.png"
    wanted = [hit.item for hit in collection.search(path, k=3)]
    with Image.open(path) as image:
        image.load()
        for given in (path, str(path), path.read_bytes(), image, np.asarray(image)):
            assert [hit.item for hit in client.search(given, k=3)] == wanted
        assert [hit.item for hit in client.search(mix=[(image, 1.0)], k=3)] == wanted


FAULTS: dict[str, tuple[type[NearkinError], Any]] = {
    "item": (ItemNotFound, lambda one: one.get(10**6)),
    "key": (ItemNotFound, lambda one: one.get("nobody")),
    "asked": (ItemNotFound, lambda one: one.search(item=10**6)),
    "cluster": (ClusterNotFound, lambda one: one.cluster(10**6)),
    "within": (ClusterNotFound, lambda one: one.search(item=1, within=10**6)),
    "clustering": (ClusteringNotFound, lambda one: one.drop_clustering("none")),
    "space": (SpaceNotFound, lambda one: one.search(item=1, space="none")),
    "filter": (BadFilter, lambda one: one.items(where={"a": {"$no": 1}})),
    "nothing": (BadQuery, lambda one: one.search()),
    "two": (BadQuery, lambda one: one.search(item=1, vector=[1.0] * 13)),
    "k": (BadQuery, lambda one: one.search(item=1, k=0)),
    "words": (NoTextTower, lambda one: one.search(text="a cat")),
    "cut": (BadQuery, lambda one: one.cut()),
    "level": (BadQuery, lambda one: one.clusters("none")),
    "picture": (UnreadablePicture, lambda one: one.search(b"no picture")),
    "file": (UnreadablePicture, lambda one: one.search("/nowhere/at/all.png")),
    "decision": (UsageError, lambda one: one.undo(10**6)),
    "name": (UsageError, lambda one: one.rename(one.clusters("coarse")[0].id, " ")),
    "making": (BadQuery, lambda one: one.make_clustering("coarse", k=2)),
    "choosing": (BadQuery, lambda one: one.make_clustering("mine", k=2, without_outliers=1.5)),
}


@pytest.mark.parametrize("what", FAULTS)
def test_it_fails_as_the_collection_does(client: Client, collection: Collection, what: str) -> None:
    kind, call = FAULTS[what]
    with pytest.raises(kind) as there:
        call(client)
    with pytest.raises(kind) as here:
        call(collection)
    assert type(here.value) is type(there.value)
    if what not in ("picture", "file"):
        assert str(here.value) == str(there.value)


def test_items_are_added_changed_and_removed(client: Client, collection: Collection) -> None:
    report = client.add(
        [make_png("pink"), Image.new("RGB", (30, 30), "brown")], keys=["a", "b"], metadata={"new": True}
    )
    assert (report.added, report.failed, len(report.items)) == (2, 0, 2)
    assert client.add(make_png("gold"), metadata=[{"x": 1}]).added == 1
    assert client.get("a").metadata == {"new": True}
    assert client.update("a", {"more": 1}, text="pink one").metadata == {"new": True, "more": 1}
    assert collection.get("a").text == "pink one"
    kept = [Path(str(collection.get(name).uri)) for name in "ab"]
    assert all(one.is_relative_to(collection.path / "pictures") for one in kept)
    assert client.remove("a") == 1
    assert client.remove(where={"new": True}) == 1
    assert client.remove(where={"x": 1}) == 1
    assert not any(one.exists() for one in kept)
    assert client.count() == 17


def test_clusters_are_renamed_and_clusterings_made(client: Client) -> None:
    one = client.clusters("coarse")[0]
    assert one.id is not None
    assert client.rename(one.id, "boats").name == "boats"
    assert not client.rename(one.id, None).given
    seen: list[str] = []
    chosen = client.make_clustering("mine", k=2, sample=4, once_per_copy=True)
    assert (chosen.choice["count"], chosen.choice["copies"]) == (4, 0.98)
    made = client.make_clustering("mine", k=3, progress=lambda job: seen.append(job.state))
    assert (made.name, made.clusters) == ("mine", 3)
    assert seen[-1] == "done"
    assert client.refresh_clustering("mine").clusters == 3
    assert [one.name for one in client.clusterings()] == ["mine"]
    client.drop_clustering("mine")
    assert client.clusterings() == ()
    assert {job.kind for job in client.jobs()} == {"cluster", "refresh"}


def test_copies_are_decided_about(client: Client, collection: Collection) -> None:
    [group] = [one for one in client.duplicates() if collection.items(where={"name": "cat"}).items[0].id in one.items]
    a, b = group.items
    for decide in (
        lambda: client.decide(group, group.keep)[0],
        lambda: client.keep_both(a, b),
        lambda: client.not_duplicates(a, b),
    ):
        decision = decide()
        assert group.id not in [one.id for one in collection.duplicates()]
        client.undo(decision)
        assert group.id in [one.id for one in collection.duplicates()]


def test_folders_are_added_where_that_is_allowed(collection: Collection, place: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    Image.new("RGB", (20, 20), "teal").save(tmp_path / "more" / "teal.png")
    with open_client(collection, headers={}, allow=(tmp_path,)) as inside:
        client = Client("http://localhost", transport=AppTransport(inside))
        done = client.wait(client.add_paths(tmp_path / "more", metadata={"by": "path"}))
        assert done.report
        assert (done.state, done.report["added"]) == ("done", 1)
        assert client.cancel(done) == done
        with pytest.raises(NotAllowed, match="--allow"):
            client.add_paths("/etc")
        assert client.remove(where={"by": "path"}) == 1
        with pytest.raises(NotFound):
            client.job("none")


def test_tokens(collection: Collection) -> None:
    with open_client(collection, headers={}, read_token=READ, write_token=WRITE) as inside:
        nobody, reader, writer = (
            Client("http://localhost", token, transport=AppTransport(inside)) for token in (None, READ, WRITE)
        )
        with pytest.raises(NotAllowed, match="Bearer"):
            nobody.count()
        assert reader.count() == writer.count()
        with pytest.raises(NotAllowed, match="write token"):
            reader.rename(1, "x")
        assert writer.update(1, {"token": 1}).metadata["token"] == 1


def test_nobody_answers() -> None:
    with pytest.raises(Unavailable, match="does not respond"), Client("http://127.0.0.1:9", timeout=2) as client:
        client.count()


def test_something_else_answers() -> None:
    def other(request: httpx.Request) -> httpx.Response:
        return httpx.Response(502, text="<html>Bad gateway")

    with pytest.raises(ServerFault, match="502"), Client("http://x", transport=httpx.MockTransport(other)) as client:
        client.count()
