"""The app below a prefix: mounted in other apps, and behind proxies that strip the prefix or pass it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from indexers.errors import BadSetting
from retrieval import Collection
from retrieval.client import Client
from retrieval.server import ServerSettings, create_app
from retrieval.server.prefix import check_root_path, find_route_path, locate, make_relative
from tests.support.browsing import CHROMIUM
from tests.support.serving import (
    CLIENT_HEADERS,
    READ,
    WRITE,
    AppTransport,
    listen_to_app,
    make_png,
    open_client,
    paint_folder,
    wait_for_job,
    wait_until,
)


@pytest.mark.parametrize("root_path", ["pictures", "/pictures/", "/", "//a", "/a b", "/a?b", "/a/../b", "/a%2f", "/v1"])
def test_a_root_path_that_is_none_is_refused(root_path: str) -> None:
    with pytest.raises(BadSetting, match=r"root path"):
        check_root_path(root_path)


@pytest.mark.parametrize("root_path", ["", "/pictures", "/a/b-c/~d.e", "/v1x"])
def test_a_root_path_of_plain_segments_is_taken(root_path: str) -> None:
    check_root_path(root_path)


@pytest.mark.parametrize(
    ("scope", "setting", "route"),
    [
        ({"path": "/v1/items"}, "", "/v1/items"),
        ({"path": "/v1/items"}, "/x", "/v1/items"),
        ({"path": "/x/v1/items"}, "/x", "/v1/items"),
        ({"path": "/x"}, "/x", ""),
        ({"path": "/xylophone"}, "/x", "/xylophone"),
        ({"path": "/x/v1/items", "root_path": "/x"}, "", "/v1/items"),
        ({"path": "/x/v1/items", "root_path": "/x/"}, "/y", "/v1/items"),
        ({"path": "/mounted/v1/items", "root_path": "/api/mounted", "app_root_path": "/api"}, "", "/v1/items"),
        ({"path": "/api/mounted/v1", "root_path": "/api/mounted", "app_root_path": "/api"}, "", "/v1"),
    ],
)
def test_a_route_has_one_path_whatever_was_stripped(scope: Any, setting: str, route: str) -> None:
    located = locate(scope, setting)
    assert find_route_path(located) == route
    assert located["path"] == located["root_path"] + route


@pytest.mark.parametrize(
    ("location", "path", "target"),
    [
        ("http://a/x/", "/x", "/x/"),
        ("http://a/x/docs", "/x/docs/", "/x/docs"),
        ("https://b/v1/items?limit=3", "/v1/items/", "/v1/items?limit=3"),
    ],
)
def test_redirects_lead_to_the_same_place_without_a_host(location: str, path: str, target: str) -> None:
    relative = make_relative(location, path)
    assert "//" not in relative
    assert urljoin(f"http://seen{path}", relative) == f"http://seen{target}"


# ---- mounted


def mount_in_starlette(app: ASGIApp) -> ASGIApp:
    return Starlette(routes=[Mount("/pictures", app=app)])


def mount_in_fastapi(app: ASGIApp) -> ASGIApp:
    parent = FastAPI()
    parent.mount("/pictures", app)
    return parent


def mount_twice(app: ASGIApp) -> ASGIApp:
    return Starlette(routes=[Mount("/pictures", app=Starlette(routes=[Mount("/", app=app)]))])


PARENTS = (mount_in_starlette, mount_in_fastapi, mount_twice)


@contextmanager
def open_mounted(collection: Collection, parent: Any, **settings: Any) -> Iterator[TestClient]:
    """Yield a client of an app that is mounted below /pictures, and told nothing of its start and its end."""
    app = create_app(collection, ServerSettings(**settings))
    with TestClient(parent(app), "http://localhost/pictures", headers=CLIENT_HEADERS) as client:
        yield client
    app.state.nearkin.close()


@pytest.mark.parametrize("parent", PARENTS)
def test_a_mounted_app_searches_takes_uploads_and_does_jobs(parent: Any, filled: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "more", 3)
    with open_mounted(filled, parent, allow=(folder,)) as client:
        assert client.get("/v1/count").json() == {"count": 5}
        assert client.post("/v1/search", json={"item": 1, "k": 2}).json()["hits"]
        upload = client.post("/v1/uploads", files={"picture": make_png("red")}).json()["upload"]
        assert client.post("/v1/search", json={"upload": upload}).json()["hits"]
        assert client.get(f"/v1/uploads/{upload}/thumbnail").status_code == 200
        assert client.get("/v1/items/1/thumbnail").headers["content-type"] == "image/webp"
        job = client.post("/v1/jobs/add", json={"paths": [str(folder)]})
        assert job.status_code == 202
        assert wait_for_job(client, job.json()["id"])["report"]["added"] == 3
        metrics = client.get("/metrics").text
        assert 'route="/v1/items/{item}/thumbnail"' in metrics


@pytest.mark.parametrize("parent", PARENTS)
def test_a_mounted_app_tells_its_addresses_relative_to_itself(parent: Any, discs: Collection) -> None:
    with open_mounted(discs, parent) as client:
        assert client.get("http://localhost/pictures").url.path == "/pictures/"  # by a redirect of the parent's
        for path in ("/", "/docs"):
            html = client.get(path).text
            assert 'src="static/' in html
            assert '"/' not in html.replace('"/>', "")
        assert client.get("/static/page.js").status_code == 200
        assert client.get("/docs/", follow_redirects=False).headers["location"] == "../docs"
        assert client.get("/v1/openapi.json").json()["servers"] == [{"url": "/pictures"}]


def test_the_rules_for_requests_hold_below_a_prefix(discs: Collection) -> None:
    with open_mounted(discs, mount_in_starlette) as client:
        del client.headers["X-Nearkin"]
        assert client.post("/v1/search", json={"item": 1}).status_code == 200
        assert client.patch("/v1/items/1", json={"metadata": {}}).status_code == 403
        assert client.get("/v1/items", headers={"Host": "evil.example"}).status_code == 421
    with open_mounted(discs, mount_in_starlette, read_token=READ, write_token=WRITE) as client:
        assert client.get("/v1/items").status_code == 401
        assert client.get("/").status_code == client.get("/static/page.js").status_code == 200
        session = client.post("/v1/session", json={"token": READ})
        assert "path=" not in session.headers["set-cookie"].lower()  # so it holds below /pictures/v1
        assert client.get("/v1/items/1/thumbnail").status_code == 200


def test_the_parent_may_start_and_end_it(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "watched", 2)
    app = create_app(collection, ServerSettings(watch=(folder,)))

    @asynccontextmanager
    async def run_lifespan(_: Starlette) -> Any:
        async with app.router.lifespan_context(app):
            yield

    parent = Starlette(routes=[Mount("/pictures", app=app)], lifespan=run_lifespan)
    with TestClient(parent, "http://localhost/pictures", headers=CLIENT_HEADERS) as client:
        jobs = wait_until(lambda: client.get("/v1/jobs").json()["jobs"])
        assert wait_for_job(client, jobs[0]["id"])["report"]["added"] == 2
    assert not app.state.nearkin.jobs.start()  # it was ended


def test_the_client_speaks_to_an_app_below_a_prefix(discs: Collection) -> None:
    with open_mounted(discs, mount_in_fastapi) as app_client:
        client = Client("http://localhost/pictures", transport=AppTransport(app_client))
        assert client.count() == 5
        assert client.change() == discs.change()
        assert len(client.search(make_png("red"), k=2)) == 2


# ---- behind a proxy


@pytest.mark.parametrize("stripped", [True, False])
def test_behind_a_proxy(discs: Collection, stripped: bool) -> None:
    with open_client(discs, root_path="/x") as client:
        prefix = "" if stripped else "/x"
        assert client.get(f"{prefix}/v1/count").json() == {"count": 5}
        assert client.post(f"{prefix}/v1/search", json={"item": 1}).status_code == 200
        assert client.get(f"{prefix}/static/page.js").status_code == 200
        assert client.get(f"{prefix}/").status_code == client.get(f"{prefix}/docs").status_code == 200
        assert client.get(f"{prefix}/v1/openapi.json").json()["servers"] == [{"url": "/x"}]
        assert client.get(f"{prefix}/static/none.js").status_code == 404
        if not stripped:
            assert client.get("/x", follow_redirects=False).headers["location"] == "./x/"


# ---- in a browser


class Stripping:
    """A proxy that shows an app below /shown, and tells it nothing of that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith("/shown/"), scope["path"]
            scope = {**scope, "path": scope["path"].removeprefix("/shown")}
        await self._app(scope, receive, send)


