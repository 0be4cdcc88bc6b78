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
    for group, colour in enumerate(("red", "blue")):
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
    with Collection.open(place / "collection", create=True, embedder="tiny") as collection:
        collection.add(files, metadata=[{"name": file.stem} for file in files], texts=[file.stem for file in files])
        collection.catch_up()
        yield collection


@pytest.fixture(scope="module")
def client(collection: Collection) -> Iterator[Client]:
    with (
        open_client(collection, headers={}) as app_client,
        Client("http://localhost", transport=AppTransport(app_client)) as client,
    ):
        yield client


def to_plain(value: Any) -> Any:
    """Return an answer as JSON, without what depends on the clock and on the place."""
    if isinstance(value, tuple | list):
        return [to_plain(element) for element in value]
    if hasattr(value, "to_dict"):
        fields = json.loads(json.dumps(value.to_dict()))
        return {name: field for name, field in fields.items() if name not in ("seconds", "path", "bytes")}
    return value


CALLS: dict[str, Any] = {
    "by item": lambda api: api.search(item=1, k=5),
    "by key": lambda api: api.search(item=api.get(2).key),
    "by vector": lambda api: api.search(vector=np.linspace(0, 1, 13), k=3),
    "by mix": lambda api: api.search(mix=[(item(1), 1), (item(9), -0.5), ([1.0] * 13, 0.2)], k=4),
    "by words": lambda api: api.search(query="red0"),
    "filtered": lambda api: api.search(item=1, where={"name": {"$contains": "red"}}, k=30),
    "within": lambda api: api.search(item=1, within=api.clusters("coarse")[0], k=30),
    "not within": lambda api: api.search(item=1, exclude=[api.clusters("coarse")[0].id], k=30),
    "few each": lambda api: api.search(item=1, per_cluster=1, level="coarse", k=10),
    "grouped": lambda api: api.search(item=1, group=True, level="coarse"),
    "diverse": lambda api: api.search(item=1, diversify=0.7, k=5),
    "radius": lambda api: api.search(item=1, radius=0.9),
    "groups": lambda api: api.search(item=1, group=True, level="coarse").groups,
    "one": lambda api: api.get(3),
    "one by NumPy": lambda api: api.get(np.int64(3)),
    "several": lambda api: api.get([3, 1, api.get(2).key]),
    "page": lambda api: api.items(limit=4),
    "next page": lambda api: api.items(limit=4, cursor=4, where={"name": {"$exists": True}}),
    "count": lambda api: api.count(where={"name": "red1"}),
    "change": lambda api: api.change(),
    "info": lambda api: api.info(),
    "clusters": lambda api: api.clusters("coarse"),
    "nearest": lambda api: api.clusters("medium", loose="nearest", since=0),
    "cluster": lambda api: api.cluster(api.clusters("coarse")[0].id),
    "its items": lambda api: api.cluster(api.clusters("coarse")[0].id).items(1, 3),
    "its members": lambda api: api.clusters("coarse")[0].members,
    "cut": lambda api: api.cut(count=3),
    "cut at": lambda api: api.cut(threshold=0.5),
    "events": lambda api: api.cluster_events(0),
    "outliers": lambda api: api.outliers(3),
    "loose": lambda api: api.loose("fine"),
    "clusterings": lambda api: api.clusterings(),
    "copies": lambda api: api.duplicates(0.5),
    "copies by rule": lambda api: api.duplicates(0.5, rule="connected", prefer="oldest", compare=False),
}


@pytest.mark.parametrize("call", CALLS)
def test_it_answers_as_the_collection_does(client: Client, collection: Collection, call: str) -> None:
    local, remote = CALLS[call](collection), CALLS[call](client)
    assert type(local) is type(remote)
    assert to_plain(local) == to_plain(remote)


def test_pictures_are_asked_with_however_they_are_given(client: Client, collection: Collection, place: Path) -> None:
    path = place / "red3.png"
    nearest = [hit.item for hit in collection.search(path, k=3)]
    with Image.open(path) as image:
        image.load()
        for picture in (path, str(path), path.read_bytes(), image, np.asarray(image)):
            assert [hit.item for hit in client.search(picture, k=3)] == nearest
        assert [hit.item for hit in client.search(mix=[(image, 1.0)], k=3)] == nearest


