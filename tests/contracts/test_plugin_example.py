"""The worked example of a distribution with members of all three families: built, installed, tried and used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from indexers.errors import UnknownPlugin
from retrieval import Collection

ROOT = Path(__file__).parents[2]
EXAMPLE = Path(__file__).parent / "plugin_example"
USE = """
import json, sys
from pathlib import Path
from retrieval import Collection
from retrieval.cli.doctor import examine
folder = Path(sys.argv[1])
options = {"embedder": "moments", "index": "plain", "scan_below": 0}
with Collection.open("c", create=True, **options) as collection:
    added = collection.add(folder).added
    made = collection.make_clustering("led", "leader", settings={"distance": 0.4})
    first = [hit.uri for hit in collection.search(folder / "red.png", k=5)]
with Collection.open("c", **options) as collection:
    second = [hit.uri for hit in collection.search(folder / "red.png", k=5)]
    clusters = len(collection.clusters("led"))
    ok, info = collection.verify().ok, collection.info()
lines = {line.what: line.found for line in examine(Path("c")) if "nearkin-example" in line.found and line.ok}
print(json.dumps({"added": added, "made": made.clusters, "clusters": clusters, "first": first, "second": second,
                  "ok": ok, "embedder": info.embedder, "index": info.index, "lines": lines}))
"""


def python(place: Path, *words: str, path: Path | None = None) -> str:
    """In a process of its own, where only this checkout and `path` are added to what is installed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (path, ROOT) if path else (ROOT,)))
    done = subprocess.run([sys.executable, *words], cwd=place, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that building leaves nothing in the checkout."""
    return Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "example"))


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="building needs hatchling")
    target = tmp_path_factory.mktemp("site")
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check")
    offline = ("--no-deps", "--no-index")
    python(source, *pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", "dist", ".")
    [wheel] = (source / "dist").glob("*.whl")
    python(source, *pip, "install", *offline, "--target", str(target), str(wheel))
    return target


def test_its_members_keep_the_contracts(source: Path, installed: Path) -> None:
    said = python(source, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", path=installed)
    assert " passed" in said
    assert "failed" not in said


@pytest.fixture(scope="module")
def used(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A place with a collection `c` that uses all three by name, and what it said."""
    from tests.conftest import COLOURS
    from tests.support import pictures

    place = tmp_path_factory.mktemp("used")
    (place / "pictures").mkdir()
    for colour in COLOURS:
        pictures.disc(colour).save(place / "pictures" / f"{colour}.png")
    return place, json.loads(python(place, "-W", "error", "-c", USE, str(place / "pictures"), path=installed))


def test_a_collection_uses_them_by_name(used: tuple[Path, dict[str, Any]]) -> None:
    place, said = used
    assert (said["added"], said["embedder"], said["index"], said["ok"]) == (5, "moments", "plain", True)
    assert said["first"][0] == str(place / "pictures" / "red.png")
    assert said["first"] == said["second"]
    assert 1 < said["made"] == said["clusters"]


def test_the_doctor_knows_where_they_come_from(used: tuple[Path, dict[str, Any]]) -> None:
    origin = "from nearkin-example 1.0"
    assert used[1]["lines"] == {"embedder moments": origin, "index plain": origin, "clusterer leader": origin}


def test_without_them_what_is_stored_can_still_be_asked(used: tuple[Path, dict[str, Any]]) -> None:
    place, _ = used
    with Collection.open(place / "c") as collection:
        assert len(collection.search(item=1, k=5)) == 4
        with pytest.raises(UnknownPlugin, match="no embedder 'moments'"):
            collection.search(place / "pictures" / "red.png")
