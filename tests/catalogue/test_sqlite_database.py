from __future__ import annotations

from pathlib import Path

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.sqlite_database import SqliteDatabase
from indexers.errors import CatalogueDamaged, CollectionClosed, CollectionNotFound


def test_it_is_named_by_its_file_and_opened_by_its_folder(catalogue: Catalogue) -> None:
    database = catalogue.database
    assert (database.name, database.address) == (str(catalogue.folder / "catalogue.sqlite"), str(catalogue.folder))
    assert database.size_on_disk() > 0
    assert database.find_faults() == []


def test_a_closed_one_says_so(catalogue: Catalogue) -> None:
    catalogue.close()
    assert not catalogue.is_current()
    with pytest.raises(CollectionClosed, match="open it again"):
        catalogue.database.check_current()


def test_a_file_without_tables_is_an_interrupted_creation_unless_something_follows_it(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").touch()
    database = SqliteDatabase.open(tmp_path, 0.2)
    assert isinstance(database.explain_lack([]), CollectionNotFound)
    (tmp_path / "spaces").mkdir()
    assert isinstance(database.explain_lack([]), CatalogueDamaged)
    assert isinstance(database.explain_lack(["strange"]), CatalogueDamaged)
    database.close()
