from __future__ import annotations

import numpy as np
import pytest

from indexers.errors import BadQuery
from retrieval.search.options import Options, QueryParts, check_count, check_options, check_region


def test_parts_of_a_query_are_counted() -> None:
    assert QueryParts().count_given() == 0
    assert QueryParts(text="a", item=1).count_given() == 2


def test_a_region_is_rounded_to_pixels() -> None:
    assert check_region(None) is None
    assert check_region((1.4, 2.6, 10, 20.5)) == (1, 3, 10, 20)
    assert check_region(np.array([1, 2, 3, 4])) == (1, 2, 3, 4)


def test_options_that_make_no_sense_together_are_refused() -> None:
    check_options(Options(k=3, by="tiles"))
    with pytest.raises(BadQuery, match="by= can't"):
        check_options(Options(by="tiles", diversify=0.1))
    with pytest.raises(BadQuery, match="k is the number of hits"):
        check_count(0)
