from __future__ import annotations

import numpy as np
import pytest

from indexers.finders.masks import decode_mask, encode_mask


def test_a_mask_is_written_row_by_row_and_comes_back() -> None:
    mask = np.array([[False, True, True, False], [False] * 4])
    assert encode_mask(mask) == "4x2:1 2 5"
    for grid in (mask, ~mask, np.ones((3, 1), bool), np.random.default_rng(0).random((17, 9)) > 0.5):
        np.testing.assert_array_equal(decode_mask(encode_mask(grid)), grid)


@pytest.mark.parametrize("text", ["", "4x2", "4x2:1 2", "0x0:", "-1x2:3", "axb:1", "99999x99999:1", "2x1:3 -1"])
def test_what_is_no_mask_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"mask|invalid|unpack"):
        decode_mask(text)
