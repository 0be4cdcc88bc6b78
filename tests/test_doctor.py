"""The doctor looks at everything that can be in the way, and names a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers import plugins
from retrieval import doctor


def test_everything_needed_is_here(tmp_path: Path) -> None:
    lines = doctor.examine(tmp_path)
    assert [line.what for line in lines if line.needed and not line.ok] == []
    assert {"Python", "SQLite", "hnswlib", "folder", "file system", "index hnsw", "embedder tiny"} <= {
        line.what.replace("vector ", "index ") for line in lines
    }
    assert all(line.to_dict()["what"] for line in lines)


def test_every_member_of_a_family_is_looked_at(tmp_path: Path) -> None:
    looked = " ".join(line.what for line in doctor.examine(tmp_path))
    for group in plugins.BUILT_IN:
        for name in plugins.members(group):
            assert name in looked


def test_a_missing_package_has_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"models": ("no-such-package-at-all",)})
    [line] = [line for line in doctor.examine(tmp_path) if "no-such" in line.what]
    assert (line.ok, line.found, line.remedy) == (False, "not installed", "pip install 'nearkin[models]'")


def test_a_folder_that_is_not_there_yet_is_judged_by_what_is_above_it(tmp_path: Path) -> None:
    [line] = [line for line in doctor.examine(tmp_path / "a" / "b") if line.what == "folder"]
    assert line.ok
    assert not (tmp_path / "a").exists()


def test_a_network_file_system_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "file_system", lambda _: "nfs4")
    [line] = [line for line in doctor.examine(tmp_path) if line.what == "file system"]
    assert (line.ok, line.found, line.needed) == (False, "nfs4", True)
    assert "local disk" in line.remedy


def test_extras_are_those_of_the_project() -> None:
    project = Path(__file__).parents[1] / "pyproject.toml"
    text = project.read_text()
    for extra, names in doctor.EXTRAS.items():
        assert f"{extra} = [" in text
        for name in names:
            assert f'"{name}' in text, name
