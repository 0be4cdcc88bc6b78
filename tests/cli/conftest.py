"""A command line in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval import Collection
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


@pytest.fixture
def full(shell: Shell, folder: Path) -> Shell:
    """Return a command line with the five discs in the default collection."""
    with Collection.open(shell.place / "nearkin-collection", create=True, embedder="tiny") as collection:
        files = sorted(folder.glob("*.png"))
        collection.add(files, metadata=[{"colour": file.stem, "n": n} for n, file in enumerate(files)])
    return shell


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return the place of a collection that does not exist yet."""
    return tmp_path / "collection"
