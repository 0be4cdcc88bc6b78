"""Fresh environments: only the core installed, and the lowest versions that pyproject.toml allows.

`pytest --slow tests/meta/test_fresh.py`: it installs from the package index, and takes some minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import pictures

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXTRAS = "classic,client,duplicates,faiss,hnswlib,jxl,lite0,onnx,pandas,parquet,rabitq,remote,server,usearch"
"""The extras whose lowest versions are tried together: those without torch."""
TOUCHING = {
    "adapters": "sklearn",
    "catalogue": "catalogue conditions file_lock full_text sqlite transaction upgrade",
    "cli": "app items options output transfer",
    "client": "client",
    "clusterers": "contract hdbscan kmeans",
    "embedders": "classic lite0 onnx",
    "followers": "stored_file",
    "matching": "features geometry",
    "pictures": "colours images remote tags tiff",
    "server": "app protocol watch",
    "server/routes": "items",
    "tree": "linkage",
}
WHOLE = "transfer", "vectors", "words"
"""The tests that call each pinned package in the ways in which nearkin calls it. All others run the same calls again:
the whole suite tells no more about a version."""
TOOLS = ("pytest>=8", "pytest-xdist>=3.8", "hypothesis>=6.100")
NO_INDEX = ("No matching distribution", "Could not find a version", "connection", "resolve host", "Name or service")


def make_environment(place: Path) -> Path:
    """Return the folder of programs of a new environment."""
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    return place / "bin"


def install(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=clean(), timeout=1800)
    if done.returncode and any(words in done.stderr for words in NO_INDEX):
        pytest.skip(f"no package index to install from: {done.stderr.strip().splitlines()[-1][:200]}")
    assert not done.returncode, done.stderr


def clean() -> dict[str, str]:
    """Return the environment without this checkout's path and without anybody's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NEARKIN", "VIRTUAL"))}


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command `nearkin` of an environment in which only the core is installed."""
    programs = make_environment(tmp_path_factory.mktemp("core"))
    install([str(programs / "pip"), "install", "--quiet", str(ROOT)])
    return programs / "nearkin"


@pytest.fixture(scope="module")
def place(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with six pictures, and a collection of them that was made with nothing but the core."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "p").mkdir()
    for number in range(6):
        pictures.noise(number, (32, 24)).resize((160, 120)).save(folder / "p" / f"{number}.png")
    done = run(core, folder, "add", "p", "--embedder", "tiny")
    assert done.returncode == 0, done.stderr
    assert "6 added, 0 known, 0 failed" in done.stdout
    return folder


def run(core: Path, place: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = clean() | settings
    return subprocess.run([str(core), *arguments], cwd=place, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--version",
        "search p/0.png -k 3",
        "search --query png",
        "clusters",
        "clusters --html clusters.html",
        "cluster --method kmeans -k 2",
        "cluster --method hdbscan",
        "evaluate",
        "outliers",
        "duplicates",
        "check p/0.png",
        "sync p",
        "info --json",
        "verify",
        "spaces",
        "embedders",
        "doctor",
        "export all.npz",
        "export all.csv",
        "import all.npz -c copy",
        "upgrade",
    ],
)
def test_the_core_alone_can_do_this(core: Path, place: Path, arguments: str) -> None:
    done = run(core, place, *arguments.split())
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ("add p -c l", "lite0"),
        ("add p -c k --embedder classic", "classic"),
        ("add p -c c --embedder clip", "models"),
        ("add p -c r --embedder resnet18", "models"),
        ("add p -c t --embedder timm:resnet18", "models"),
        ("add p -c o --embedder onnx:model.onnx", "onnx"),
        ("add zip://*.png::all.zip", "remote"),
        ("cluster --method deep -k 2", "models"),
        ("cluster --method hvae -k 2", "models"),
        ("export all.parquet", "parquet"),
        ("demo", "demo"),
        ("serve", "server"),
        ("export-onnx clip clip.onnx", "models"),
    ],
)
def test_what_is_missing_is_named_with_what_brings_it(core: Path, place: Path, arguments: str, extra: str) -> None:
    (place / "all.zip").write_bytes(b"PK\5\6" + bytes(18))
    (place / "model.onnx").write_bytes(b"model")
    done = run(core, place, *arguments.split())
    assert done.returncode == 1, done.stderr
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert f"pip install 'nearkin[{extra}]'" in line
    assert "Traceback" not in done.stdout
    assert "internal error" not in line


def test_what_could_not_begin_with_one_embedder_begins_with_another(core: Path, place: Path) -> None:
    assert run(core, place, "add", "p", "-c", "second").returncode == 1
    done = run(core, place, "add", "p", "-c", "second", "--embedder", "tiny")
    assert (done.returncode, done.stdout.split()[0]) == (0, "6"), done.stderr


def test_exact_needs_no_index_package(core: Path, place: Path) -> None:
    subprocess.run([core.parent / "pip", "uninstall", "--quiet", "--yes", "usearch", "hnswlib"], check=True)
    try:
        for arguments in ("add p -c exact --embedder tiny", "search p/0.png -c exact", "clusters -c exact"):
            done = run(core, place, *arguments.split(), NEARKIN_INDEX="exact")
            assert done.returncode == 0, done.stderr
        done = run(core, place, "add", "p", "-c", "none", "--embedder", "tiny", NEARKIN_INDEX="hnsw")
        assert "Traceback" not in done.stderr
        assert done.returncode == 0 or "pip install" in done.stderr
    finally:
        install([str(core.parent / "pip"), "install", "--quiet", str(ROOT)])


def test_the_lowest_versions_that_are_allowed(tmp_path: Path) -> None:
    """The warnings of old packages are no errors."""
    tools, lowest = make_environment(tmp_path / "tools"), tmp_path / "lowest"
    install([str(tools / "pip"), "install", "--quiet", "uv"])
    subprocess.run([tools / "uv", "venv", "--quiet", "--python", sys.executable, lowest], check=True)
    python = lowest / "bin" / "python"
    command = [str(tools / "uv"), "pip", "install", "--quiet", "--system-certs", "--python", str(python)]
    install([*command, "--resolution", "lowest-direct", f".[{EXTRAS}]", *TOOLS])
    touching = [f"tests/{room}/test_{name}.py" for room, names in TOUCHING.items() for name in names.split()]
    touching += [f"tests/{room}" for room in WHOLE]
    options = ["-q", "-n", "2", "-p", "no:cacheprovider", "-o", "filterwarnings=default"]
    done = subprocess.run(
        [python, "-m", "pytest", *options, *touching], cwd=ROOT, capture_output=True, text=True, env=clean()
    )
    assert not done.returncode, done.stdout[-5000:]
