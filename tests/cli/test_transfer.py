"""The commands that write items to files and read them back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval import Collection
from tests.conftest import vectors
from tests.support.shell import Shell


@pytest.fixture
def shell(filled: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a command line with a collection of five pictures."""
    filled.close()
    return Shell(tmp_path, monkeypatch)


def test_a_collection_is_carried_over(shell: Shell) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    assert "wrote 5 items" in shell("export", "all.parquet", "--vectors", "-c", "collection").stdout
    assert shell.json("import", "all.parquet", "-c", "other")["added"] == 5
    assert "5 replaced" in shell("import", "all.parquet", "-c", "other").stdout
    assert (shell.json("info", "-c", "other")["items"], shell.json("info", "-c", "other")["embedder"]) == (5, "tiny")


def test_several_files_go_into_one_collection(shell: Shell, tmp_path: Path) -> None:
    for place in range(2):
        np.savez(tmp_path / f"{place}.npz", vectors=vectors(3, place), keys=[f"{place}{row}" for row in range(3)])
    assert "6 added" in shell("import", "0.npz", "1.npz", "-c", "other").stdout


def test_what_can_not_be_carried_is_wrong_usage(shell: Shell) -> None:
    assert "can't import from" in shell("import", "collection/catalogue.sqlite", "-c", "other", code=2).stderr
    assert "is no file" in shell("import", "nowhere.npz", "-c", "other", code=2).stderr
    assert "can't hold vectors" in shell("export", "all.csv", "--vectors", "-c", "collection", code=2).stderr
    assert "Missing argument" in shell("import", code=2).stderr
