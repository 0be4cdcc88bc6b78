"""The client gives what a collection gives, and fails as it fails."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage import data

from indexers import plugins
from indexers.errors import (
    BadFilter,
    BadQuery,
    BadVector,
    ClusteringNotFound,
    ClusterNotFound,
    ItemNotFound,
    NearkinError,
    NoTextTower,
    NotFound,
    SpaceNotFound,
    Unavailable,
    UnknownPlugin,
    UnreadablePicture,
    UsageError,
)
from retrieval import Collection, item
from retrieval.client.client import Client, NotAllowed, ServerFault
from tests.pictures.test_text_reader import draw_lines
from tests.spaces.test_spaces import Brightness
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
    (place / "broken.png").write_bytes(b"no picture")
    with Collection.open(place / "collection", create=True, embedder="tiny") as collection:
        collection.add(files, metadata=[{"name": file.stem} for file in files], texts=[file.stem for file in files])
        collection.add(place / "broken.png")
        collection.catch_up()
        collection.rename(collection.clusters("coarse")[0].id or 0, "plain colours")
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
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: to_plain(field) for name, field in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(element) for element in value]
    if hasattr(value, "to_dict"):
        fields = json.loads(json.dumps(value.to_dict()))
        return to_plain({name: field for name, field in fields.items() if name not in ("seconds", "path", "bytes")})
    return value


CALLS: dict[str, Any] = {
    "by item": lambda api: api.search(item=1, k=5),
    "by key": lambda api: api.search(item=api.get(2).key),
    "by vector": lambda api: api.search(vector=np.linspace(0, 1, 13), k=3),
    "by mix": lambda api: api.search(mix=[(item(1), 1), (item(9), -0.5), ([1.0] * 13, 0.2)], k=4),
    "by words": lambda api: api.search(query="red0"),
    "filtered": lambda api: api.search(item=1, where={"name": {"$contains": "red"}}, k=30),
    "filtered by NumPy": lambda api: api.items(where={"id": {"$in": np.array([2, 3])}, "width": np.float32(60)}),
    "filtered by ranges and dates": lambda api: api.search(
        item=np.int64(1), k=np.int64(3), where={"id": {"$in": range(2, 5)}, "added_at": {"$gt": date(2020, 1, 1)}}
    ),
    "not filtered by paths": lambda api: api.count(where={"$not": {"uri": {"$in": {Path("/a"), Path("/b")}}}}),
    "within": lambda api: api.search(item=1, within=api.clusters("coarse")[0], k=30),
    "within a name": lambda api: api.search(item=1, within=[api.clusters("coarse")[0].name], k=30),
    "within all": lambda api: api.search(item=1, within=api.clusters("coarse"), k=30),
    "within none": lambda api: api.search(item=1, within=[]),
    "its walk": lambda api: list(api.clusters("coarse")[0].walk(2)),
    "not within": lambda api: api.search(item=1, exclude=[api.clusters("coarse")[0].id], k=30),
    "few each": lambda api: api.search(item=1, per_cluster=1, level="coarse", k=10),
    "grouped": lambda api: api.search(item=1, group=True, level="coarse"),
    "diverse": lambda api: api.search(item=1, diversify=0.7, k=5),
    "radius": lambda api: api.search(item=1, radius=0.9),
    "exact": lambda api: api.search(item=1, k=3, exact=True),
    "groups": lambda api: api.search(item=1, group=True, level="coarse").groups,
    "one": lambda api: api.get(3),
    "one by NumPy": lambda api: api.get(np.int64(3)),
    "several": lambda api: api.get([3, 1, api.get(2).key]),
    "page": lambda api: api.items(limit=4),
    "next page": lambda api: api.items(limit=4, cursor=4, where={"name": {"$exists": True}}),
    "page beyond the last": lambda api: api.items(page=99),
    "cluster by name": lambda api: api.cluster("plain colours"),
    "loose beyond the last": lambda api: api.loose("fine", page=99),
    "items beyond the last": lambda api: api.clusters("coarse")[0].items(99, 3),
    "a partition's items beyond the last": lambda api: api.partitions()[0].items(99),
    "page by number": lambda api: api.items(limit=5, page=2),
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
    "within by name": lambda api: api.search(item=1, within=["none", api.clusters("coarse")[0].id][1:]),
    "within a partition": lambda api: api.search(item=1, within=api.partitions()[0], k=30),
    "not within partitions": lambda api: api.search(item=1, exclude=list(api.partitions()[1:]), k=30),
    "pool": lambda api: api.search(item=1, diversify=0.9, pool=6, k=4),
    "many": lambda api: api.search_many(np.eye(13)[:2], k=20, where={"name": {"$contains": "red"}}),
    "many exactly": lambda api: api.search_many(np.eye(13)[:2], k=2, exact=True),
    "many by list": lambda api: api.search_many([[1.0] * 13, [0.5] * 13], k=2, metric="l2"),
    "vectors": lambda api: api.vectors([3, 1, api.get(2).key]),
    "walk": lambda api: list(api.walk(where={"name": {"$contains": "blue"}})),
    "failures": lambda api: api.failures(),
    "spaces": lambda api: api.spaces(),
    "partitions": lambda api: api.partitions(),
    "a partition's items": lambda api: api.partitions()[0].items(2, 2),
    "a partition's members": lambda api: [partition.members for partition in api.partitions()],
    "evaluation": lambda api: api.evaluate(methods=[], draws=0, spaces="tiny"),
    "verification": lambda api: api.verify(),
    "verification of pictures": lambda api: api.verify(pictures=True),
    "reclustering": lambda api: api.recluster(),
    "copies of an item": lambda api: api.duplicates_of(api.items(where={"name": "cat"}).items[0].id),
    "copies of a certain sureness": lambda api: api.duplicates_of(
        api.items(where={"name": "cat"}).items[0].id, threshold=1
    ),
    "overlay": lambda api: api.overlay(1, api.get(2).key).size,
    "table": lambda api: json.loads(api.to_pandas(where={"id": {"$lt": 4}}).to_json()),
    "copies": lambda api: api.duplicates(0.5),
    "copies by rule": lambda api: api.duplicates(0.5, rule="connected", prefer="oldest", compare=False),
}


@pytest.mark.parametrize("call", CALLS)
def test_it_answers_as_the_collection_does(client: Client, collection: Collection, call: str) -> None:
    local, remote = CALLS[call](collection), CALLS[call](client)
    assert type(local) is type(remote)
    assert to_plain(local) == to_plain(remote)


def test_hits_and_clusters_load_their_pictures(client: Client, collection: Collection) -> None:
    local, remote = collection.search(item=1, k=1)[0], client.search(item=1, k=1)[0]
    assert np.array_equal(np.asarray(remote.image()), np.asarray(local.image()))
    for edge in (160, 100, 1000):
        with Image.open(io.BytesIO(remote.thumbnail(edge))) as image:
            assert image.format == "WEBP"
            assert max(image.size) <= edge
    assert client.clusters("coarse")[0]._repr_html_().count("<img") >= 1
    grouped = client.search(item=1, group=True, level="coarse")
    assert grouped.groups[0].hits[0].thumbnail() == grouped[0].thumbnail()
    for group in client.duplicates(0.5):
        assert group._repr_html_().count("<img") == len(group.items)


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
    "cluster by name": (ClusterNotFound, lambda api: api.cluster("nobody's")),
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
    "many": (BadVector, lambda api: api.search_many([[1.0, 2.0]])),
    "many k": (BadQuery, lambda api: api.search_many([[1.0] * 13], k=0)),
    "vectors": (ItemNotFound, lambda api: api.vectors([10**6])),
    "vectors to add": (BadVector, lambda api: api.add_vectors([[1.0, 2.0]], keys=["x"])),
    "texts to add": (NoTextTower, lambda api: api.add_texts(["x"])),
    "all": (BadFilter, lambda api: api.update_all({}, where={"a": {"$no": 1}})),
    "clustering by name": (ClusteringNotFound, lambda api: api.clustering("none")),
    "space to use": (SpaceNotFound, lambda api: api.use("none/such")),
    "space to drop": (UsageError, lambda api: api.drop_space("tiny")),
    "sureness": (BadQuery, lambda api: api.duplicates_of(1, threshold=7)),
    "copies of nothing": (ItemNotFound, lambda api: api.duplicates_of(10**6)),
    "copies of no picture": (UnreadablePicture, lambda api: api.duplicates_of(b"no picture")),
    "format": (UsageError, lambda api: api.export("items.doc")),
    "text with vectors": (UsageError, lambda api: api.export("items.csv", vectors=True)),
    "filter of an export": (BadFilter, lambda api: api.export("items.csv", where={"a": {"$no": 1}})),
    "method": (UnknownPlugin, lambda api: api.evaluate(methods=["none"])),
    "space to judge": (SpaceNotFound, lambda api: api.evaluate(spaces=["none"])),
    "labels": (BadQuery, lambda api: api.evaluate(labels="none", methods=[], draws=0)),
    "draws": (BadQuery, lambda api: api.evaluate(draws=-1)),
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
    if fault not in ("picture", "file", "sureness", "copies of nothing", "copies of no picture"):
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
    assert client.restore("a") == 1
    assert client.remove(where={"new": True}, purge=True) == 2
    assert client.remove(where={"x": 1}) == 1
    assert not any(path.exists() for path in paths)
    assert client.count() == 12


def test_clusters_are_renamed_and_clusterings_made(client: Client) -> None:
    cluster = client.clusters("coarse")[0]
    assert cluster.id is not None
    assert client.rename(cluster.id, "boats").name == "boats"
    assert client.cluster("boats").id == cluster.id
    assert client.rename("boats", "ships").name == "ships"
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
    assert {job.kind for job in client.jobs()} >= {"cluster", "refresh"}


def test_whether_a_picture_is_there_already_is_one_request(
    client: Client, collection: Collection, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[str] = []
    monkeypatch.setattr(client._http, "request", spy(client._http.request, requests))
    with Image.open(place / "cat.png") as image:
        image.load()
        for picture in (place / "cat-small.jpg", (place / "cat-small.jpg").read_bytes(), image, np.asarray(image)):
            assert to_plain(client.duplicates_of(picture)) == to_plain(collection.duplicates_of(picture))
    assert requests == ["/v1/duplicates/of"] * 4
    assert [match.kind for match in client.duplicates_of(place / "cat.png")] == ["same bytes", "same picture"]
    assert client.duplicates_of(Image.fromarray(data.coffee())) == ()
    assert client.count() == 12


def spy(call: Any, requests: list[str]) -> Any:
    """Return a function that notes the path of each request."""

    def request(method: str, path: str, **options: Any) -> Any:
        requests.append(path)
        return call(method, path, **options)

    return request


def test_vectors_are_added_all_or_none(client: Client, collection: Collection) -> None:
    report = client.add_vectors(np.eye(13)[:2], keys=["v1", "v2"], metadata=[{"v": 1}, {"v": 2}], texts=["a", None])
    assert (report.added, len(report.items)) == (2, 2)
    assert (collection.get("v1").text, collection.get("v2").metadata) == ("a", {"v": 2})
    assert client.add_vectors([None], keys=["v3"], metadata={"v": 3}).added == 1
    with pytest.raises(BadVector):
        client.add_vectors([[1.0] * 13, [0.0] * 13], keys=["v4", "v5"])
    assert client.update_all({"seen": True}, where={"v": {"$gte": 2}}) == 2
    assert collection.get("v3").metadata == {"v": 3, "seen": True}
    assert client.remove(where={"v": {"$exists": True}}) == 3


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl", "items.parquet", "items.npz"])
def test_exports_are_the_files_of_the_collection(
    client: Client, collection: Collection, tmp_path: Path, name: str
) -> None:
    for options in ({}, {"where": {"name": {"$contains": "red"}}, "vectors": name.endswith(("parquet", "npz"))}):
        local, remote = tmp_path / f"local-{name}", tmp_path / f"remote-{name}"
        assert client.export(remote, **options) == collection.export(local, **options)  # type: ignore[arg-type]
        if name == "items.npz":  # an archive holds the time
            with np.load(remote) as ours, np.load(local) as theirs:
                assert {key: ours[key].tolist() for key in ours} == {key: theirs[key].tolist() for key in theirs}
        else:
            assert remote.read_bytes() == local.read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_what_failed_is_tried_again(client: Client, place: Path) -> None:
    assert [failure.uri for failure in client.failures()] == [str(place / "broken.png")]
    report = client.retry_failed()
    assert (report.added, report.failed) == (0, 1)
    assert client.failures()[0].attempts == 2


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


def test_what_is_merged_is_planned_chosen_and_undone(client: Client, collection: Collection) -> None:
    cat = collection.items(where={"name": "cat"}).items[0].id
    [group] = [group for group in client.duplicates() if cat in group.items]
    before = collection.get(group.items)
    for rules in (True, {"name": group.items[1]}, {"*": "own"}):
        assert client.plan_merges([group], rules) == collection.plan_merges([group], rules)
    assert [value.key for value in client.plan_merges([group])[0].values if value.is_open] == ["name"]
    with pytest.raises(UsageError, match="under 'name' they say"):
        client.decide(group, group.keep, merge=True)
    with pytest.raises(UsageError, match="there is no rule 'sum'"):
        client.plan_merges([group], {"name": "sum"})
    (decision,) = client.decide(group, group.keep, merge={"name": group.items[1]})
    assert collection.get(group.keep).metadata["name"] == before[1].metadata["name"]
    client.undo(decision)
    assert collection.get(group.items) == before


@pytest.fixture
def own(tmp_path: Path, folder: Path) -> Iterator[Collection]:
    """Five discs in a collection that no other test uses, and no other server."""
    with Collection.open(tmp_path / "own", create=True, embedder="tiny") as opened:
        opened.add(folder)
        yield opened


def test_folders_are_added_where_that_is_allowed(own: Collection, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    Image.new("RGB", (20, 20), "teal").save(tmp_path / "more" / "teal.png")
    with open_client(own, headers={}, allow=(tmp_path / "more",)) as app_client:
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


def test_folders_are_kept_in_step(own: Collection, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    Image.new("RGB", (20, 20), "teal").save(folder / "teal.png")
    with open_client(own, headers={}, allow=(folder,)) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        states: list[str] = []
        report = client.sync(folder, metadata={"by": "sync"}, progress=lambda job: states.append(job.state))
        assert (type(report).__name__, report.added, report.missing) == ("SyncReport", 1, 0)
        assert states[-1] == "done"
        (folder / "teal.png").unlink()
        assert client.sync([folder], check=True, retry_failed=True).missing == 1
        with pytest.raises(NotAllowed, match="--allow"):
            client.sync("/etc")
        assert client.remove(where={"by": "sync"}) == 1


def test_a_second_space_is_filled(own: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BUILT_IN["nearkin.embedders"], "brightness", "tests.spaces.test_spaces:Brightness")
    with open_client(own, headers={}) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        assert client.fill("brightness").added == 5
        client.use("brightness")
        assert client.spaces() == own.spaces()
        with pytest.raises(BadQuery, match="plain name"):
            client.fill("onnx:/etc/passwd")
        with pytest.raises(UnknownPlugin, match="'none'"):
            client.fill("none")


def test_the_text_in_pictures_is_read(own: Collection, tmp_path: Path) -> None:
    draw_lines(["Harbour office"]).save(tmp_path / "page.png")
    own.add(tmp_path / "page.png")
    with open_client(own, headers={}) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        report = client.read()
        assert (report.with_text, report.failed) == (1, 0)
        assert client.search(query="harbour")[0].uri == str(tmp_path / "page.png")


def test_work_is_queued_and_done(own: Collection, folder: Path) -> None:
    with open_client(own, headers={}, allow=(folder,)) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        assert client.queue(folder, metadata={"album": "discs"}).queued == 5
        work = client.info().work
        assert work
        assert (work.waiting, work.kinds) == (5, {"embed": {"waiting": 5, "running": 0, "failed": 0}})
        report = client.work(kinds="embed")
        assert (report.done, report.failed, client.count(where={"album": "discs"})) == (5, 0, 5)
        assert client.info().work is None
        with pytest.raises(UsageError, match="there is no work of the kind 'sleep'"):
            client.work(kinds=["sleep"])
        with pytest.raises(NotAllowed, match="--allow"):
            client.queue("/")


def test_spaces_are_used_and_dropped(own: Collection) -> None:
    own.fill(Brightness())
    own.add_vectors([np.ones(13)], keys=["extra"])
    with open_client(own, headers={}) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        with pytest.raises(UsageError, match="lacks the vectors of 1 item"):
            client.use("brightness")
        client.use("brightness", partial=True)
        assert [(space.name, space.current) for space in client.spaces()] == [("tiny", False), ("brightness", True)]
        assert client.info().dimension == 2
        client.drop_space("tiny")
        assert [space.name for space in client.spaces()] == ["brightness"]
        with pytest.raises(SpaceNotFound):
            client.drop_space("tiny")


# ---- the same verbs at every door

LEFT_OUT = {
    "open": "a server has it open",
    "isolate": "a server does so",
    "is_own": "a server trusts its own collection, or says so at its start",
    "path": "a client knows no folder",
    "address": "a client knows no address but the server's",
    "import_from": "a file of vectors names any file as the place of a picture",
    "backup": "writes a folder on the server",
    "catch_up": "a server does so after each change",
    "measure": "once for a collection of an older nearkin, beside its files",
    **dict.fromkeys(("align", "stitch", "fuse", "denoise"), "makes a picture of files in full, beside them"),
    "calibrate": "once for an embedder, beside its model",
    "move_duplicates": "moves files on the server",
    "undo_moves": "moves files on the server",
}
LEFT_OUT_PARAMETERS = {
    "add": {"retry_failed", "roots", "catch_up", "progress"},
    "add_vectors": {"uris", "catch_up"},
    "add_texts": {"catch_up"},
    "sync": {"roots", "catch_up"},
    "retry_failed": {"roots"},
    "queue": {"roots"},
    "work": {"watch", "lease", "batch"},
    "duplicates": {"progress"},
    "stacks": {"progress"},
}
"""`uris` would let a client read any picture on the server, whose own the `roots` are; sending pictures and listing
duplicates or stacks are no jobs."""


def list_methods(door: type) -> set[str]:
    return {name for name in dir(door) if not name.startswith("_")}


def test_the_client_has_the_verbs_of_the_collection() -> None:
    assert list_methods(Collection) - list_methods(Client) == set(LEFT_OUT)


@pytest.mark.parametrize("name", sorted(list_methods(Collection) - set(LEFT_OUT)))
def test_the_client_has_the_parameters_of_the_collection(name: str) -> None:
    local, remote = (set(inspect.signature(getattr(door, name)).parameters) for door in (Collection, Client))
    assert local - remote == LEFT_OUT_PARAMETERS.get(name, set())
    assert remote - local <= {"progress"}
