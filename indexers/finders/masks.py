"""The grid that says where in its box a part is, as text: columns and rows, and the lengths of runs.

"4x2:1 2 5" is a grid of four columns and two rows, read row by row: one cell outside, two inside, five outside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_CELLS = 2**22
"""The most cells of a grid that is read: whoever wrote it may have written anything."""


def encode_mask(mask: NDArray[np.bool_]) -> str:
    """Return the text of a grid, bool (rows, columns)."""
    flat = np.concatenate([[False], mask.ravel().astype(bool)])
    edges = np.flatnonzero(np.diff(flat))
    runs = np.diff(np.concatenate([[0], edges, [mask.size]]))
    return f"{mask.shape[1]}x{mask.shape[0]}:" + " ".join(map(str, runs.tolist()))


def decode_mask(text: str) -> NDArray[np.bool_]:
    """Return the grid, bool (rows, columns), of a text. Raises ValueError for a text of another form."""
    size, _, runs = text.partition(":")
    width, height = (int(number) for number in size.split("x"))
    lengths = np.array([int(run) for run in runs.split()], np.int64)
    if not 0 < width * height <= MAX_CELLS or (lengths < 0).any() or lengths.sum() != width * height:
        raise ValueError(f"no mask: {text[:40]!r}")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(height, width)
