"""Duplicates by the client: pages are joined, an overlay is a picture; the rest is compared in test_client."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL.Image import Image

from retrieval import Collection
from retrieval.client import Client
from tests.support import pictures
from tests.support.serving import AppTransport, open_client


def test_pages_of_groups_are_joined(collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        pictures.noise(number // 2, (120, 90)).save(tmp_path / f"{number}.{'png' if number % 2 else 'bmp'}")
    collection.add(sorted(tmp_path.glob("*.*")))
    with open_client(collection, headers={}) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        get = client._get
        monkeypatch.setattr(client, "_get", lambda path, **params: get(path, **{**params, "limit": 1}))
        assert client.duplicates() == collection.duplicates()
        assert len(client.duplicates()) == 3


def test_an_overlay_is_a_picture(filled: Collection) -> None:
    with open_client(filled, headers={}) as app_client:
        client = Client("http://localhost", transport=AppTransport(app_client))
        overlay = client.overlay(1, 2)
        assert isinstance(overlay, Image)
        assert overlay.size == filled.overlay(1, 2).size