FAULTS: dict[str, tuple[type[NearkinError], Any]] = {
    "item": (ItemNotFound, lambda api: api.get(10**6)),
    "key": (ItemNotFound, lambda api: api.get("nobody")),
    "asked": (ItemNotFound, lambda api: api.search(item=10**6)),
    "cluster": (ClusterNotFound, lambda api: api.cluster(10**6)),
    "within": (ClusterNotFound, lambda api: api.search(item=1, within=10**6)),
    "clustering": (ClusteringNotFound, lambda api: api.drop_clustering("none")),
    "space": (SpaceNotFound, lambda api: api.search(item=1, space="none")),
    "filter": (BadFilter, lambda api: api.items(where={"a": {"$no": 1}})),
    "nothing": (BadQuery, lambda api: api.search()),
    "two": (BadQuery, lambda api: api.search(item=1, vector=[1.0] * 13)),
    "k": (BadQuery, lambda api: api.search(item=1, k=0)),
    "words": (NoTextTower, lambda api: api.search(text="a cat")),
    "cut": (BadQuery, lambda api: api.cut()),
    "level": (BadQuery, lambda api: api.clusters("none")),
    "picture": (UnreadablePicture, lambda api: api.search(b"no picture")),
    "file": (UnreadablePicture, lambda api: api.search("/nowhere/at/all.png")),
    "decision": (UsageError, lambda api: api.undo(10**6)),
    "name": (UsageError, lambda api: api.rename(api.clusters("coarse")[0].id, " ")),
    "making": (BadQuery, lambda api: api.make_clustering("coarse", k=2)),
    "choosing": (BadQuery, lambda api: api.make_clustering("mine", k=2, without_outliers=1.5)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_fails_as_the_collection_does(client: Client, collection: Collection, fault: str) -> None:
    error_class, call = FAULTS[fault]
    with pytest.raises(error_class) as remote:
        call(client)
    with pytest.raises(error_class) as local:
        call(collection)
    assert type(local.value) is type(remote.value)
    if fault not in ("picture", "file"):
        assert str(local.value) == str(remote.value)


def test_items_are_added_changed_and_removed(client: Client, collection: Collection) -> None:
    report = client.add(
        [make_png("pink"), Image.new("RGB", (30, 30), "brown")], keys=["a", "b"], metadata={"new": True}
    )
    assert (report.added, report.failed, len(report.items)) == (2, 0, 2)
    assert client.add(make_png("gold"), metadata=[{"x": 1}]).added == 1
    assert client.get("a").metadata == {"new": True}
    assert client.update("a", {"more": 1}, text="pink one").metadata == {"new": True, "more": 1}
    assert collection.get("a").text == "pink one"
    paths = [Path(str(collection.get(name).uri)) for name in "ab"]
    assert all(path.is_relative_to(collection.path / "pictures") for path in paths)
    assert client.remove("a") == 1
    assert client.remove(where={"new": True}) == 1
    assert client.remove(where={"x": 1}) == 1
    assert not any(path.exists() for path in paths)
    assert client.count() == 12


def test_clusters_are_renamed_and_clusterings_made(client: Client) -> None:
    cluster = client.clusters("coarse")[0]
    assert cluster.id is not None
    assert client.rename(cluster.id, "boats").name == "boats"
    assert not client.rename(cluster.id, None).given
    states: list[str] = []
    sampled = client.make_clustering("mine", k=2, sample=4, once_per_copy=True)
    assert (sampled.choice["count"], sampled.choice["copies"]) == (4, 0.98)
    clustering = client.make_clustering("mine", k=3, progress=lambda job: states.append(job.state))
    assert (clustering.name, clustering.clusters) == ("mine", 3)
    assert states[-1] == "done"
    assert client.refresh_clustering("mine").clusters == 3
    assert [row.name for row in client.clusterings()] == ["mine"]
    client.drop_clustering("mine")
    assert client.clusterings() == ()
    assert {job.kind for job in client.jobs()} == {"cluster", "refresh"}


def test_copies_are_decided_about(client: Client, collection: Collection) -> None:
    cat = collection.items(where={"name": "cat"}).items[0].id
    [group] = [group for group in client.duplicates() if cat in group.items]
    a, b = group.items
    for decide in (
        lambda: client.decide(group, group.keep)[0],
        lambda: client.keep_both(a, b),
        lambda: client.not_duplicates(a, b),
    ):
        decision = decide()
        assert group.id not in [left.id for left in collection.duplicates()]
        client.undo(decision)
        assert group.id in [left.id for left in collection.duplicates()]


def test_folders_are_added_where_that_is_allowed(collection: Collection, place: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    Image.new("RGB", (20, 20), "teal").save(tmp_path / "more" / "teal.png")
    with open_client(collection, headers={}, allow=(tmp_path,)) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
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
    with open_client(collection, headers={}, read_token=READ, write_token=WRITE) as app_client:
        nobody, reader, writer = (
            Client("http://localhost", token, transport=AppTransport(app_client)) for token in (None, READ, WRITE)
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
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(502, text="<html>Bad gateway")

    with pytest.raises(ServerFault, match="502"), Client("http://x", transport=httpx.MockTransport(answer)) as client:
        client.count()