def test_the_page_of_a_mounted_app_behind_a_stripping_proxy(filled: Collection, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    app, prefix = create_app(filled), "/shown/pictures/"
    complaints: list[str] = []
    (tmp_path / "asked.png").write_bytes(make_png("red"))
    with listen_to_app(Stripping(mount_in_fastapi(app))) as url, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        tab = browser.new_page()
        tab.on("console", lambda line: complaints.append(line.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
        tab.on(
            "request",
            lambda ask: None if ask.url.startswith((url + prefix, "blob:")) else complaints.append(ask.url),
        )
        tab.goto(url + prefix)
        tab.wait_for_selector(".shot img")
        tab.set_input_files("#file", tmp_path / "asked.png")
        playwright.expect(tab.locator(".term")).to_contain_text("your picture")
        tab.goto(f"{url}{prefix}#/items/1")
        tab.wait_for_selector(".stage img")
        tab.goto(f"{url}{prefix}docs")
        tab.wait_for_selector("#topic-schemas")
        assert f"{url}{prefix}v1/items/{{item}}" in tab.content()
        tab.get_by_role("link", name="nearkin, start").click()
        tab.wait_for_selector(".shot img")
        browser.close()
    app.state.nearkin.close()
    assert complaints == []


def test_uvicorns_own_root_path_is_respected(discs: Collection) -> None:
    app = create_app(discs)
    config = uvicorn.Config(app, root_path="/x", log_config=None)
    with listen_to_app(app, config) as url, Client(url) as client:
        assert client.count() == 5
