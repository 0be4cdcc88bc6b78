"""The application: what it refuses, what it serves beside the routes, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from indexers.errors import BadSetting
from retrieval import Collection
from retrieval.server import ServerSettings, create_app


def test_the_app_refuses_settings_that_make_no_sense(discs: Collection) -> None:
    with pytest.raises(BadSetting):
        create_app(discs, ServerSettings("0.0.0.0"))


def test_the_collection_stays_open_unless_the_app_is_to_close_it(tmp_path: Path) -> None:
    closed: list[str] = []

    class Watched(Collection):
        def close(self) -> None:
            closed.append("closed")
            super().close()

    with Watched.open(tmp_path / "collection", create=True, embedder="tiny") as collection:
        with TestClient(create_app(collection), "http://localhost") as client:
            assert client.get("/readyz").status_code == 200
        assert closed == []
        with TestClient(create_app(collection, close=True), "http://localhost") as client:
            assert client.get("/readyz").status_code == 200
        assert closed == ["closed"]


def test_static_files_are_served_and_nothing_beside_them(discs_client: TestClient) -> None:
    script = discs_client.get("/static/page.js")
    assert (script.status_code, script.headers["content-type"].partition(";")[0]) == (200, "text/javascript")
    assert discs_client.get("/static/none.js").status_code == 404
    assert discs_client.get("/static/%2e%2e/app.py").status_code == 404


def test_nothing_but_the_page_is_at_the_root(discs_client: TestClient) -> None:
    assert discs_client.get("/redoc").status_code == 404
    assert discs_client.get("/openapi.json").status_code == 404
    assert discs_client.get("/").headers["content-type"].startswith("text/html")


def test_former_names_go_on_to_work() -> None:
    from retrieval import server

    assert server.application is server.create_app
    assert server.Served is server.ServerSettings
