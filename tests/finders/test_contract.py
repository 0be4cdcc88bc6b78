"""The contract is tried by the tests of each finder; here, that it refuses one that breaks it."""

from __future__ import annotations

import pytest
from PIL.Image import Image

from indexers.finders.base import Finder, FoundPart
from indexers.finders.contract import FinderContract


class Outside(Finder):
    name = kind = "outside"

    def find(self, picture: Image) -> list[FoundPart]:
        return [FoundPart((0, 0, picture.width + 1, 1))]


def test_a_part_outside_the_picture_is_refused() -> None:
    contract = FinderContract()
    contract.finder = Outside  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        contract.test_parts_lie_in_the_picture()
    contract.test_leaves_the_picture_as_it_was()
