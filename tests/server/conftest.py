"""What the server's tests share: one collection that no test changes, and a client of an app that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from tests.conftest import COLOURS
from tests.support import pictures
from tests.support.serving import open_client


@pytest.fixture(scope="session")
def discs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five discs, black.png to yellow.png."""
    folder = tmp_path_factory.mktemp("discs")
    for colour in COLOURS:
        pictures.disc(colour).save(folder / f"{colour}.png")
    return folder


@pytest.fixture(scope="session")
def discs(discs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """The five discs in order of their names, each with its colour as metadata. Tests read it, or put back what they
    change."""
    files = sorted(discs_folder.glob("*.png"))
    place = tmp_path_factory.mktemp("served") / "collection"
    with Collection.open(place, create=True, embedder="tiny") as collection:
        collection.add(files, metadata=[{"colour": file.stem} for file in files])
        yield collection


@pytest.fixture(scope="session")
def discs_client(discs: Collection) -> Iterator[TestClient]:
    """A client of an app that serves the five discs."""
    with open_client(discs) as client:
        yield client
