"""Exports over HTTP: the files that the collection writes, as downloads."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server.routes.transfer import MEDIA_TYPES, read_chunks
from tests.support.serving import open_client


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_download_is_the_collections_own_file(
    discs_client: TestClient, discs: Collection, tmp_path: Path, kind: str
) -> None:
    response = discs_client.get("/v1/export", params={"format": kind})
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == MEDIA_TYPES[kind]
    assert response.headers["content-disposition"] == f'attachment; filename="items.{kind}"'
    assert response.headers["x-nearkin-items"] == "5"
    assert int(response.headers["content-length"]) == len(response.content)
    discs.export(tmp_path / f"items.{kind}")
    if kind != "npz":  # whose archive holds the time
        assert response.content == (tmp_path / f"items.{kind}").read_bytes()
    else:
        with np.load(io.BytesIO(response.content)) as arrays:
            assert arrays["vectors"].shape == (5, 13)


def test_a_filter_chooses(discs_client: TestClient) -> None:
    response = discs_client.get("/v1/export", params={"where": json.dumps({"colour": "red"})})
    assert [json.loads(row["metadata"]) for row in csv.DictReader(io.StringIO(response.text))] == [{"colour": "red"}]


@pytest.mark.parametrize(
    ("params", "status", "reason"),
    [
        ({"format": "doc"}, 422, "csv"),
        ({"vectors": "true"}, 400, ".csv can't hold vectors; export them to .parquet or .npz"),
        ({"where": "{"}, 400, "where must be JSON"),
        ({"where": '{"$no": 1}'}, 400, "$no"),
        ({"vectors": "maybe"}, 422, "vectors"),
    ],
)
def test_what_makes_no_sense_is_refused(
    discs_client: TestClient, params: dict[str, str], status: int, reason: str
) -> None:
    refused = discs_client.get("/v1/export", params=params)
    assert refused.status_code == status
    assert reason in refused.json()["detail"]


def test_nothing_is_left_behind(discs_client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert discs_client.get("/v1/export").status_code == 200
    assert discs_client.get("/v1/export", params={"vectors": True}).status_code == 400
    assert not list(tmp_path.iterdir())


def test_a_file_is_read_in_chunks_and_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(600_000))
    file = (tmp_path / "file").open("rb")
    assert [len(chunk) for chunk in read_chunks(file)] == [262_144, 262_144, 75_712]
    assert file.closed


def test_only_so_many_are_made_at_once(discs: Collection) -> None:
    with open_client(discs) as client:
        tables = client.app.state.nearkin.tables  # type: ignore[attr-defined]
        tables.patience = 0.01
        with tables.take(tables.size):
            refused = client.get("/v1/export")
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:nearkin:too-busy")
            assert refused.json()["detail"] == "too many large answers are being made; try again later"
            large = client.post("/v1/search/many", json={"vectors": [[1.0] * 13] * 30, "k": 1000})
            assert large.status_code == 503
            assert client.post("/v1/search/many", json={"vectors": [[1.0] * 13], "k": 3}).status_code == 200
        assert client.get("/v1/export").status_code == 200


def test_pictures_come_as_a_zip_file(discs_client: TestClient) -> None:
    response = discs_client.get("/v1/archive", params={"where": json.dumps({"colour": "red"})})
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        name, facts = archive.namelist()
        assert facts == "items.jsonl"
        assert archive.read(name)[:4] == b"\x89PNG"
        assert json.loads(archive.read(facts))["file"] == name
