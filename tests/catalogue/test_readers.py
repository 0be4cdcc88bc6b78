"""The readers of parts of the catalogue."""

from __future__ import annotations

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.readers import Readers


def test_a_snapshot_has_every_reader(catalogue: Catalogue) -> None:
    with catalogue.database.connect() as connection, catalogue.snapshot() as snapshot:
        names = vars(Readers(connection)).keys()
        assert names <= vars(snapshot).keys()
        assert "clusters" in names
