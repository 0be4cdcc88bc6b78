from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from indexers.catalogue import copying, schema
from indexers.catalogue.addresses import Address
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.copying import TABLES, copy_catalogue
from indexers.errors import CatalogueError, UsageError
from retrieval import Collection
from tests.conftest import open_collection, vectors
from tests.support.databases import Server, parse_database


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the folder of a collection with clusters, a decision and a trash."""
    with Collection.open(tmp_path / "source", create=True) as collection:
        points = vectors(300)
        metadata = [{"n": n, "half": n / 2, "tags": ["a", "ß"], "deep": {"x": None}} for n in range(300)]
        collection.add_vectors(
            points, keys=[f"k{n}" for n in range(300)], metadata=metadata, texts=["a red boat"] * 300
        )
        collection.rename(collection.clusters()[0].id, "harbour")
        collection.remove(["k299", "k7"])
        collection.keep_together(["k1", "k2"])
    (tmp_path / "source" / "nearkin.toml").write_text("ef = 99\n")
    return tmp_path / "source"


@pytest.fixture
def server(postgresql: Server, tmp_path: Path) -> Address:
    return replace(parse_database(postgresql.create_schema()), folder=tmp_path / "machine")


def read_rows(address: Address) -> dict[str, list[tuple[object, ...]]]:
    catalogue = Catalogue.open(address)
    with catalogue.engine.begin() as connection:
        tables = {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in TABLES
        }
    catalogue.close()
    return tables


def test_a_copy_there_and_back_holds_the_same(source: Path, server: Address, tmp_path: Path) -> None:
    counts = copy_catalogue(source, server)
    assert (counts["item"], counts["vector"], counts["trash"]) == (298, 298, 2)
    assert read_rows(server) == read_rows(source)
    with open_collection(server) as copied:
        assert copied.verify().ok
        assert copied.search(vector=vectors(300)[5], k=1)[0].key == "k5"
        assert len(copied.search(query="boats", k=500)) == 298
        assert "harbour" in {cluster.name for cluster in copied.clusters()}
        assert copied.info().settings["ef"] == 99
        copied.restore(["k7"])
        copied.add_vectors(vectors(1, seed=9), keys=["new"])
        assert copied.get("new").id == 301
    copy_catalogue(server, tmp_path / "back")
    assert read_rows(tmp_path / "back") == read_rows(server)
    with Collection.open(tmp_path / "back") as back:
        back.remove(["new"])
        back.empty_trash()
        back.add_vectors(vectors(1, seed=10), keys=["newer"])
        assert back.get("newer").id == 302
        assert back.verify().ok


@pytest.mark.parametrize("is_server", [False, True])
def test_a_copy_that_is_broken_off_goes_on_and_is_not_opened_before(
    source: Path, server: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_server: bool
) -> None:
    monkeypatch.setattr(copying, "BATCH", 50)
    target = server if is_server else tmp_path / "target"

    def stop(_: int, __: int, name: str) -> None:
        if name == "vector":
            stop.left -= 1  # type: ignore[attr-defined]
            if not stop.left:  # type: ignore[attr-defined]
                raise KeyboardInterrupt

    stop.left = 4  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        copy_catalogue(source, target, stop)
    with pytest.raises(CatalogueError, match="repeat `nearkin copy`"):
        Catalogue.open(target)
    steps: list[tuple[str, int]] = []
    counts = copy_catalogue(source, target, lambda done, _, name: steps.append((name, done)))
    there = [done for name, done in steps if name == "vector"]
    assert there[-1] - there[0] == counts["vector"] - 150  # three batches were there
    assert read_rows(target) == read_rows(source)


def test_what_has_changed_since_is_copied_anew(source: Path, server: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BATCH", 50)

    def stop(_: int, __: int, name: str) -> None:
        if name == "vector":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_catalogue(source, server, stop)
    with Collection.open(source) as collection:
        collection.update("k3", {"n": "other"})
        collection.remove(["k4"])
    copy_catalogue(source, server)
    assert read_rows(server) == read_rows(source)


def test_a_copy_that_differs_is_not_opened(source: Path, server: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object) -> None:
        catalogue = copying.open_database(server)
        with catalogue.connect(writing=True) as connection:
            connection.execute(sa.delete(schema.decision))
            connection.commit()
        catalogue.close()

    rebuild = copying._finish
    monkeypatch.setattr(copying, "_finish", lambda *arguments: (lose(), rebuild(*arguments)))
    with pytest.raises(CatalogueError, match="differs in the table decision"):
        copy_catalogue(source, server)
    with pytest.raises(CatalogueError, match="not complete"):
        Catalogue.open(server)


def test_no_collection_is_copied_over(source: Path, server: Address, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "other", create=True) as other:
        other.add_vectors(vectors(2))
    before = read_rows(tmp_path / "other")
    with pytest.raises(UsageError, match="already"):
        copy_catalogue(source, tmp_path / "other")
    with pytest.raises(UsageError, match="to itself"):
        copy_catalogue(source, source)
    assert read_rows(tmp_path / "other") == before
