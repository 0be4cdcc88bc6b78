"""The kinds of proposals."""

from __future__ import annotations

from typing import Any

import pytest

from indexers.errors import UsageError
from retrieval.proposals.kinds import KINDS, check_content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (("burn", 0, 0, None, {}), "kind is one of keep, "),
        (("keep", 1, 0, None, {}), "'keep' takes 2 to 10,000 items; got 1"),
        (("apart", 3, 0, None, {}), "'apart' takes 2 items; got 3"),
        (("merge", 0, 1, None, {}), "'merge' takes 2 clusters; got 1"),
        (("hide", 1, 1, None, {}), "'hide' takes 0 items; got 1"),
        (("rename", 0, 1, " ", {}), "'rename' takes a name; got ' '"),
        (("hide", 0, 1, "x", {}), "'hide' takes no name; got 'x'"),
        (("metadata", 1, 0, None, {}), "'metadata' takes metadata; got 0 keys"),
        (("remove", 1, 0, None, {"a": 1}), "'remove' takes no metadata; got 1 keys"),
    ],
)
def test_what_a_kind_can_not_be_about(content: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_content(*content)


def test_each_kind_takes_the_least_that_it_needs() -> None:
    for name, kind in KINDS.items():
        values = {"a": 1} if kind.takes_metadata else {}
        check_content(name, kind.items[0], kind.clusters[0], "x" if kind.takes_name else None, values)
