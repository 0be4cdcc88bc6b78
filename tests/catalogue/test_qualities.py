from __future__ import annotations

from indexers.catalogue.catalogue import Catalogue
from indexers.types import Arrival, FoundFile


def test_pictures_with_files_are_measured_once(catalogue: Catalogue) -> None:
    file = FoundFile("/a.png", 1, 1, 1, 1)
    with catalogue.transaction() as writing:
        arrivals = [Arrival("a", b"a" * 20, uri="/a.png", file=file), Arrival("vector"), Arrival("b", b"b" * 20)]
        rows = writing.put(arrivals)
        first = rows[0].item_id
        assert writing.qualities.unmeasured() == [first]
        writing.put_qualities({first: (0.5, 0.1, 0.4, 0.9)})
        assert writing.qualities.unmeasured() == []
