"""Which of the parts that are found in a picture again are those that were found before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from indexers.finders.base import Box

SAME_PLACE = 0.5
"""Two parts are one if they share so much of what both of them cover, at least (intersection over union)."""
MAX_PAIRS = 1_000_000
"""Pairs of parts that are compared; of more, only equal places are one."""


class Place(Protocol):
    """Where a part is; see FoundPart."""

    @property
    def box(self) -> Box | None: ...
    @property
    def page(self) -> int | None: ...
    @property
    def start(self) -> float | None: ...
    @property
    def end(self) -> float | None: ...


def match_places(before: Sequence[Place], after: Sequence[Place]) -> list[int]:
    """Return for each part of `after` the number of the one of `before` that it continues; -1 for a new one.

    Each continues one at most: first those at equal places, then those that share most. Both are of one picture.
    """
    continued = [-1] * len(after)
    free: dict[Any, list[int]] = {}
    for number in reversed(range(len(before))):
        free.setdefault(_to_key(before[number]), []).append(number)
    for number, part in enumerate(after):
        if equal := free.get(_to_key(part)):
            continued[number] = equal.pop()
    old = sorted(set(range(len(before))).difference(continued))
    new = [number for number, match in enumerate(continued) if match < 0]
    if old and new and len(old) * len(new) <= MAX_PAIRS:
        shared = _compare([before[number] for number in old], [after[number] for number in new])
        for place in np.argsort(-shared, axis=None, kind="stable").tolist():
            row, column = divmod(place, len(new))
            if shared[row, column] < SAME_PLACE:
                break
            if old[row] >= 0 and continued[new[column]] < 0:
                continued[new[column]], old[row] = old[row], -1
    return continued


def _to_key(part: Place) -> Any:
    return part.box, part.page, part.start


def _compare(before: Sequence[Place], after: Sequence[Place]) -> Any:
    """Return how much of what two parts cover both of them do, float64 (before, after), 0 to 1."""
    same_page = np.array([[old.page == new.page for new in after] for old in before])
    boxed = np.array([[(old.box is None) == (new.box is None) for new in after] for old in before])
    shared = np.where(same_page & boxed, 1.0, 0.0)
    sides = [np.array([part.box or (0, 0, 1, 1) for part in parts], np.float64) for parts in (before, after)]
    areas = [rows[:, 2] * rows[:, 3] for rows in sides]
    inside = _overlap(sides[0][:, 0], sides[0][:, 2], sides[1][:, 0], sides[1][:, 2])
    inside *= _overlap(sides[0][:, 1], sides[0][:, 3], sides[1][:, 1], sides[1][:, 3])
    shared *= inside / np.maximum(areas[0][:, None] + areas[1] - inside, 1e-9)
    spans = [
        np.array([(part.start or 0.0, part.end if part.end is not None else (part.start or 0.0) + 1) for part in parts])
        for parts in (before, after)
    ]
    lengths = [np.maximum(rows[:, 1] - rows[:, 0], 1e-9) for rows in spans]
    both = _overlap(spans[0][:, 0], lengths[0], spans[1][:, 0], lengths[1])
    return shared * both / np.maximum(lengths[0][:, None] + lengths[1] - both, 1e-9)


def _overlap(start: Any, length: Any, second_start: Any, second_length: Any) -> Any:
    """Return the lengths that spans have in common, (n, m)."""
    end = np.minimum((start + length)[:, None], second_start + second_length)
    return np.maximum(end - np.maximum(start[:, None], second_start), 0)
