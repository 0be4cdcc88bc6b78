"""Parts over HTTP are those of the collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from indexers.pictures.images import as_picture
from retrieval import Collection
from tests.support.browsing import CHROMIUM, serve_in_thread
from tests.support.discs import place_disc, write_discs
from tests.support.media import write_film
from tests.support.serving import open_client


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    folder: Path = tmp_path_factory.mktemp("parts")
    with Collection.open(folder / "collection", create=True, embedder="tiny") as collection:
        collection.add(write_discs(folder / "discs", 5))
        collection.find_parts("tiles:1")
        yield collection


@pytest.fixture
def client(collection: Collection) -> Iterator[TestClient]:
    with open_client(collection) as client:
        yield client


def test_the_parts_of_an_item_are_listed(client: TestClient, collection: Collection) -> None:
    expected = [part.to_dict() for part in collection.parts(1)]
    assert client.get("/v1/items/1/parts").json() == {"parts": expected}
    assert client.get("/v1/items/1/parts", params={"kind": "faces"}).json() == {"parts": []}
    assert client.get("/v1/items/99/parts").status_code == 404


def test_a_search_by_parts_is_that_of_the_collection(client: TestClient, collection: Collection) -> None:
    box = list(place_disc(0)[2])
    answer = client.post("/v1/search", json={"item": 1, "by": "tiles", "region": box, "k": 3}).json()
    assert answer["hits"] == [hit.to_dict() for hit in collection.search(item=1, by="tiles", region=box, k=3)]
    assert client.post("/v1/search", json={"item": 1, "region": [1, 2]}).status_code == 422
    assert client.post("/v1/search", json={"item": 1, "by": "faces"}).status_code in (400, 422)


@pytest.mark.parametrize("name", ["dogs", "tiles:/etc/passwd", "tiles:x", "../x"])
def test_what_is_no_finder_is_refused(client: TestClient, name: str) -> None:
    assert client.post("/v1/jobs/parts", json={"finders": [name]}).status_code in (400, 404, 422, 503)


def test_a_part_is_shown_small_and_kept_until_its_item_goes(client: TestClient, collection: Collection) -> None:
    part = next(part for part in collection.parts(1) if part.box is not None)
    answer = client.get(f"/v1/parts/{part.id}/thumbnail", params={"edge": 160})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert max(as_picture(answer.content).size) <= 160
    headers = {"If-None-Match": answer.headers["etag"]}
    assert client.get(f"/v1/parts/{part.id}/thumbnail", params={"edge": 160}, headers=headers).status_code == 304
    kept = list((collection.path / "thumbnails").glob(f"*/{collection.get(1).hash}-160-*.webp"))
    assert len(kept) == 1
    kept[0].write_bytes(b"no picture")
    assert client.get(f"/v1/parts/{part.id}/thumbnail", params={"edge": 160}).content == answer.content
    assert client.get("/v1/parts/1/thumbnail").status_code == 404, "an item is no part"


def test_a_film_is_served_in_ranges_as_a_film(tmp_path: Path) -> None:
    pytest.importorskip("av")
    film = write_film(tmp_path / "a.mp4", ["red", "blue"])
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as films:
        films.add(film)
        films.find_parts("frames")
        with open_client(films) as client:
            answer = client.get("/v1/items/1/picture", headers={"Range": "bytes=4-7"})
            assert (answer.status_code, answer.content) == (206, b"ftyp")
            assert answer.headers["content-type"] == "video/mp4"
            assert answer.headers["content-disposition"] == "inline"
            assert "media-src 'self'" in answer.headers["content-security-policy"]
            colours = [
                as_picture(client.get(f"/v1/parts/{part.id}/thumbnail").content).resize((1, 1)).getpixel((0, 0))
                for part in films.parts(1, "frames")
            ]
            assert colours[0][0] > 200 > 60 > colours[0][2]
            assert colours[-1][2] > 200 > 60 > colours[-1][0]


def test_the_page_shows_clusters_of_parts_and_opens_what_holds_them(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    pytest.importorskip("pypdfium2")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs {CHROMIUM}")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as library:
        library.add(write_discs(tmp_path / "discs", 8))
        pages = [Image.new("RGB", (200, 300), colour) for colour in ("red", "green")]
        pages[0].save(tmp_path / "a.pdf", save_all=True, append_images=pages[1:])
        library.add(tmp_path / "a.pdf")
        library.find_parts(["tiles:2", "pages"])
        page = library.parts(9, "pages")[1]
    with serve_in_thread(tmp_path / "c") as server, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab, errors = browser.new_page(), list[str]()
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(f"{server.address}/#/clusters?of=tiles&level=fine")
        tab.get_by_role("link", name="tiles", exact=True).wait_for()
        tab.locator(".tile").first.click()
        tab.locator(".grid .shot").first.click()
        tab.locator(".part.chosen").wait_for()
        assert "?part=" in tab.url
        tab.goto(f"{server.address}/#/items/9?part={page.id}")
        tab.get_by_alt_text("Page 2 of a.pdf").wait_for()
        tab.goto(f"{server.address}/#/outliers?of=tiles")
        tab.get_by_role("heading", name="Outliers of tiles").wait_for()
        browser.close()
    assert not errors
