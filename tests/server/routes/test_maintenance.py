"""What could not be read, over HTTP, and whether all is in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from tests.support.serving import make_png, open_client, wait_for_job


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Five files that are no pictures."""
    folder = tmp_path / "broken"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def client(collection: Collection, broken: Path) -> Iterator[TestClient]:
    collection.add(broken)
    with open_client(collection) as client:
        yield client


def test_failures_come_in_pages(client: TestClient, collection: Collection) -> None:
    failures = [failure.to_dict() for failure in collection.failures()]
    assert client.get("/v1/failures").json() == {"failures": failures, "total": 5, "cursor": None}
    second = client.get("/v1/failures", params={"page": 2, "size": 2}).json()
    assert second == {"failures": failures[2:4], "total": 5, "cursor": 3}
    beyond = client.get("/v1/failures", params={"page": 4, "size": 2})
    assert (beyond.status_code, beyond.json()["detail"]) == (400, "there is no page 4; the last one is 3")


def test_failures_are_tried_again_as_a_job(client: TestClient, broken: Path) -> None:
    (broken / "0.png").write_bytes(make_png("red"))
    (broken / "1.png").unlink()
    begun = client.post("/v1/failures/retry")
    assert begun.status_code == 202
    report = wait_for_job(client, begun.json()["id"])["report"]
    assert (report["added"], report["failed"], report["items"]) == (1, 3, 1)
    assert client.get("/v1/failures").json()["total"] == 3


def test_all_is_verified_and_repaired_as_a_job(client: TestClient, collection: Collection) -> None:
    job = wait_for_job(client, client.post("/v1/verify").json()["id"])
    assert job["report"] == collection.verify().to_dict()
    assert job["asked"] == {"repair": False, "pictures": False}
    repaired = wait_for_job(client, client.post("/v1/verify", json={"repair": True}).json()["id"])
    assert (repaired["report"]["ok"], repaired["asked"]["repair"]) == (True, True)
    for body in ({"repair": "yes"}, {"mend": True}, []):
        assert client.post("/v1/verify", json=body).status_code == 422
