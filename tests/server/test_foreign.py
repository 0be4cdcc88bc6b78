"""A collection that somebody else has made, served: its jobs, thumbnails, uploads and addresses reach nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval import Collection
from retrieval.records.reports import Job
from tests.support.serving import make_png, open_client, wait_for_job, wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
HEADERS = {"X-Nearkin": "1"}
ID = "0" * 24


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Return a collection of one picture, with a folder of others beside it that nobody may add."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "private.png").write_bytes(make_png("red"))
    (tmp_path / "secret.webp").write_text("secret")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(tmp_path / "outside" / "private.png")
    yield tmp_path / "c"
    assert (tmp_path / "secret.webp").read_text() == "secret"
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["private.png"]


def write_job(place: Path, **fields: object) -> None:
    (place / "jobs").mkdir(exist_ok=True)
    job = Job(ID, "add", {"paths": [], "sync": False, "metadata": None}).to_dict() | fields
    (place / "jobs" / f"{ID}.json").write_text(json.dumps(job))


@pytest.mark.parametrize("paths", [["/"], ["../outside"], ["https://127.0.0.1/x.png"], ["zip://*.png::/etc/x.zip"]])
@pytest.mark.parametrize("sync", [False, True])
def test_a_job_adds_nothing_that_is_not_allowed(place: Path, paths: list[str], sync: bool) -> None:
    paths = [str(place.parent / "outside") if path == "/" else path for path in paths]
    write_job(place, asked={"paths": paths, "sync": sync, "metadata": None}, id="../../outside/evil")
    with Collection.open(place) as collection, open_client(collection) as client:
        job = wait_for_job(client, ID)
        assert job["id"] == ID
        assert not (job["report"] or {}).get("added")
        assert client.get("/v1/count").json() == {"count": 1}


@pytest.mark.parametrize("asked", [{}, {"paths": 5}, {"paths": [5], "sync": 1, "metadata": "x"}, {"name": "__class__"}])
@pytest.mark.parametrize("kind", ["add", "cluster", "refresh", "duplicates", "eval"])
def test_requests_that_nobody_makes_fail_and_the_next_job_runs(
    place: Path, kind: str, asked: dict[str, object]
) -> None:
    write_job(place, kind=kind, asked=asked)
    with Collection.open(place) as collection, open_client(collection) as client:
        assert wait_for_job(client, ID)["state"] == ("done" if kind == "duplicates" else "failed")
        assert collection.count() == 1


def test_a_job_that_holds_none_is_set_aside(place: Path) -> None:
    (place / "jobs").mkdir()
    (place / "jobs" / f"{ID}.json").write_text("[" * 100_000)
    with Collection.open(place) as collection, open_client(collection) as client:
        wait_until(lambda: (place / "jobs" / f"{ID}.unreadable").exists())
        assert client.get("/v1/jobs").json() == {"jobs": []}


@pytest.mark.parametrize("kind", ["file", "folder", "text"])
def test_a_thumbnail_is_not_read_from_elsewhere(place: Path, kind: str) -> None:
    with Collection.open(place) as collection, open_client(collection) as client:
        digest = collection.get(1).hash or ""
        stored = place / "thumbnails" / digest[:2] / f"{digest}-160.webp"
        stored.parent.mkdir(parents=True)
        if kind == "file":
            stored.symlink_to(place.parent / "secret.webp")
        elif kind == "text":
            stored.write_text("secret")
        else:
            stored.parent.rmdir()
            (place.parent / "elsewhere").mkdir()
            stored.parent.symlink_to(place.parent / "elsewhere")
            (place.parent / "elsewhere" / stored.name).write_text("secret")
        response = client.get("/v1/items/1/thumbnail?size=160")
        assert b"secret" not in response.content
        if kind == "folder":
            assert (place.parent / "elsewhere" / stored.name).read_text() == "secret"
        elif kind == "text":
            assert response.status_code == 200


def test_deleting_an_item_deletes_no_file_elsewhere(place: Path) -> None:
    victim = place.parent / "secret.webp"
    uris = [f"file://{place}/pictures/../../secret.webp", f"file://{place}/pictures/link/secret.webp"]
    (place / "pictures").mkdir()
    (place / "pictures" / "link").symlink_to(place.parent)
    with Collection.open(place) as collection:
        ids = collection.add_vectors(
            collection.vectors([1])[1].reshape(1, -1).repeat(2, 0), uris=uris, keys=["a", "b"]
        ).items
        with open_client(collection) as client:
            for item_id in ids:
                client.delete(f"/v1/items/{item_id}", headers=HEADERS)
    assert victim.exists()


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "file:///dev/zero", "file:///proc/self/environ", "file:///etc"])
def test_a_file_that_is_no_picture_is_not_served(place: Path, uri: str) -> None:
    with Collection.open(place) as collection:
        [item_id] = collection.add_vectors(collection.vectors([1])[1], uris=[uri], keys=["a"]).items
        with open_client(collection) as client:
            for route in ("picture", "thumbnail?size=160"):
                response = client.get(f"/v1/items/{item_id}/{route}")
                assert response.status_code >= 400
                assert b"root:" not in response.content
                assert b"PATH" not in response.content
