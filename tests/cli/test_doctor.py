"""The doctor looks at everything that can be in the way, and names a remedy."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers import plugins
from indexers.embedders import lite0
from retrieval import Collection
from retrieval.cli import doctor
from retrieval.cli.doctor import Check


def test_everything_needed_is_here(tmp_path: Path) -> None:
    checks = doctor.examine(tmp_path)
    assert [check.what for check in checks if check.needed and not check.ok] == []
    assert {"Python", "SQLite", "folder", "file system", "index hnsw", "embedder tiny"} <= {
        check.what for check in checks
    }
    assert all(check.to_dict()["what"] for check in checks)


def test_the_package_that_makes_the_default_index_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hnswlib")
    own = find_check("index hnsw", tmp_path)
    assert (own.ok, own.found, own.needed) == (True, f"hnswlib {version('hnswlib')}", True)
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    without = find_check("index hnsw", tmp_path)
    assert (without.ok, without.remedy) == (True, "")
    assert without.found == f"usearch {version('usearch')} serves in its place, since hnswlib is not installed"
    monkeypatch.setattr(doctor, "_is_installed", lambda package: package not in ("hnswlib", "usearch"))
    neither = find_check("index hnsw", tmp_path)
    assert (neither.ok, neither.needed) == (False, True)
    assert neither.remedy.startswith("pip install 'nearkin[hnswlib]', which needs a C++ compiler")


def test_the_engine_of_the_default_embedder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "_list_light_engines", lambda: ["onnxruntime"])
    assert find_check("engine of lite0", tmp_path) == Check("engine of lite0", True, "ONNX Runtime")
    monkeypatch.setattr(lite0, "has_packages", lambda *packages: False)
    monkeypatch.setattr(lite0, "_list_light_engines", list)
    without = find_check("engine of lite0", tmp_path)
    assert (without.ok, without.remedy, without.needed) == (False, "pip install 'nearkin[lite0]'", False)


def test_every_member_of_a_family_is_looked_at(tmp_path: Path) -> None:
    titles = " ".join(check.what for check in doctor.examine(tmp_path))
    for group in plugins.BUILT_IN:
        for name in plugins.find_members(group):
            assert name in titles


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Yield a function that puts a distribution on disk as pip does, ahead of all others: its name, the text of
    METADATA and of its entry points, and its modules."""

    def put(name: str, metadata: str, points: str = "", **modules: str) -> None:
        facts = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        facts.mkdir(exist_ok=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.3\nName: {name}\nVersion: 1.0\n{metadata}")
        (facts / "entry_points.txt").write_text(points)
        (facts / "top_level.txt").write_text("\n".join(modules))
        for module, code in modules.items():
            (tmp_path / f"{module}.py").write_text(code)

    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.find_members.cache_clear()
    yield put
    plugins.find_members.cache_clear()


REQUIRES = """Requires-Dist: numpy>=1.26
Requires-Dist: pytest>=8 ; extra == 'test'
Requires-Dist: here; extra == 'one'
Requires-Dist: no-such-package-at-all>=2 ; extra == 'one'
Requires-Dist: here (>=1); python_version > "3" and extra == "two"
"""


def find_check(title: str, folder: Path) -> Check:
    [check] = [check for check in doctor.examine(folder) if check.what == title]
    return check


def test_an_extra_is_there_or_has_its_remedy(tmp_path: Path, installed: Callable[..., None]) -> None:
    installed("nearkin", REQUIRES)
    installed("here", "")
    extra = find_check("extra one", tmp_path)
    assert (extra.ok, extra.found) == (False, "here 1.0, missing: no-such-package-at-all")
    assert extra.remedy == "pip install 'nearkin[one]'"
    assert find_check("extra two", tmp_path) == Check("extra two", True, "here 1.0")
    assert list(doctor.list_extras()) == ["one", "two"]


def test_another_distribution_may_bring_the_module(tmp_path: Path, installed: Callable[..., None]) -> None:
    installed("nearkin", "Requires-Dist: no-cv-headless; extra == 'duplicates'")
    installed("other-cv", "", nearkin_cv="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(doctor.MODULES, "no-cv-headless", "nearkin_cv")
        assert find_check("extra duplicates", tmp_path).ok


def test_a_checkout_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    check = find_check("extras", tmp_path)
    assert (check.ok, check.needed) == (False, False)
    assert "pip install -e ." in check.remedy


def test_plug_ins_are_listed_with_where_they_come_from(tmp_path: Path, installed: Callable[..., None]) -> None:
    points = "[nearkin.embedders]\ngrey = doctor_whole:Grey\ntiny = doctor_whole:Grey\n"
    points += "[nearkin.vectors]\nlacking = doctor_lacking:Index\nfaulty = doctor_faulty:Index\n"
    faulty = {"doctor_lacking": "import no_such_package_at_all", "doctor_faulty": "1 / 0"}
    installed("their-pictures", "", points, doctor_whole="class Grey: pass", **faulty)
    assert find_check("embedder grey", tmp_path) == Check("embedder grey", True, "from their-pictures 1.0")
    [ours, theirs] = [check for check in doctor.examine(tmp_path) if check.what == "embedder tiny"]
    assert (ours.ok, theirs.ok) == (True, False)
    assert theirs.found == "from their-pictures 1.0: hidden by the built-in embedder of that name"
    assert "needs the package 'no_such_package_at_all'" in find_check("index lacking", tmp_path).found
    assert find_check("index faulty", tmp_path).found == (
        "from their-pictures 1.0: cannot be loaded: ZeroDivisionError: division by zero"
    )


def test_extras_are_those_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the build backend writes them into what is installed."""
    core = pytest.importorskip("hatchling.metadata.core", reason="needs hatchling")
    manager = pytest.importorskip("hatchling.plugin.manager", reason="needs hatchling")
    spec = pytest.importorskip("hatchling.metadata.spec", reason="needs hatchling")
    root = Path(__file__).parents[2]
    facts = tmp_path / "nearkin-0.dist-info"
    facts.mkdir()
    project = core.ProjectMetadata(str(root), manager.PluginManager())
    (facts / "METADATA").write_text(spec.get_core_metadata_constructors()["2.3"](project))
    monkeypatch.syspath_prepend(str(tmp_path))
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(doctor.list_extras()) == set(extras) - set(doctor.DEVELOPERS)
    assert doctor.list_extras()["parquet"] == ["pyarrow"]
    assert {"openvino", "onnx", "onnxruntime"} <= set(doctor.list_extras()["openvino"])


def test_a_folder_that_is_not_there_yet_is_judged_by_what_is_above_it(tmp_path: Path) -> None:
    assert find_check("folder", tmp_path / "a" / "b").ok
    assert not (tmp_path / "a").exists()


def test_a_network_file_system_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_file_system", lambda _: "nfs4")
    check = find_check("file system", tmp_path)
    assert (check.ok, check.found, check.needed) == (False, "nfs4", True)
    assert "local disk" in check.remedy


def test_whether_words_find_pictures_is_told(tmp_path: Path) -> None:
    check = find_check("search by words", tmp_path / "none")
    assert (check.ok, check.needed, check.found, check.remedy) == (True, False, "lite0: yes", "")
    with Collection.open(tmp_path / "classic", create=True, embedder="tiny") as collection:
        collection.add(Image.new("RGB", (9, 9)), keys=["a"])
    check = find_check("search by words", tmp_path / "classic")
    assert (check.ok, check.needed) == (False, False)
    assert check.found == "tiny: reads no words; texts, metadata and file names are searched"
    assert check.remedy.startswith("nearkin add --embedder clip")
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(np.eye(3))
    assert find_check("search by words", tmp_path / "c").found.startswith("ready-made vectors: reads no words")


def test_it_is_said_when_another_index_would_pay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        collection.add_vectors([[1.0, 2.0], [2.0, 1.0]])
    assert doctor._check_index(tmp_path / "none") == []
    [small] = doctor._check_index(tmp_path / "c")
    assert small.ok
    monkeypatch.setattr("retrieval.spaces.info.CODES_FROM", 2)
    [large] = doctor._check_index(tmp_path / "c")
    assert not large.ok
    assert "NEARKIN_INDEX=auto" in large.remedy
    assert "a tenth of the memory" in large.found
    monkeypatch.setenv("NEARKIN_INDEX", "exact")
    [exact] = doctor._check_index(tmp_path / "c")
    assert (exact.ok, exact.found) == (True, "exact")
