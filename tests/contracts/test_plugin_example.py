"""The worked example of a distribution with members of all four families: built, installed, tried and used."""

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
    halves = collection.find_parts("halves").parts
    first = [hit.uri for hit in collection.search(folder / "red.png", k=5)]
with Collection.open("c", **options) as collection:
    second = [hit.uri for hit in collection.search(folder / "red.png", k=5)]
    clusters = len(collection.clusters("led"))
    ok, info = collection.verify().ok, collection.info()
lines = {line.what: line.found for line in examine(Path("c")) if "nearkin-example" in line.found and line.ok}
print(json.dumps({"added": added, "made": made.clusters, "clusters": clusters, "first": first,
                  "second": second, "halves": halves,
                  "ok": ok, "embedder": info.embedder, "index": info.index, "lines": lines}))
"""


def run_python(place: Path, *words: str, path: Path | None = None) -> str:
    """Run Python in a process of its own, where only this checkout and `path` are added to what is installed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (path, ROOT) if path else (ROOT,)))
    done = subprocess.run([sys.executable, *words], cwd=place, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example, so that building leaves nothing in the checkout."""
    return Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "example"))


@pytest.fixture(scope="module")
def install_folder(source_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="building needs hatchling")
    target = tmp_path_factory.mktemp("site")
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check")
    offline = ("--no-deps", "--no-index")
    run_python(source_folder, *pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", "dist", ".")
    [wheel] = (source_folder / "dist").glob("*.whl")
    run_python(source_folder, *pip, "install", *offline, "--target", str(target), str(wheel))
    return target


def test_its_members_keep_the_contracts(source_folder: Path, install_folder: Path) -> None:
    output = run_python(source_folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", path=install_folder)
    assert " passed" in output
    assert "failed" not in output


@pytest.fixture(scope="module")
def used_collection(install_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a folder with a collection `c` that uses all four by name, and what the process printed."""
    from tests.conftest import COLOURS
    from tests.support import pictures

    place = tmp_path_factory.mktemp("used")
    (place / "pictures").mkdir()
    for colour in COLOURS:
        pictures.disc(colour).save(place / "pictures" / f"{colour}.png")
    return place, json.loads(run_python(place, "-W", "error", "-c", USE, str(place / "pictures"), path=install_folder))


def test_a_collection_uses_them_by_name(used_collection: tuple[Path, dict[str, Any]]) -> None:
    place, output = used_collection
    assert (output["added"], output["embedder"], output["index"], output["ok"]) == (5, "moments", "plain", True)
    assert output["first"][0] == str(place / "pictures" / "red.png")
    assert output["first"] == output["second"]
    assert output["halves"] == 10
    assert 1 < output["made"] == output["clusters"]


def test_the_doctor_knows_where_they_come_from(used_collection: tuple[Path, dict[str, Any]]) -> None:
    origin = "from nearkin-example 1.0"
    _, output = used_collection
    assert output["lines"] == {
        "embedder moments": origin,
        "index plain": origin,
        "clusterer leader": origin,
        "finder halves": origin,
    }


def test_without_them_what_is_stored_can_still_be_asked(used_collection: tuple[Path, dict[str, Any]]) -> None:
    place, _ = used_collection
    with Collection.open(place / "c") as collection:
        assert len(collection.search(item=1, k=5)) == 4
        with pytest.raises(UnknownPlugin, match="no embedder 'moments'"):
            collection.search(place / "pictures" / "red.png")
