"""What is published: built, installed elsewhere, and used there with nothing of the checkout in reach."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from indexers.catalogue import schema

ROOT = Path(__file__).parents[2]
USE = """
import sqlite3, sys
from pathlib import Path
import retrieval, indexers.catalogue.upgrade
assert Path(retrieval.__file__).is_relative_to(sys.argv[1]), retrieval.__file__
assert indexers.catalogue.upgrade.find_migrations().name == "_migrations"
folder = Path(sys.argv[2])
with retrieval.Collection.open(folder, create=True) as collection:
    collection.add_vectors([[1.0, 0.0], [0.0, 1.0]], keys=["a", "b"])
    assert collection.search(vector=[1.0, 0.1], k=1)[0].key == "a"
old = folder / "old"
old.mkdir()
connection = sqlite3.connect(old / "catalogue.sqlite")
connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
connection.close()
print(*indexers.catalogue.upgrade.upgrade_catalogue(old))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sdist, and the wheel that was made from it."""
    pytest.importorskip("build", reason="building needs the package build")
    pytest.importorskip("hatchling", reason="building needs hatchling")
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    [wheel] = built.glob("*.whl")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(wheel),
    ]
    done = subprocess.run([*command, "--disable-pip-version-check"], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return target


def run(site: Path, place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NEARKIN"))}
    return subprocess.run(
        [sys.executable, *command],
        cwd=place,
        env=environment | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )


def test_the_wheel_holds_code_migrations_and_nothing_else(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"retrieval", "indexers", "nearkin"}
    for name in ("env.py", "versions/0001_first_tables.py", "versions/0002_words.py"):
        assert f"indexers/_migrations/{name}" in names
    assert {"retrieval/py.typed", "indexers/py.typed"} <= set(names)
    assert [name for name in names if name.endswith("/LICENSE") or name.endswith("/licenses/.github/LICENSE")]
    assert not [name for name in names if "__pycache__" in name or "test_" in name]


def test_the_sdist_can_be_built_from(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "migrations/env.py",
        "retrieval/cli/app.py",
        "indexers/catalogue/schema.py",
    } <= names


def test_what_is_installed_works_by_itself(site: Path, tmp_path: Path) -> None:
    done = run(site, tmp_path, "-W", "error", "-c", USE, str(site), str(tmp_path / "c"))
    assert not done.returncode, done.stderr
    assert done.stdout.split() == ["0000", schema.REVISION]


def test_the_command_is_installed(site: Path, tmp_path: Path) -> None:
    command = "import sys; from retrieval.cli.app import main; sys.argv[0] = 'nearkin'; main()"
    done = run(site, tmp_path, "-c", command, "info", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no collection in" in done.stderr
    assert (site / "bin" / "nearkin").is_file()
