"""Clusters over HTTP, as the collection has them; clusterings by name, made as jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image
from starlette.testclient import TestClient

from retrieval import Collection
from tests.support.serving import open_client, wait_for_job


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """Three colours, six pictures of each, and one that is like no other."""
    pictures = []
    for place, colour in enumerate(("red", "green", "blue")):
        for number in range(6):
            image = Image.new("RGB", (60, 40), colour)
            image.paste((255, 255, 255), (0, 0, 4 + 3 * number, 4 + place))
            pictures.append(image)
    pictures.append(Image.new("RGB", (60, 40), "white"))
    keys = [str(number) for number in range(len(pictures))]
    folder = tmp_path_factory.mktemp("clusters") / "collection"
    with Collection.open(folder, create=True, embedder="tiny") as collection:
        collection.add(pictures, keys=keys)
        collection.catch_up()
        yield collection


@pytest.fixture(scope="module")
def client(colours: Collection) -> Iterator[TestClient]:
    with open_client(colours) as client:
        yield client


def test_levels_are_those_of_the_tree(client: TestClient) -> None:
    assert client.get("/v1/levels").json() == {"levels": ["coarse", "medium", "fine"]}


def test_clusters_of_a_level_and_of_a_cut(client: TestClient, colours: Collection) -> None:
    answer = client.get("/v1/clusters").json()
    assert answer == colours.clusters("medium").to_dict()
    assert [cluster["size"] for cluster in answer["clusters"]]
    assert client.get("/v1/clusters", params={"level": "fine"}).json() == colours.clusters("fine").to_dict()
    assert client.get("/v1/clusters", params={"count": 2}).json() == colours.cut(2).to_dict()
    assert client.get("/v1/clusters", params={"threshold": 0.9}).json() == colours.cut(threshold=0.9).to_dict()
    assert client.get("/v1/clusters", params={"level": "none"}).status_code == 400


def test_a_cluster_and_the_pages_of_its_items(client: TestClient, colours: Collection) -> None:
    cluster = colours.clusters("medium")[0]
    assert client.get(f"/v1/clusters/{cluster.id}").json() == colours.cluster(cluster.id or 0).to_dict()
    seen: list[int] = []
    page: int | None = 1
    while page is not None:
        answer = client.get(f"/v1/clusters/{cluster.id}/items", params={"page": page, "size": 4}).json()
        seen, page = [*seen, *(item["id"] for item in answer["items"])], answer["cursor"]
    assert sorted(seen) == list(cluster.members)


def test_a_cluster_is_named_and_gets_its_own_name_back(client: TestClient, colours: Collection) -> None:
    cluster = colours.clusters("medium")[0]
    named = client.patch(f"/v1/clusters/{cluster.id}", json={"name": "boats"}).json()
    assert (named["name"], named["given"]) == ("boats", True)
    assert client.get("/v1/cluster", params={"name": "Boats"}).json() == named
    assert client.get("/v1/cluster", params={"name": "ships"}).json()["type"] == "urn:nearkin:cluster-not-found"
    restored = client.patch(f"/v1/clusters/{cluster.id}", json={"name": None}).json()
    assert (restored["name"], restored["given"]) == (cluster.name, False)
    assert client.patch(f"/v1/clusters/{cluster.id}", json={}).status_code == 422


def test_loose_items_outliers_and_events(client: TestClient, colours: Collection) -> None:
    loose = client.get("/v1/clusters/loose", params={"level": "fine"}).json()
    assert loose == {"loose": [item.to_dict() for item in colours.loose("fine")]}
    outliers = client.get("/v1/outliers", params={"n": 3}).json()["outliers"]
    assert outliers == [outlier.to_dict() for outlier in colours.outliers(3)]
    assert len(outliers) == 3
    events = client.get("/v1/events").json()["events"]
    assert events == [event.to_dict() for event in colours.cluster_events()]
    assert "born" in {event["what"] for event in events}


def test_clusterings_are_made_refreshed_and_fail_as_jobs(filled: Collection) -> None:
    with open_client(filled) as client:
        begun = client.post("/v1/clusterings", json={"name": "mine", "k": 2})
        assert begun.status_code == 202
        assert wait_for_job(client, begun.json()["id"])["report"]["clusters"] == 2
        assert client.get("/v1/levels").json()["levels"] == ["coarse", "medium", "fine", "mine"]
        assert [row["name"] for row in client.get("/v1/clusterings").json()["clusterings"]] == ["mine"]
        again = client.post("/v1/clusterings/mine/refresh").json()
        assert wait_for_job(client, again["id"])["state"] == "done"
        failed = client.post("/v1/clusterings", json={"name": "more", "k": 50}).json()
        job = wait_for_job(client, failed["id"])
        assert job["state"] == "failed"
        assert "can't cluster these 5 items" in job["error"]
        assert client.delete("/v1/clusterings/mine").status_code == 204
        assert client.delete("/v1/clusterings/mine").status_code == 404


def test_a_clustering_that_makes_no_sense_is_refused_before_it_is_a_job(client: TestClient) -> None:
    for body in ({"name": "coarse"}, {"name": "mine", "without_outliers": 1.5}, {"name": "mine", "method": "none"}):
        assert client.post("/v1/clusterings", json=body).status_code in (400, 404), body
    assert client.post("/v1/clusterings/none/refresh").status_code == 404
    assert client.get("/v1/jobs").json() == {"jobs": []}


def test_partitions_and_the_pages_of_their_items(client: TestClient, colours: Collection) -> None:
    partitions = colours.partitions()
    assert client.get("/v1/partitions").json() == {"partitions": [partition.to_dict() for partition in partitions]}
    seen: list[int] = []
    page: int | None = 1
    while page is not None:
        answer = client.get(f"/v1/partitions/{partitions[0].id}/items", params={"page": page, "size": 4}).json()
        seen, page = [*seen, *(item["id"] for item in answer["items"])], answer["cursor"]
    assert sorted(seen) == list(partitions[0].members)
    assert client.get("/v1/partitions/999/items").json()["type"] == "urn:nearkin:cluster-not-found"


def test_a_page_beyond_the_last_says_so(client: TestClient, colours: Collection) -> None:
    cluster, partition = colours.clusters("medium")[0], colours.partitions()[0]
    last = -(-cluster.size // 4)
    for path, params, sentence in (
        (
            f"/v1/clusters/{cluster.id}/items",
            {"page": last + 1, "size": 4},
            f"there is no page {last + 1}; the last one is {last}",
        ),
        (f"/v1/partitions/{partition.id}/items", {"page": 2**31}, f"there is no page {2**31}; the last one is 1"),
        ("/v1/clusters/loose", {"page": 2}, "there is no page 2; the last one is 1"),
    ):
        refused = client.get(path, params=params)
        assert (refused.status_code, refused.json()["detail"]) == (400, sentence)
    assert client.get(f"/v1/clusters/{cluster.id}/items", params={"page": last, "size": 4}).json()["cursor"] is None
    assert client.get("/v1/clusters/loose").status_code == 200


def test_an_item_tells_its_clusters(client: TestClient, colours: Collection) -> None:
    item = client.get("/v1/items/1").json()
    assert item["clusters"]
    assert item["clusters"] == [
        cluster.id
        for level in ("coarse", "medium", "fine")
        for cluster in colours.clusters(level)
        if 1 in cluster.members
    ]
    assert client.get("/v1/items", params={"limit": 1}).json()["items"] == [item]


def test_the_tree_is_built_again_as_a_job(filled: Collection) -> None:
    filled.make_clustering("mine", k=2)
    with open_client(filled) as client:
        assert client.get("/v1/clusterings/mine").json()["clusters"] == 2
        assert client.get("/v1/clusterings/none").status_code == 404
        job = wait_for_job(client, client.post("/v1/recluster").json()["id"])
        clusters = filled.clusters()
        assert job["report"] == {
            "clusters": len(clusters),
            "level": "medium",
            "loose": clusters.loose,
            "as_of": clusters.as_of,
        }
